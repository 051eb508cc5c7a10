/** What only a real PostgreSQL can show: replicas, durability, rights, plans, and outages. */
import { inspect } from 'node:util';
import { expect } from 'chai';
import type { Database } from '../../src/stores/database.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { keepsClientIdIn, listsGatewayIn } from '../../src/stores/record-sql.js';
import { openStores } from '../../src/stores/stores.js';
import type { Stores } from '../../src/stores/types.js';
import {
  describeWithOwnPostgres,
  describeWithPostgres,
  freshDatabase,
  startPostgres,
  TEST_PASSWORD,
  type TestDatabase,
  type TestPostgres,
} from '../support/postgres.js';
import { aBinding, anAccount, anOrganization, bindOne, rejection } from './store-suite.js';

describeWithPostgres('replicas on one PostgreSQL', () => {
  let fresh: TestDatabase;
  let replicas: Stores[];
  beforeEach(async function () {
    this.timeout(60_000);
    fresh = await freshDatabase();
    replicas = Array.from({ length: 8 }, () => openStores(connectPostgres(fresh.url)));
  });
  afterEach(async () => {
    await Promise.all(replicas.map((stores) => stores.close()));
    await fresh.drop();
  });

  it('start together on an empty database', async () => {
    await Promise.all(replicas.map((stores) => stores.ping()));
    await replicas[0]!.accounts.add(anAccount('alice'));
    expect(await replicas[7]!.accounts.get('alice')).to.deep.equal(anAccount('alice'));
  });

  it('agree on one winner of each of 50 raced binds', async () => {
    const organizations = replicas.map((_, index) => `organization-${index}`);
    for (const id of organizations) await replicas[0]!.organizations.add(anOrganization(id));
    for (let round = 0; round < 50; round += 1) {
      const sn = `SN${round}`;
      const outcomes = await Promise.all(
        replicas.map((stores, index) => bindOne(stores, aBinding(sn, organizations[index]!))),
      );
      const winners = organizations.filter((_, index) => outcomes[index] === 'bound');
      expect(winners, outcomes.join()).to.have.length(1);
      const bound = (await replicas[round % 8]!.bindings.getMany([sn])).get(sn);
      expect(bound?.organizationId).to.equal(winners[0]);
    }
  });

  it('take devices in one order, however they are named: none waits for one that waits for it', async () => {
    const statements: string[] = [];
    const replica = () => {
      const database = connectPostgres(fresh.url);
      const query: Database['query'] = (sql, parameters) => {
        if (sql.includes('INSERT')) statements.push(sql);
        return database.query(sql, parameters);
      };
      return openStores({ ...database, query });
    };
    const racers = [replica(), replica()];
    await racers[0]!.organizations.add(anOrganization('one'));
    await racers[1]!.ping();
    statements.length = 0;
    // So many that both are at it for a while.
    for (let round = 0; round < 5; round += 1) {
      const many = Array.from({ length: 1000 }, (_, index) => aBinding(`SN${round}-${index}`, 'one'));
      const outcomes = await Promise.all([
        racers[0]!.bindings.bind(many),
        racers[1]!.bindings.bind(many.toReversed()),
      ]);
      expect(new Set(outcomes.flat())).to.deep.equal(new Set(['bound']));
    }
    // Each once: PostgreSQL took none back to end a deadlock.
    expect(statements).to.have.length(10);
    await Promise.all(racers.map((stores) => stores.close()));
  });

  it('bind the other device, when the organization of one is removed meanwhile', async () => {
    await replicas[0]!.organizations.add(anOrganization('one'));
    for (let round = 0; round < 20; round += 1) {
      await replicas[0]!.organizations.add(anOrganization('brief'));
      const sns = [`A${round}`, `B${round}`] as const;
      const [outcomes, removal] = await Promise.allSettled([
        replicas[1]!.bindings.bind([aBinding(sns[0], 'brief'), aBinding(sns[1], 'one')]),
        replicas[2]!.organizations.remove('brief'),
      ]);
      const isBound = removal.status === 'rejected';
      expect(outcomes).to.have.deep.property('value', [isBound ? 'bound' : 'no_such_organization', 'bound']);
      expect([...(await replicas[0]!.bindings.getMany(sns)).keys()]).to.have.members(
        isBound ? sns : [sns[1]],
      );
      if (isBound) {
        await replicas[0]!.bindings.remove(sns[0]);
        await replicas[0]!.organizations.remove('brief');
      }
    }
  });

  it('never leave a binding to an organization that one of them removes meanwhile', async () => {
    for (let round = 0; round < 20; round += 1) {
      await replicas[0]!.organizations.add(anOrganization('one'));
      const [outcome, removal] = await Promise.allSettled([
        bindOne(replicas[1]!, aBinding('SN1', 'one')),
        replicas[2]!.organizations.remove('one'),
      ]);
      expect(outcome.status).to.equal('fulfilled');
      const isBound = 'value' in outcome && outcome.value === 'bound';
      expect(removal.status).to.equal(isBound ? 'rejected' : 'fulfilled');
      expect(await replicas[0]!.bindings.getMany(['SN1'])).to.have.property('size', isBound ? 1 : 0);
      if (isBound) {
        await replicas[0]!.bindings.remove('SN1');
        await replicas[0]!.organizations.remove('one');
      }
    }
  });
});

