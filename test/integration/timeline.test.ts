/** The timeline while everything else goes on: locked tables, floods, replicas and restarts. */
import { expect } from 'chai';
import pg from 'pg';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { openStage, type Actor, type Stage } from '../support/exhook-actor.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';
import { until } from '../support/until.js';

const SN = '7CTDTEST00000A';
const PASSWORD = 'the-password-in-the-test';
const LICENSE = { appId: '166400', appKey: 'key-in-the-test', appLicense: 'license-in-the-test' };

describeWithPostgres('the timeline', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  const cleanUps: (() => unknown)[] = [];
  let failures: string[];

  beforeEach(async () => {
    failures = [];
    database = await freshDatabase();
    const stores = openStores(connectPostgres(database.url));
    await stores.license.set(LICENSE);
    await stores.close();
    const app = await startDockhook({ stores: openStores(connectPostgres(database.url)) });
    await app.addAccount('dock-1', PASSWORD, { kind: 'gateways', gateways: [SN] });
    await app.stop();
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
    await database.drop();
  });

  async function replica(timeline: { writeMs?: number; sweepMs?: number } = {}) {
    const stores = openStores(connectPostgres(database.url), {
      onQuery: (table, operation, _milliseconds, failed) => {
        if (failed) failures.push(`${operation} ${table}`);
      },
    });
    const app = await startDockhook({ stores, timeline });
    cleanUps.push(() => app.stop());
    await app.ready;
    const stage = await openStage(app.grpc);
    cleanUps.push(() => {
      stage.close();
    });
    return { app, stage };
  }

  const dockOf = (stage: Stage): Actor => stage.client({ clientId: SN, username: 'dock-1' });
  const steps = async (): Promise<unknown[]> => {
    const rows = await database.query(
      `SELECT coalesce(details ->> 'method', step) AS what FROM dockhook_timeline WHERE gateway = $1 ORDER BY at, id`,
      [SN],
    );
    return rows.map(({ what }) => what);
  };
  const metric = async (app: TestDockhook, name: string): Promise<number> => {
    const text = await (await fetch(`http://${app.http}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  };
  const count = async (where: string): Promise<number> => {
    const [row] = await database.query(`SELECT count(*)::int AS n FROM ${where}`);
    return Number(row?.['n']);
  };

  it('holds up no reply while its table is locked, leaves nothing waiting in the server, and has what happened meanwhile', async () => {
    const { app, stage } = await replica({ writeMs: 10 });
    const locker = new pg.Client({ connectionString: database.url });
    await locker.connect();
    cleanUps.push(() => locker.end());
    await locker.query('BEGIN; LOCK TABLE dockhook_timeline IN ACCESS EXCLUSIVE MODE');
    const waiting = "pg_locks WHERE relation = 'dockhook_timeline'::regclass AND NOT granted";

    while (failures.length < 3) {
      const dock = dockOf(stage);
      await dock.connect(PASSWORD);
      expect(await dock.request('config')).to.include({ app_id: LICENSE.appId });
      await dock.status('1581FTEST000000000AA');
      // One of the timeline, and one of the server's own row.
      expect(await count(waiting), 'statements that wait for the lock').to.be.at.most(2);
    }
    expect(await count("pg_locks WHERE relation = 'dockhook_timeline'::regclass AND granted")).to.equal(1);
    expect(app.logged.filter(({ event }) => event === 'timeline_not_written')).to.have.length(1);

    await locker.query('ROLLBACK');
    await until(async () => (await steps()).length > 4);
    const first = (await steps()).slice(0, 5);
    // The topic of its replies, to which it subscribed.
    expect(first).to.deep.equal(['authenticate', 'connected', 'authorize', 'config', 'update_topo']);
  });

  it('is whole after two replicas and a restart wrote it', async () => {
    const [a, b] = [await replica(), await replica()];
    const dock = dockOf(a.stage);
    await dock.connect(PASSWORD);
    await dockOf(b.stage).request('config');
    await dock.request('airport_bind_status', { devices: [{ sn: SN }] });
    await a.app.stop();
    await b.app.stop();
    const c = await replica();
    await dockOf(c.stage).request('offline_map_get');
    await c.app.stop();
    expect(await steps()).to.deep.equal([
      ...['authenticate', 'connected', 'authorize', 'config', 'airport_bind_status', 'offline_map_get'],
    ]);
  });

  it('has each end and beginning once, and each message once, where the broker tells it twice', async () => {
    const { app, stage } = await replica();
    const dock = dockOf(stage);
    await dock.authenticate(PASSWORD);
    for (let time = 0; time < 2; time += 1) await dock.subscribe();
    for (let time = 0; time < 2; time += 1) {
      await dock.request('offline_map_get', {}, { messageId: 'the-same', tid: 'the-same' });
    }
    for (let time = 0; time < 2; time += 1) await dock.disconnected('normal');
    await app.stop();
    expect(await steps()).to.deep.equal([
      'authenticate',
      'connected',
      'authorize',
      'offline_map_get',
      'disconnected',
    ]);
    expect(await count("dockhook_timeline WHERE count > 1 OR details ? 'again'")).to.equal(0);
  });

  it('takes few rows for a flood of random client ids, and all of the dock between them', async () => {
    const { app, stage } = await replica({ writeMs: 60_000 });
    const stranger = (index: number): Promise<boolean> =>
      // Each from a place of its own, so that no throttle by address holds it.
      stage
        .client({ clientId: `random-${index}`, username: `nobody-${index}`, peerHost: `198.51.100.${index}` })
        .authenticate('wrong');
    for (let wave = 0; wave < 250; wave += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, index) => stranger(wave + index)));
    }
    await dockOf(stage).connect(PASSWORD);
    await dockOf(stage).request('config');
    const dropped = await metric(app, 'dockhook_timeline_dropped_total');
    await app.stop();
    expect(await steps()).to.deep.equal(['authenticate', 'connected', 'authorize', 'config']);
    const kept = await count('dockhook_timeline WHERE NOT own');
    expect(kept).to.be.within(1, 100);
    expect(kept + dropped).to.equal(250);
  });

  it('sweeps what strangers left beyond its limit, and nothing of the dock', async () => {
    await database.query(`
      INSERT INTO dockhook_timeline (at, last_at, expires_at, own, client_id, account, step, outcome, count, details)
      SELECT now(), now(), now() + interval '1 day', false, 'x' || i, 'nobody', 'authenticate', 'refused', 1, '{}'
      FROM generate_series(1, 12000) i`);
    const { stage } = await replica({ writeMs: 10, sweepMs: 10 });
    do await dockOf(stage).connect(PASSWORD);
    while ((await count('dockhook_timeline WHERE NOT own')) > 10_000);
    expect(await count('dockhook_timeline WHERE NOT own')).to.equal(10_000);
    expect((await steps()).length).to.be.greaterThan(0);
  });

  it('records nothing of clients with DOCKHOOK_TIMELINE=off', async () => {
    const app = await startDockhook({
      stores: openStores(connectPostgres(database.url)),
      environment: { DOCKHOOK_TIMELINE: 'off' },
    });
    const stage = await openStage(app.grpc);
    await dockOf(stage).connect(PASSWORD);
    await dockOf(stage).request('config');
    stage.close();
    await app.stop();
    expect(await count("dockhook_timeline WHERE step <> 'server'")).to.equal(0);
  });
});
