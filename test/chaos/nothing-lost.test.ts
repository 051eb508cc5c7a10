/** What a dock was told is on disk, whatever dies; and of many who want one device, one gets it. */
import { expect } from 'chai';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import { connectAsker, type Asker } from '../support/asker.js';
import { run, startCommand } from '../support/cli.js';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { times } from '../support/long.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';

const KILLS = times(20, 3);
const BINDS = times(1000, 300);
/** Requests in flight at once. */
const IN_FLIGHT = 32;
const RACES = times(500, 50);

const errors = (data: Record<string, unknown> | undefined): (number | undefined)[] =>
  (data as { output?: { err_infos?: { err_code: number }[] } } | undefined)?.output?.err_infos?.map(
    ({ err_code }) => err_code,
  ) ?? [];

/** Binds a gateway, and the drone that it has, if any. */
const bind = (asker: Asker, gateway: string, organization: string, code: string, ...drone: string[]) =>
  asker.request(
    'airport_organization_bind',
    {
      bind_devices: [gateway, ...drone].map((sn) => ({
        sn,
        device_binding_code: code,
        organization_id: organization,
        device_callsign: gateway,
      })),
    },
    gateway,
  );

describeWithPostgres('nothing is lost', function () {
  this.timeout(180_000);
  let database: TestDatabase;
  let environment: Record<string, string>;
  before(async () => {
    database = await freshDatabase();
    environment = {
      DATABASE_URL: database.url,
      DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0',
      DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0',
      DOCKHOOK_LOG_LEVEL: 'error',
    };
    for (const args of [
      ['account', 'add', 'fleet', '--any-gateway', '--generate'],
      ['organization', 'add', 'north', '--name', 'North', '--binding-code', 'code-of-north'],
      ['organization', 'add', 'south', '--name', 'South', '--binding-code', 'code-of-south'],
    ]) {
      const { code, stderr } = await run(args, { environment });
      expect(code, stderr).to.equal(0);
    }
  });
  after(() => database.drop());

  it(`when the server is killed in the middle of ${BINDS} binds, ${KILLS} times: every told bind is there, and whole`, async () => {
    let told = 0;
    for (let round = 0; round < KILLS; round += 1) {
      const server = startCommand(['serve'], { environment: { ...environment, DOCKHOOK_LOG_LEVEL: 'info' } });
      const { grpc } = await server.event('ready');
      const asker = await connectAsker(String(grpc), { username: 'fleet', clientId: 'fleet' });
      const acknowledged: string[] = [];
      // Each round dies after another number of replies, from the first to nearly the last.
      const last = Math.ceil((BINDS * (round + 1)) / (KILLS + 1));
      let next = 0;
      let killed: Promise<unknown> | undefined;
      const one = async (): Promise<void> => {
        while (next < BINDS && !killed) {
          const sn = `R${round}N${next++}`;
          const data = await bind(asker, sn, 'north', 'code-of-north', `${sn}D`).catch(() => undefined);
          if (errors(data).join() === '0,0') acknowledged.push(sn);
          if (acknowledged.length >= last) killed ??= server.stop('SIGKILL');
        }
      };
      await Promise.all(Array.from({ length: IN_FLIGHT }, one));
      await killed;
      asker.close();
      expect(acknowledged).to.have.length.of.at.least(last);
      told += acknowledged.length;

      const rows = await database.query('SELECT key, value FROM dockhook_bindings WHERE key LIKE $1', [
        `R${round}N%`,
      ]);
      const kept = new Map(
        rows.map(({ key, value }) => [key, JSON.parse(String(value)) as { value: object }]),
      );
      expect(
        acknowledged.filter((sn) => !kept.has(sn)),
        'told, and not there',
      ).to.deep.equal([]);
      for (const [sn, { value }] of kept) {
        const gateway = String(sn).replace('D', '');
        expect(kept, 'a gateway without its drone, or the drone alone').to.include.keys(
          gateway,
          `${gateway}D`,
        );
        expect(value, `half a row of ${String(sn)}`).to.include({
          organizationId: 'north',
          gateway,
          callsign: gateway,
        });
      }
    }
    expect(told).to.be.greaterThan(0);
  });

  it(`when two replicas bind one device to two organizations at the same time, ${RACES} times: one winner each`, async () => {
    const replicas: TestDockhook[] = [];
    for (let i = 0; i < 2; i += 1) {
      replicas.push(
        await startDockhook({
          stores: openStores(connectPostgres(database.url)),
          environment: { DOCKHOOK_LOG_LEVEL: 'error' },
        }),
      );
    }
    const [a, b] = await Promise.all(
      replicas.map(({ grpc }) => connectAsker(grpc, { username: 'fleet', clientId: 'fleet' })),
    );
    if (!a || !b) throw new Error('unreachable');
    const wins = { north: 0, south: 0 };
    for (let race = 0; race < RACES; race += 1) {
      const sn = `RACE${race}`;
      const [north, south] = (
        await Promise.all([bind(a, sn, 'north', 'code-of-north'), bind(b, sn, 'south', 'code-of-south')])
      ).map((data) => errors(data)[0]);
      expect([north, south].sort(), sn).to.deep.equal([0, 210232]);
      const winner = north === 0 ? 'north' : 'south';
      const [row] = await database.query('SELECT organization_id FROM dockhook_bindings WHERE key = $1', [
        sn,
      ]);
      expect(row, sn).to.deep.equal({ organization_id: winner });
      wins[winner] += 1;
    }
    expect(wins.north + wins.south).to.equal(RACES);
    a.close();
    b.close();
    for (const replica of replicas) await replica.stop();
  });
});
