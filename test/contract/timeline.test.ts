/** The access timeline in the database: what is kept, for how long, and how much of it. */
import { expect } from 'chai';
import { openPglite } from '../../src/embedded-database/pglite.js';
import type { Database } from '../../src/stores/database.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import type { Stores, TimelineEntry } from '../../src/stores/types.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';

const LIMITS = { strangers: 100, total: 10_000 };
const AT = Date.now();

function entry(more: Partial<TimelineEntry> = {}): TimelineEntry {
  return {
    ...{ at: AT, lastAt: AT, count: 1, gateway: 'SN1', own: true, clientId: 'SN1', account: 'dock-1' },
    ...{ step: 'request', outcome: 'ok', details: { method: 'config', result: 0 } },
    ...more,
  };
}

function stranger(more: Partial<TimelineEntry> = {}): TimelineEntry {
  const { gateway: _gateway, ...rest } = entry({
    ...{ own: false, clientId: 'x', account: 'nobody', step: 'authenticate', outcome: 'refused' },
    ...more,
  });
  return { ...rest, reason: 'unknown_account' };
}

describe('the timeline on the embedded database', () => {
  let database: Database;
  before(async function () {
    this.timeout(60_000);
    database = await openPglite();
  });
  after(() => database.close());
  describeTimeline(() => database);
});