describeWithPostgres('a PostgreSQL database', () => {
  let fresh: TestDatabase;
  let database: Database;
  let stores: Stores;
  beforeEach(async function () {
    this.timeout(60_000);
    fresh = await freshDatabase();
    database = connectPostgres(fresh.url);
    stores = openStores(database);
    await stores.organizations.add(anOrganization('one'));
  });
  afterEach(async () => {
    await stores.close();
    await fresh.drop();
  });

  it('finds a gateway, and a kept client id, among many accounts by index, also with a generic plan', async () => {
    await fresh.query(
      `INSERT INTO dockhook_accounts (key, value) SELECT 'a' || i, ` +
        `'{"value":{"passwordHash":"x","scope":{"kind":"gateways","gateways":["SN' || i || '"]}}}' ` +
        `FROM generate_series(1, 20000) i`,
    );
    const { Pool } = (await import('pg')).default;
    const pool = new Pool({ connectionString: fresh.url, max: 1 });
    await pool.query('SET plan_cache_mode = force_generic_plan');
    await pool.query(`PREPARE lists_gateway AS ${listsGatewayIn('public')}`);
    await pool.query(`PREPARE keeps_client_id AS ${keepsClientIdIn('public')}`);
    const planOf = async (statement: string): Promise<string> => {
      const { rows } = await pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN EXECUTE ${statement}('SN7')`);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    expect(await planOf('lists_gateway')).to.include('dockhook_accounts_gateways');
    expect(await planOf('keeps_client_id')).to.include('dockhook_accounts_client_ids');
    await pool.end();
    expect(await stores.accounts.listsGateway('SN20000')).to.equal(true);
    expect(await stores.accounts.listsGateway('SN20001')).to.equal(false);
  });

  it('has tables made by an administrator and a role without CREATE', async () => {
    const role = `reader_${fresh.url.slice(-12)}`;
    await fresh.query(`CREATE ROLE ${role} LOGIN`);
    await fresh.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    await fresh.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
    const url = new URL(fresh.url);
    url.username = role;
    const reader = openStores(connectPostgres(url.href));
    try {
      await reader.ping();
      expect(await reader.organizations.get('one')).to.deep.equal(anOrganization('one'));
      const error = await rejection(reader.accounts.add(anAccount('alice')), 'store_refused');
      expect(error.message).to.include('permission denied');
    } finally {
      await reader.close();
      await fresh.query(`DROP OWNED BY ${role}`);
      await fresh.query(`DROP ROLE ${role}`);
    }
  });

  it('of a newer dockhook is refused, and nothing in it is changed', async () => {
    await fresh.query(
      `INSERT INTO dockhook_migrations (number, name, breaking) VALUES (98, 'next', false), (99, 'another', true)`,
    );
    await fresh.query('DROP TABLE dockhook_accounts');
    const older = openStores(connectPostgres(fresh.url));
    const works = [older.ping(), older.organizations.get('one'), older.accounts.add(anAccount('a'))];
    for (const { message } of await Promise.all(works.map((one) => rejection(one, 'store_refused')))) {
      expect(message).to.include('(0099 another)').and.include('use the dockhook that changed them');
    }
    await older.close();
    const left = await fresh.query(`SELECT tablename FROM pg_tables WHERE tablename = 'dockhook_accounts'`);
    expect(left).to.deep.equal([]);
  });

  it('that is lost in the middle of a transaction has nothing of it', async () => {
    const lost = stores.accounts.addTogether(async (addMany) => {
      await addMany([anAccount('a'), anAccount('b')]);
      await fresh.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'idle in transaction'`,
      );
      await addMany([anAccount('c')]);
      return 'commit';
    });
    await rejection(lost, 'store_unavailable');
    expect((await stores.accounts.list()).records).to.deep.equal([]);
  });

  it('that is read-only is read, and says what it is when something is to be written', async () => {
    await fresh.query(
      `ALTER DATABASE ${new URL(fresh.url).pathname.slice(1)} SET default_transaction_read_only = on`,
    );
    const standby = openStores(connectPostgres(fresh.url));
    expect(await standby.organizations.get('one')).to.deep.equal(anOrganization('one'));
    const writes: Promise<unknown>[] = [
      standby.accounts.add(anAccount('a')),
      standby.accounts.addTogether(async (addMany) => ((await addMany([anAccount('a')])).size, 'commit')),
      standby.organizations.update('one', (old) => ({ ...old, name: 'New' })),
      standby.license.set({ appId: '1', appKey: 'key', appLicense: 'license' }),
    ];
    for (const { message } of await Promise.all(writes.map((one) => rejection(one, 'store_refused')))) {
      expect(message).to.include('read-only').and.include('nothing was changed');
    }
    await standby.close();
  });

  it('whose tables were dropped, all of them, gets them back', async () => {
    await fresh.query('DROP SCHEMA public CASCADE');
    await rejection(stores.accounts.get('alice'), 'store_refused');
    expect(await stores.accounts.get('alice')).to.equal(undefined);
  });

  it('that lost one table gets no empty one in its place, unless somebody asks for it as the doctor says', async () => {
    await fresh.query('DROP TABLE dockhook_accounts');
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const { message } = await rejection(stores.accounts.get('alice'), 'store_refused');
      expect(message).to.include('restore it from a backup').and.include('dockhook doctor prints the SQL');
    }
    await fresh.query('DELETE FROM dockhook_migrations WHERE number = 1');
    expect(await stores.accounts.get('alice')).to.equal(undefined);
    expect(await stores.organizations.get('one')).to.deep.equal(anOrganization('one'));
  });
});

