/** Which servers run on a database, by the rows in which they say so. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { readFacts } from '../../src/diagnosis/facts.js';
import { serverSilence } from '../../src/diagnosis/servers.js';
import { openPglite } from '../../src/embedded-database/pglite.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import type { Database } from '../../src/stores/database.js';
import { openStores } from '../../src/stores/stores.js';
import type { Stores } from '../../src/stores/types.js';
import {
  describeWithOwnPostgres,
  describeWithPostgres,
  freshDatabase,
  startPostgres,
} from '../support/postgres.js';

const A = { name: 'host-a', isStopped: false, brokers: ['EMQX'] };

describe('the servers of an embedded database', () => {
  let database: Database;
  before(async function () {
    this.timeout(60_000);
    database = await openPglite();
  });
  after(() => database.close());
  describeServers(() => database);
});

describeWithPostgres('the servers of a PostgreSQL', () => {
  let fresh: Awaited<ReturnType<typeof freshDatabase>>;
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
  describeServers(() => database);
});

describeWithOwnPostgres('the servers of a PostgreSQL with the roles of deploy/postgres', function () {
  this.timeout(60_000);

  it('are heard with no more rights than the server had before', async () => {
    const postgres = await startPostgres();
    try {
      for (const file of ['schema.sql', 'roles.sql']) {
        await postgres.query(readFileSync(new URL(`../../deploy/postgres/${file}`, import.meta.url), 'utf8'));
      }
      const as = (role: string): Stores => {
        const url = new URL(postgres.url);
        url.username = role;
        return openStores(connectPostgres(url.href));
      };
      const [server, operator] = [as('dockhook_server'), as('dockhook_operator')];
      await server.servers.beat(A);
      await server.servers.beat(A);
      await server.servers.beat({ ...A, isStopped: true });
      expect((await operator.servers.heard()).servers).to.have.length(1);
      await Promise.all([server.close(), operator.close()]);
    } finally {
      await postgres.stop();
    }
  });
});

function describeServers(databaseOf: () => Database): void {
  let database: Database;
  let stores: Stores;
  beforeEach(async () => {
    database = databaseOf();
    stores = openStores(database);
    await stores.ping();
    await database.query('TRUNCATE dockhook_timeline');
  });
  const age = (name: string, seconds: number) =>
    database.query(
      `UPDATE dockhook_timeline SET at = at - interval '${seconds} seconds' WHERE client_id = '${name}'`,
    );
  const silence = async (): Promise<string | undefined> => serverSilence(await stores.servers.heard())?.code;
  const rows = () => database.query('SELECT client_id, count FROM dockhook_timeline ORDER BY id');

  it('keeps one row for a server, however often it beats, and knows when it was heard last', async () => {
    await stores.servers.beat(A);
    await age('host-a', 600);
    expect((await stores.servers.heard()).servers[0]?.agoMs).to.be.within(599_000, 660_000);
    expect(await silence()).to.equal('server_not_heard');
    await stores.servers.beat(A);
    expect(await silence()).to.equal(undefined);
    expect((await rows()).map(({ count }) => Number(count) >= 600)).to.deep.equal([true]);
  });

  it('tells a server that was stopped from one that fell silent, and from one of several', async () => {
    expect(await silence()).to.equal('server_never_heard');
    await stores.servers.beat({ ...A, isStopped: true });
    expect(await silence()).to.equal('server_stopped');
    await stores.servers.beat({ ...A, name: 'host-b' });
    expect(await silence()).to.equal(undefined);
    await age('host-b', 60);
    // The one that was heard last counts.
    expect(await silence()).to.equal('server_stopped');
    await age('host-a', 120);
    expect(await silence()).to.equal('server_not_heard');
  });

  it('knows which brokers ask a server', async () => {
    await stores.servers.beat({ ...A, brokers: [] });
    await stores.servers.beat({ ...A, brokers: ['EMQX', 'Mosquitto'] });
    const { servers } = await stores.servers.heard();
    expect(servers.map(({ brokers }) => brokers)).to.deep.equal([['EMQX', 'Mosquitto']]);
  });

  it('forgets servers that were not heard for long when another one starts, not before', async () => {
    await stores.servers.beat({ ...A, name: 'crashed' });
    await age('crashed', 1200);
    await stores.servers.beat({ ...A, name: 'stopped', isStopped: true });
    expect((await rows()).map((row) => row['client_id'])).to.deep.equal(['stopped']);
  });

  it('is quiet about servers of a version that leaves no row, while or after they wrote entries', async () => {
    const at = Date.now() - 3_600_000;
    const entry = { at, lastAt: at, count: 1, own: false, clientId: 'c', account: 'a', details: {} };
    await stores.timeline.append([{ ...entry, step: 'authenticate', outcome: 'refused' }]);
    expect(await silence()).to.equal(undefined);
    await stores.servers.beat({ ...A, isStopped: true });
    expect(await silence()).to.equal('server_stopped');
    await age('host-a', 10);
    const now = Date.now();
    await stores.timeline.append([
      { ...entry, at: now, lastAt: now, step: 'authenticate', outcome: 'refused' },
    ]);
    expect(await silence()).to.equal(undefined);
  });

  it('believes a server that says it was stopped, whatever it wrote before', async () => {
    const at = Date.now() - 5_000;
    const entry = { at, lastAt: at, count: 1, own: false, clientId: 'c', account: 'a', details: {} };
    await stores.timeline.append([{ ...entry, step: 'authenticate', outcome: 'refused' }]);
    await stores.servers.beat({ ...A, isStopped: true });
    expect(await silence()).to.equal('server_stopped');
  });

  it('takes a beat for no start of a broker, and none of its rows for an entry of a dock', async () => {
    await stores.servers.beat(A);
    expect((await readFacts(stores, Date.now())).boots.size).to.equal(0);
    expect(await stores.timeline.gateways('', 10)).to.deep.equal([]);
    expect((await stores.timeline.others(undefined, 10)).entries).to.deep.equal([]);
  });
}