describeWithPostgres('the timeline on PostgreSQL', () => {
  let fresh: TestDatabase;
  let database: Database;
  before(async function () {
    this.timeout(60_000);
    fresh = await freshDatabase();
    database = connectPostgres(fresh.url);
  });
  after(async () => {
    await database.close();
    await fresh.drop();
  });
  describeTimeline(() => database);

  it('can be kept by a role that may not create tables', async () => {
    const role = `writer_${fresh.url.slice(-12)}`;
    await fresh.query(`CREATE ROLE ${role} LOGIN`);
    await fresh.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    await fresh.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`);
    const url = new URL(fresh.url);
    url.username = role;
    const stores = openStores(connectPostgres(url.href));
    try {
      await stores.timeline.append([entry(), entry()]);
      await stores.timeline.sweep(LIMITS);
      await stores.timeline.trim(['SN1'], 1);
      expect(await stores.timeline.of(['SN1'], 10)).to.have.length(1);
    } finally {
      await stores.close();
      await fresh.query(`DROP OWNED BY ${role}`);
      await fresh.query(`DROP ROLE ${role}`);
    }
  });

  it('is swept by eight replicas at once, and keeps what it must', async () => {
    const replicas = Array.from({ length: 8 }, () => openStores(connectPostgres(fresh.url)));
    const names = ['SN1', 'SN2', 'SN3'];
    const entries = names.flatMap((gateway) =>
      Array.from({ length: 300 }, (_, index) => entry({ gateway, at: AT + index })),
    );
    try {
      await Promise.all(
        replicas.map(({ timeline }) => timeline.append([...entries, stranger(), stranger()])),
      );
      await Promise.all(
        replicas.flatMap(({ timeline }) => [
          timeline.sweep({ ...LIMITS, strangers: 3 }),
          timeline.trim(names, 7),
        ]),
      );
      const { timeline } = replicas[0]!;
      expect(await timeline.of(names, 1000)).to.have.length(21);
      expect((await timeline.others(undefined, 1000)).entries).to.have.length(3);
    } finally {
      await Promise.all(replicas.map((stores) => stores.close()));
    }
  });
});

function describeTimeline(databaseOf: () => Database): void {
  let database: Database;
  let stores: Stores;
  beforeEach(async () => {
    database = databaseOf();
    stores = openStores(database);
    await stores.ping();
    await database.query('TRUNCATE dockhook_timeline');
  });
  const clientIds = (entries: TimelineEntry[]): string[] => entries.map(({ clientId }) => clientId);

  it('gives entries back as they were', async () => {
    const whole = entry({
      ...{ lastAt: AT + 5000, count: 3, reason: 'license_not_set' },
      details: { method: 'config', result: 210001, peerHost: '192.0.2.1', clockSkewMs: -7, again: true },
    });
    await stores.timeline.append([whole]);
    await stores.timeline.append([stranger()]);
    expect(await stores.timeline.of(['SN1'], 10)).to.deep.equal([whole]);
    expect((await stores.timeline.others(undefined, 10)).entries).to.deep.equal([stranger()]);
  });

  for (const name of [
    `quote' "and" \\ back`,
    `$dockhook$; DROP TABLE dockhook_accounts; --`,
    `'::jsonb; END $dockhook$; SELECT 1; --`,
    `\\u0027 and \\' and \\\\'`,
    '%s %I %L',
    'Ü 漢 🚁',
  ]) {
    it(`keeps a client id byte for byte that reads ${name}`, async () => {
      await stores.timeline.append([entry({ clientId: name, account: name, details: { detail: name } })]);
      const [kept] = await stores.timeline.of(['SN1'], 10);
      expect([kept?.clientId, kept?.account, kept?.details.detail]).to.deep.equal([name, name, name]);
      expect(await stores.accounts.get('any'), 'the tables are all there').to.equal(undefined);
    });
  }

  it('replaces what Postgres cannot keep, so that it costs no other entry', async () => {
    await stores.timeline.append([entry({ clientId: 'a\0b\uD800c' }), entry({ clientId: 'next' })]);
    expect(clientIds(await stores.timeline.of(['SN1'], 10))).to.deep.equal(['a\uFFFDb\uFFFDc', 'next']);
  });

  it('reads the newest of several gateways, in order of time', async () => {
    const of = (gateway: string, at: number) => entry({ gateway, at, clientId: `${gateway}-${at}` });
    await stores.timeline.append([of('SN1', 1), of('SN2', 2), of('SN1', 3), of('SN3', 4), of('SN1', 5)]);
    expect(clientIds(await stores.timeline.of(['SN1', 'SN2', 'SN9'], 2))).to.deep.equal([
      ...['SN2-2', 'SN1-3', 'SN1-5'],
    ]);
    expect(await stores.timeline.gateways('', 2)).to.deep.equal(['SN1', 'SN2']);
    expect(await stores.timeline.gateways('SN2', 2)).to.deep.equal(['SN3']);
  });

  it("pages through what is no gateway's own, newest first", async () => {
    await stores.timeline.append(['a', 'b', 'c'].map((clientId) => stranger({ clientId })));
    const first = await stores.timeline.others(undefined, 2);
    expect(clientIds(first.entries)).to.deep.equal(['c', 'b']);
    const second = await stores.timeline.others(first.next, 2);
    expect(clientIds(second.entries)).to.deep.equal(['a']);
    expect(second).to.not.have.property('next');
  });

  it('shows once what was written twice, and all else of one moment', async () => {
    const some = [entry({ clientId: 'a' }), entry({ clientId: 'b' }), entry({ clientId: 'c', at: AT + 1 })];
    await stores.timeline.append(some);
    await stores.timeline.append(some);
    expect(clientIds(await stores.timeline.of(['SN1'], 10))).to.deep.equal(['a', 'b', 'c']);
  });

  it('finds the dock of a drone by what docks said themselves', async () => {
    const status = (gateway: string, own: boolean) =>
      entry({ gateway, own, step: 'status', details: { drone: 'DRONE1' } });
    await stores.timeline.append([status('SN1', true), status('SN2', false)]);
    expect(await stores.timeline.gatewayOfDrone('DRONE1')).to.equal('SN1');
    expect(await stores.timeline.gatewayOfDrone('DRONE2')).to.equal(undefined);
  });

  it('keeps an entry for thirty days, and sweeps it then', async () => {
    const days = 24 * 3_600_000;
    const now = Date.now();
    const seen = (ago: number) => ({ at: now - ago, lastAt: now - ago, clientId: String(ago / days) });
    await stores.timeline.append([entry(seen(31 * days)), entry(seen(29 * days)), stranger(seen(31 * days))]);
    await stores.timeline.sweep(LIMITS);
    expect(clientIds(await stores.timeline.of(['SN1'], 10))).to.deep.equal(['29']);
    expect((await stores.timeline.others(undefined, 10)).entries).to.deep.equal([]);
  });

  it('sweeps what goes beyond the limits, the oldest first, and trims only the gateways it is told', async () => {
    const now = Date.now();
    const numbered = (more: Partial<TimelineEntry>) =>
      Array.from({ length: 5 }, (_, index) =>
        entry({ at: now + index, lastAt: now, clientId: String(index), ...more }),
      );
    await stores.timeline.append(numbered({ gateway: 'SN1' }));
    await stores.timeline.append(numbered({ gateway: 'SN2' }));
    await stores.timeline.append(numbered({ gateway: 'SN1', own: false }));
    await stores.timeline.sweep({ ...LIMITS, strangers: 3 });
    await stores.timeline.trim(['SN1'], 2);
    expect(clientIds(await stores.timeline.of(['SN1'], 10))).to.deep.equal(['3', '4']);
    expect(await stores.timeline.of(['SN2'], 10)).to.have.length(5);
    expect(clientIds((await stores.timeline.others(undefined, 10)).entries)).to.deep.equal(['4', '3', '2']);
    await stores.timeline.sweep({ ...LIMITS, total: 3 });
    expect(await stores.timeline.of(['SN1', 'SN2'], 10)).to.deep.equal([]);
    expect((await stores.timeline.others(undefined, 10)).entries).to.have.length(3);
  });
}