describeWithOwnPostgres('a PostgreSQL server that fails', () => {
  let postgres: TestPostgres;
  let stores: Stores;
  let firstLost: Promise<Error>;
  beforeEach(async function () {
    this.timeout(60_000);
    postgres = await startPostgres();
    firstLost = new Promise((onError) => {
      stores = openStores(connectPostgres(postgres.url, { onError }));
    });
    await stores.organizations.add(anOrganization('one'));
    await bindOne(stores, aBinding('SN1', 'one'));
  });
  afterEach(async function () {
    this.timeout(60_000);
    await postgres.kill('SIGCONT');
    await stores.close();
    await postgres.stop();
  });

  /** Every operation that a hook may need must fail alike. */
  const operations: ((stores: Stores) => Promise<unknown>)[] = [
    ({ accounts }) => accounts.get('alice'),
    ({ accounts }) => accounts.listsGateway('SN1'),
    ({ organizations }) => organizations.byBindingCode('code-of-one'),
    ({ bindings }) => bindings.getMany(['SN1']),
    ({ bindings }) => bindings.getWithOrganizations('SN1', []),
    (stores) => bindOne(stores, aBinding('SN1', 'one')),
    ({ license }) => license.get(),
  ];

  it('rejects, tells no password, and recovers by itself after a crash while idle', async () => {
    await postgres.kill('SIGKILL');
    expect(inspect(await firstLost, { depth: 10 })).to.not.include(TEST_PASSWORD);
    for (const operation of operations) {
      const error = await rejection(operation(stores), 'store_unavailable');
      expect(inspect(error, { depth: 10 })).to.not.include(TEST_PASSWORD);
    }
    await postgres.restart();
    expect((await stores.bindings.getMany(['SN1'])).get('SN1')).to.deep.equal(aBinding('SN1', 'one'));
    expect(await bindOne(stores, aBinding('SN1', 'one'))).to.equal('bound');
  });

  it('rejects by its own time limit while frozen, and answers when thawed', async () => {
    await postgres.kill('SIGSTOP');
    await Promise.all(operations.map((operation) => rejection(operation(stores), 'store_unavailable')));
    await postgres.kill('SIGCONT');
    expect((await stores.bindings.getMany(['SN1'])).get('SN1')).to.deep.equal(aBinding('SN1', 'one'));
  });

  it('may be absent at the start', async () => {
    await postgres.kill('SIGKILL');
    const early = openStores(connectPostgres(postgres.url));
    try {
      for (const operation of operations) await rejection(operation(early), 'store_unavailable');
      await rejection(early.ping(), 'store_unavailable');
      await postgres.restart();
      await postgres.query('DROP TABLE dockhook_bindings, dockhook_settings, dockhook_migrations');
      await early.ping();
      expect(await early.license.get()).to.equal(undefined);
      expect(await bindOne(early, aBinding('SN1', 'one'))).to.equal('bound');
    } finally {
      await early.close();
    }
  });

  it('keeps an acknowledged bind although it runs with synchronous_commit = off', async () => {
    await postgres.query('ALTER SYSTEM SET synchronous_commit = off');
    await postgres.restart();
    expect(await postgres.query('SHOW synchronous_commit')).to.deep.equal([{ synchronous_commit: 'off' }]);
    await bindOne(stores, aBinding('SN2', 'one'));
    await bindOne(stores, aBinding('SN1', 'one', { callsign: 'renewed' }));
    await postgres.kill('SIGKILL');
    await postgres.restart();
    const found = await stores.bindings.getMany(['SN1', 'SN2']);
    expect(found.get('SN2')).to.deep.equal(aBinding('SN2', 'one'));
    expect(found.get('SN1')?.callsign).to.equal('renewed');
  });

  it('tells of a binding whose organization is gone, as a restore without constraints may leave it', async () => {
    await postgres.query(`SET session_replication_role = replica; DELETE FROM dockhook_organizations`);
    const found = (await stores.bindings.getWithOrganizations('SN1', [])).get('SN1')!;
    expect(found.organizationId).to.equal('one');
    expect(found.organization()).to.equal(undefined);
  });

  it('is reached by Unix socket', async () => {
    const url = `postgresql://postgres@/postgres?host=${encodeURIComponent(postgres.socketDirectory)}&port=${new URL(postgres.url).port}`;
    const local = openStores(connectPostgres(url));
    expect(await local.organizations.get('one')).to.deep.equal(anOrganization('one'));
    await local.close();
  });
});
