/** What commands say while no dockhook server runs, or another one than they think. */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, startCommand } from '../support/cli.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';
import { until } from '../support/until.js';

const SN = '7CTDTEST00000A';
const PORTS = { DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0', DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0' };

async function check(environment: Record<string, string>, args: string[] = []) {
  const command = (...words: string[]) => run([...args, ...words], { environment });
  const show = await command('dock', 'show', SN);
  const list = await command('dock', 'list');
  const json = await command('--json', 'dock', 'show', SN);
  const doctor = await command('--json', 'doctor');
  const findings = JSON.parse(doctor.stdout) as { code: string; level: string }[];
  return {
    heads: [show, list].map(({ stdout }) => stdout.split('\n')[0]),
    warning: json.stderr,
    doctor: findings
      .filter(({ code }) => code.startsWith('server_'))
      .map(({ level, code }) => `${level} ${code}`),
  };
}

describeWithPostgres('commands', function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let environment: Record<string, string>;
  before(async () => {
    database = await freshDatabase();
    environment = { DATABASE_URL: database.url, ...PORTS };
    const added = await run(['account', 'add', 'dock-1', '--gateway', SN, '--generate'], { environment });
    expect(added.code, added.stderr).to.equal(0);
  });
  after(() => database.drop());

  it('say that no server has written to this database yet', async () => {
    const said = await check(environment);
    for (const head of said.heads)
      expect(head).to.match(/^No dockhook server has written to this database yet/);
    expect(JSON.parse(said.warning)).to.have.property('warning');
    expect(said.doctor).to.deep.equal(['warning server_never_heard']);
  });

  it('say nothing while a server runs, and since when it is not heard after it was killed', async () => {
    const server = startCommand(['serve'], { environment });
    await server.event('ready');
    await until(async () => (await database.query('SELECT FROM dockhook_timeline')).length > 0);
    const running = await check(environment);
    expect(running.heads[0]).to.match(/^dock 7CTDTEST00000A/);
    expect(running.heads[1]).to.match(/^SN /);
    expect(running.warning).to.equal('');
    expect(running.doctor).to.deep.equal(['ok server_heard']);

    await server.stop('SIGKILL');
    await database.query("UPDATE dockhook_timeline SET at = at - interval '1 hour' WHERE step = 'server'");
    const killed = await check(environment);
    for (const head of killed.heads) {
      expect(head).to.match(
        /^No dockhook server has been heard of in this database since 20\S+ \S+ \(60 min ago\)/,
      );
    }
    expect(killed.warning).to.include('has been heard of in this database since');
    expect(killed.doctor).to.deep.equal(['error server_not_heard']);
  });

  it('say when the last server was stopped', async () => {
    const server = startCommand(['serve'], { environment });
    await server.event('ready');
    await server.stop('SIGTERM');
    const stopped = await check(environment);
    for (const head of stopped.heads) expect(head).to.match(/^The last dockhook server .* was stopped at 20/);
    expect(stopped.doctor).to.deep.equal(['error server_stopped']);
  });
});

describe('commands on an embedded database', function () {
  this.timeout(120_000);
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'dockhook-servers-'));
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  it('hear of the server that holds it, and that it was stopped', async () => {
    const args = ['--data-dir', directory];
    const server = startCommand([...args, 'serve'], { environment: PORTS });
    await server.event('ready');
    await run([...args, 'account', 'add', 'dock-1', '--gateway', SN, '--generate'], { environment: PORTS });
    expect((await check(PORTS, args)).doctor).to.deep.equal(['ok server_heard']);
    await server.stop('SIGTERM');
    const stopped = await check(PORTS, args);
    for (const head of stopped.heads) expect(head).to.match(/^The last dockhook server .* was stopped at 20/);
  });
});
