/** `npm run bench` works, in all its parts. Its figures are not looked at here: nothing was measured long enough. */
import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { h2loadVersion } from './h2load.js';
import type { Cell, Report, Results } from './report.js';
import type { Spread } from './statistics.js';
import { STEPS } from './way.js';
import { describeWithHaproxy } from '../support/haproxy.js';
import { describeWithMosquitto } from '../support/mosquitto.js';
import { describeWithOwnPostgres } from '../support/postgres.js';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

async function bench(...parts: string[]): Promise<{ stdout: string; results: Results }> {
  const directory = mkdtempSync(join(tmpdir(), 'dockhook-bench-'));
  try {
    const out = join(directory, 'results.json');
    const args = ['--import', 'tsx', MAIN, '--smoke', '--out', out, ...parts];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    return { stdout, results: JSON.parse(readFileSync(out, 'utf8')) as Results };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A laptop without h2load skips, loudly; CI fails. */
function needsH2load(this: Mocha.Context): void {
  if (h2loadVersion() !== undefined) return;
  const missing = 'h2load is not installed (Debian: nghttp2-client)';
  if (process.env['CI'] === 'true') throw new Error(missing);
  console.warn(`\n*** NOT TESTED: npm run bench\n*** ${missing}\n`);
  this.skip();
}

describeWithOwnPostgres('npm run bench', function () {
  this.timeout(180_000);
  let stdout: string;
  let results: Results;
  before(needsH2load);
  before('run it', async () => {
    ({ stdout, results } = await bench(
      'hooks',
      'binds',
      'storms',
      'steady',
      'floods',
      'growth',
      'footprint',
      'refusals',
    ));
  });

  it('compares each hook and method with the no-op provider', () => {
    const { rows, versions, machine, commit } = results['hooks']!;
    expect(new Set(rows.map(({ call }) => call))).to.have.property('size', 12);
    for (const row of rows) expectRatios(row, 'throughput', 'p50', 'p99');
    expect(versions).to.include.keys('dockhook', 'node', 'postgres', 'h2load');
    expect(machine.cores).to.be.greaterThan(0);
    expect(commit).to.match(/^([0-9a-f]{40}( and changes)?)?$/);
    expect(stdout).to.include('| client.authorize, own topic');
  });

  it('compares binds with pgbench', () => {
    for (const row of results['binds']!.rows) expectRatios(row, 'throughput', 'p50');
  });

  it('lets every dock of a storm in, and tells when', () => {
    const { rows, curves } = results['storms']!;
    const fleets = rows.filter((row) => 'all in s' in row);
    expect(fleets.map((row) => row['storm'])).to.deep.equal([
      'generated, cold',
      'generated, warm',
      'no-op provider',
      'chosen, cold',
      'chosen, warm',
    ]);
    for (const row of fleets) {
      expect(row).to.include({ docks: 30, starved: 0 });
      // Each dock's five at least, all of which were good.
      expect(row['calls']).to.be.at.least(150);
      expect(row['load busy %']).to.have.property('median').that.is.within(1, 100);
    }
    for (const [name, curve] of Object.entries(curves!)) expect(curve.at(-1), name).to.equal(30);
    expectRatios(
      rows.find((row) => row['storm'] === 'generated, cold to warm')!,
      'docks/s',
    );
  });

  it('compares the calls of a day with the no-op provider, and counts what PostgreSQL is asked', () => {
    const [cost, ...calls] = results['steady']!.rows;
    // Each topic of thirty docks, in a minute that lasts a second.
    expect(medianOf(cost!['calls/s'])).to.be.within(150, 400);
    expect(medianOf(cost!['heartbeats/s'])).to.be.greaterThan(0);
    expect(medianOf(cost!['statements/s'])).to.be.within(0, 400);
    expect(calls.map(({ call }) => call)).to.include.members([
      'client.authorize, own topic',
      'client.authorize, drone',
      'client.authenticate',
      'config',
      'airport_bind_status',
    ]);
    for (const row of calls) expectRatios(row, 'p50', 'p99');
  });

  it('compares sizes of the table of accounts, and measures a server at rest and with warm docks', () => {
    const { rows } = results['growth']!;
    const sizes = rows.map(({ accounts }) => accounts);
    expect(sizes).to.deep.equal([100, 3000, 100, 3000, 100, 3000]);
    for (const row of rows) expectRatios(row, 'p50 to the smallest');
    const [atRest, warm] = results['footprint']!.rows;
    expect(medianOf(atRest!['start to ready ms'])).to.be.greaterThan(
      medianOf(atRest!['of that Node.js itself ms']),
    );
    // What thirty docks leave behind is something, and no more than what all garbage left in.
    expect(warm!['warm docks']).to.equal(30);
    expect(warm!['of that in use, garbage collected, MiB']).to.be.within(0.1, 30);
  });

  it('compares what others wait during a flood with before it, and with the no-op provider', () => {
    const { rows } = results['floods']!;
    expect(rows).to.have.length(5);
    for (const row of rows) expectRatios(row, 'p50 to idle', 'p99 to idle', 'p99 to no-op');
  });

  it('compares refusals of each kind of account with those of unknown names', () => {
    const { rows } = results['refusals']!;
    expect(rows).to.have.length(4);
    for (const { pairs, z } of rows) {
      expect(pairs).to.equal(20);
      expect(z).to.satisfy(Number.isFinite);
    }
  });
});

describeWithMosquitto('npm run bench with Mosquitto', () => {
  describeWithOwnPostgres('and PostgreSQL', function () {
    this.timeout(120_000);
    let results: Results;
    before(needsH2load);
    before('run it', async () => {
      ({ results } = await bench('journey', 'telemetry'));
    });

    it('compares each step of the whole way, and crowds, with the classic design, on both brokers', () => {
      const { rows } = results['journey']!;
      const steps = rows.filter((row) => 'step of one dock' in row);
      const crowds = rows.filter((row) => 'docks at once' in row);
      for (const row of steps) expectRatios(row, 'p50');
      for (const row of crowds) expectRatios(row, 'whole way p50', 'whole way p99', 'docks/s');
      const brokers = ['embedded', 'mosquitto'];
      expect(steps.map((row) => [row['broker'], row['step of one dock']])).to.deep.equal(
        brokers.flatMap((broker) => STEPS.map((step) => [broker, step])),
      );
      expect(crowds.map((row) => [row['broker'], row['docks at once']])).to.deep.equal(
        brokers.flatMap((broker) => [1, 16].map((docks) => [broker, docks])),
      );
    });

    it('counts no call for telemetry, and compares when it arrives', () => {
      const { rows } = results['telemetry']!;
      const counted = rows.filter((row) => 'osd messages' in row);
      expect(counted.map(({ broker }) => broker)).to.deep.equal(['embedded', 'mosquitto']);
      for (const row of counted) {
        expect(row).to.include({ 'publish calls per osd message': 0, 'authorize calls per dock': 4 });
      }
      const timed = rows.filter((row) => 'osd p50' in row);
      expect(timed).to.have.length(2);
      for (const row of timed) expectRatios(row, 'osd p50', 'osd p99');
      expect(medianOf(timed[1]!['request p50 ms'])).to.be.greaterThan(300);
    });
  });
});

describeWithHaproxy('npm run bench with two replicas', function () {
  this.timeout(120_000);
  before(needsH2load);

  it('compares them, behind a proxy, with one without', async () => {
    const { rows } = (await bench('replicas')).results['replicas']!;
    expect(new Set(rows.map(({ through }) => through))).to.have.property('size', 3);
    for (const row of rows) {
      expectRatios(row, 'throughput', 'p50');
      const half = row['through'] === 'proxy, two replicas' ? 50 : 0;
      expect(medianOf(row['calls of the second replica %'])).to.be.within(half / 2, half * 1.5);
    }
  });
});

function medianOf(cell: Cell | undefined): number {
  return (cell as Spread).median;
}

function expectRatios(row: Report['rows'][number], ...names: string[]): void {
  for (const name of names) {
    const ratio = row[name];
    expect(ratio, name).to.have.all.keys('ratio', 'least', 'most');
    expect(
      Object.values(ratio!).every((value: unknown) => Number(value) > 0),
      name,
    ).to.be.true;
  }
}
