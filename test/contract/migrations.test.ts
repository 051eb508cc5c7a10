/** How tables come to be, on real databases: new ones, those of every earlier dockhook, many replicas, other schemas. */
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setImmediate as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import pg from 'pg';
import { openPglite } from '../../src/embedded-database/pglite.js';
import { sqlState, type Database } from '../../src/stores/database.js';
import { withTables } from '../../src/stores/migrate.js';
import { migrations, migrationScript } from '../../src/stores/migrations/script.js';
import type { Migration } from '../../src/stores/migrations/migration.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openServerStores, openStores, type StoresOptions } from '../../src/stores/stores.js';
import { tableNames } from '../../src/stores/table-names.js';
import type { Stores } from '../../src/stores/types.js';
import { oldTables } from '../support/old-tables.js';
import {
  describeWithOwnPostgres,
  describeWithPostgres,
  freshDatabase,
  startPostgres,
  type TestDatabase,
  type TestPostgres,
} from '../support/postgres.js';
import { until } from '../support/until.js';
import {
  aBinding,
  anAccount,
  anOrganization,
  bindOne,
  describeSqlStores,
  describeStores,
  rejection,
} from './store-suite.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LAST = migrations.at(-1)?.number ?? 0;

/** A migration of the time to come. */
function future(sql: string, { number = LAST + 1, breaking = false } = {}): Migration {
  return { number, name: `future-${number}`, breaking, sql };
}

describeWithPostgres('migrations', function () {
  this.timeout(60_000);
  let fresh: TestDatabase;
  const opened: { close(): Promise<void> }[] = [];

  beforeEach(async () => {
    fresh = await freshDatabase();
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()));
    await fresh.drop();
  });

  function stores(options: StoresOptions = {}): Stores {
    const one = openStores(connectPostgres(fresh.url), options);
    opened.push(one);
    return one;
  }
  /** A dockhook that knows these migrations. It does not wait before it tries again. */
  function dockhook(...known: Migration[]): Database {
    const one = withTables(connectPostgres(fresh.url), 'public', known, 0);
    opened.push(one);
    return one;
  }
  const tablesIn = async (schema: string): Promise<unknown[]> =>
    (await fresh.query('SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1', [schema])).map(
      ({ tablename }) => tablename,
    );
  const stateOf = async (work: Promise<unknown>): Promise<string | undefined> =>
    work.then(() => 'worked', sqlState);

  for (const version of ['first', 'before-migrations'] as const) {
    describe(`on the tables of a dockhook of before: ${version}`, () => {
      const account = anAccount('dock', { scope: { kind: 'gateways', gateways: ['SN1'] } });
      beforeEach(async () => {
        await fresh.query(oldTables(version));
        const { name: _, ...value } = account;
        const { id, ...organization } = anOrganization('one');
        const { sn, ...binding } = aBinding('SN1', 'one');
        for (const [table, key, record] of [
          ['accounts', 'dock', value],
          ['organizations', id, organization],
          ['bindings', sn, binding],
        ] as const) {
          await fresh.query(`INSERT INTO dockhook_${table} (key, value) VALUES ($1, $2)`, [
            key,
            JSON.stringify({ value: record }),
          ]);
        }
      });

      it('keep every row, and make what is missing', async () => {
        const { accounts, organizations, bindings, timeline } = stores();
        expect(await accounts.get('dock')).to.deep.equal(account);
        expect(await accounts.listsGateway('SN1')).to.equal(true);
        expect(await organizations.byBindingCode('code-of-one')).to.deep.equal(anOrganization('one'));
        expect((await bindings.getMany(['SN1'])).get('SN1')).to.deep.equal(aBinding('SN1', 'one'));
        expect(await bindOne({ bindings }, aBinding('SN2', 'one'))).to.equal('bound');
        expect(await timeline.gateways('', 10)).to.deep.equal([]);
        expect(await fresh.query('SELECT number, name, breaking FROM dockhook_migrations')).to.deep.equal(
          migrations.map(({ number, name, breaking }) => ({ number, name, breaking })),
        );
        const triggers = `SELECT FROM pg_trigger WHERE tgname IN ('dockhook_changed', 'dockhook_emptied') AND tgenabled = 'A'`;
        expect(await fresh.query(triggers)).to.have.length(8);
      });

      it('guard new rows as in a new database', async () => {
        await stores().ping();
        const refused = fresh.query(
          `UPDATE dockhook_accounts SET value = '{"value":{"scope":{"kind":"gateways","gateways":"SN1"}}}'`,
        );
        expect(await stateOf(refused)).to.equal('23514');
      });
    });
  }

  it('leave the tables so that the dockhook of before starts and works beside this one', async () => {
    await fresh.query(oldTables('before-migrations'));
    await stores().accounts.add(anAccount('new'));
    await fresh.query(oldTables('before-migrations'));
  });

  it('that break nothing let an older dockhook work on beside the newer', async () => {
    const more = future('ALTER TABLE dockhook_settings ADD COLUMN more text;');
    await dockhook(...migrations, more).query('SELECT more FROM dockhook_settings');
    await stores().accounts.add(anAccount('dock'));
  });

  it('that break something make older ones refuse, which name them and change nothing', async () => {
    const raised = `UPDATE dockhook_settings SET value = '{"value":{"version":2}}' WHERE key = 'schema'`;
    const breaking = future(`${raised}; ALTER TABLE dockhook_accounts RENAME value TO record;`, {
      breaking: true,
    });
    await dockhook(...migrations, breaking).query('SELECT record FROM dockhook_accounts');
    const { message } = await rejection(stores().ping(), 'store_refused');
    expect(message)
      .to.include(`${String(breaking.number).padStart(4, '0')} ${breaking.name}`)
      .and.include('nothing was changed');
    // Those of before the migrations read the row in the settings.
    expect(await stateOf(fresh.query(oldTables('before-migrations')))).to.equal('DH001');
  });

  it('refuse tables of before whose version this dockhook does not know', async () => {
    await fresh.query(oldTables('before-migrations'));
    await fresh.query(`UPDATE dockhook_settings SET value = '{"value":{"version":2}}' WHERE key = 'schema'`);
    await rejection(stores().ping(), 'store_refused');
    expect(await tablesIn('public')).to.not.include('dockhook_migrations');
  });

  it('leave nothing behind if one of them fails, and are tried again', async () => {
    const faulty = future('CREATE TABLE half (); PERFORM 1 / 0;');
    const database = dockhook(...migrations, faulty);
    expect(await stateOf(database.query('SELECT 1'))).to.equal('22012');
    expect(await tablesIn('public')).to.deep.equal([]);
    await stores().accounts.add(anAccount('dock'));
    expect(await stateOf(database.query('SELECT 1'))).to.equal('22012');
    expect(await stores().accounts.get('dock')).to.deep.equal(anAccount('dock'));
  });

  it('are made once by replicas that start together, also when they take long', async () => {
    const slow = future('CREATE TABLE slow (); PERFORM pg_sleep(1.2);');
    const replicas = Array.from({ length: 8 }, () => dockhook(...migrations, slow));
    await Promise.all(replicas.map((replica) => replica.query('SELECT FROM slow')));
    expect(await fresh.query('SELECT FROM dockhook_migrations')).to.have.length(migrations.length + 1);
  });

  it('make no temporary tables for a role that may not use the schema', async () => {
    const role = `stranger_${randomUUID().slice(0, 8)}`;
    await fresh.query(`CREATE ROLE ${role}; CREATE SCHEMA closed`);
    try {
      const asStranger = fresh.query(
        `SET ROLE ${role}; SET dockhook.schema = 'closed'; ${migrationScript()}`,
      );
      expect(await stateOf(asStranger)).to.equal('42501');
    } finally {
      await fresh.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  it('do not keep others waiting behind a table that somebody has locked', async () => {
    await fresh.query(oldTables('first'));
    const writer = new pg.Client({ connectionString: fresh.url });
    await writer.connect();
    try {
      await writer.query('BEGIN; LOCK TABLE dockhook_accounts IN ROW EXCLUSIVE MODE');
      const upgraded = stores();
      const { message } = await rejection(upgraded.accounts.list(), 'store_refused');
      expect(message).to.include('somebody has locked the table');
      await writer.query('COMMIT');
      await until(() =>
        upgraded.accounts.list().then(
          () => true,
          () => false,
        ),
      );
      expect((await upgraded.accounts.list()).records).to.deep.equal([]);
    } finally {
      await writer.end();
    }
  });
});

describeWithPostgres('the upgrade from 0.1.0', function () {
  this.timeout(60_000);
  let fresh: TestDatabase;
  beforeEach(async () => {
    fresh = await freshDatabase();
    await fresh.query(oldTables('before-migrations'));
  });
  afterEach(() => fresh.drop());

  it('waits for nobody who reads the tables or writes to them', async () => {
    const backup = new pg.Client({ connectionString: fresh.url });
    const server = new pg.Client({ connectionString: fresh.url });
    await Promise.all([backup.connect(), server.connect()]);
    const stores = openStores(connectPostgres(fresh.url));
    try {
      const all = tableNames.join(', ');
      await backup.query(`BEGIN; LOCK TABLE ${all} IN ACCESS SHARE MODE`);
      await server.query(`BEGIN; LOCK TABLE ${all} IN ROW EXCLUSIVE MODE`);
      await server.query(`INSERT INTO dockhook_timeline
        (at, last_at, expires_at, own, client_id, account, step, outcome, count, details)
        VALUES (now(), now(), now(), false, '', '', 'authenticate', 'ok', 1, '{}')`);
      await stores.accounts.add(anAccount('dock'));
    } finally {
      await Promise.all([backup.end(), server.end(), stores.close()]);
    }
  });

  it('leaves each check there once', async () => {
    const stores = openStores(connectPostgres(fresh.url));
    await stores.ping();
    await stores.close();
    const checks = `SELECT FROM pg_constraint WHERE conrelid = 'dockhook_accounts'::regclass AND contype = 'c'`;
    expect(await fresh.query(checks)).to.have.length(2);
  });
});

describeWithPostgres('a start of dockhook on tables that lost something', function () {
  this.timeout(60_000);
  let fresh: TestDatabase;
  beforeEach(async () => {
    fresh = await freshDatabase();
    await start();
  });
  afterEach(() => fresh.drop());

  /** A read works, whatever is lost. */
  async function start(): Promise<void> {
    const stores = openStores(connectPostgres(fresh.url));
    try {
      await stores.accounts.list();
    } finally {
      await stores.close();
    }
  }
  const index = `SELECT FROM pg_class WHERE relname = 'dockhook_accounts_client_ids'`;
  const triggers = `SELECT FROM pg_trigger WHERE tgname LIKE 'dockhook%' AND tgenabled = 'A'`;

  it('switches the triggers of a table on again', async () => {
    await fresh.query('ALTER TABLE dockhook_accounts DISABLE TRIGGER USER');
    await start();
    expect(await fresh.query(triggers)).to.have.length(8);
    await fresh.query('ALTER TABLE dockhook_accounts ENABLE TRIGGER USER');
    await start();
    expect(await fresh.query(triggers)).to.have.length(8);
  });

  it('makes their function and the index of client ids again', async () => {
    await fresh.query('DROP FUNCTION dockhook_changed CASCADE; DROP INDEX dockhook_accounts_client_ids');
    await start();
    expect(await fresh.query(triggers)).to.have.length(8);
    expect(await fresh.query(index)).to.have.length(1);
  });

  describe('and their function belongs to somebody else', () => {
    const stranger = `stranger_${randomBytes(4).toString('hex')}`;
    const owner = `owner_${randomBytes(4).toString('hex')}`;
    const make = (name: string): string =>
      `CREATE OR REPLACE FUNCTION public.${name}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`;
    const as = (role: string, sql: string) => fresh.query(`SET SESSION AUTHORIZATION ${role}; ${sql}`);
    const owners = () =>
      fresh.query(
        `SELECT DISTINCT proowner::regrole::text AS owner FROM pg_proc WHERE proname LIKE 'dockhook%'`,
      );
    const EMPTY = 'DROP SCHEMA public CASCADE; CREATE SCHEMA public';
    const ALL_BY_OWNER = `DO $$ DECLARE name text; BEGIN
      FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('ALTER TABLE %I OWNER TO ${owner}', name);
      END LOOP; END $$`;

    beforeEach(() => fresh.query(`CREATE ROLE ${stranger}; CREATE ROLE ${owner} LOGIN`));
    afterEach(() =>
      fresh.query(`DROP OWNED BY ${stranger}, ${owner} CASCADE; DROP ROLE ${stranger}, ${owner}`),
    );
    const mayCreate = () => fresh.query(`GRANT USAGE, CREATE ON SCHEMA public TO ${stranger}, ${owner}`);

    it('takes it from who made it before the tables, as a superuser', async () => {
      await fresh.query(EMPTY);
      await mayCreate();
      for (const name of ['dockhook_changed', 'dockhook_accounts_changed']) await as(stranger, make(name));
      await start();
      expect(await owners()).to.deep.equal(await fresh.query('SELECT current_user::text AS owner'));
      const error = await as(stranger, make('dockhook_changed')).catch((reason: unknown) => reason);
      expect(sqlState(error)).to.equal('42501');
    });

    it('takes it from who has it while the triggers run it, and makes its text again', async () => {
      await mayCreate();
      await fresh.query(`${ALL_BY_OWNER}; ${make('dockhook_changed')};
        ALTER FUNCTION dockhook_changed() OWNER TO ${stranger};
        ALTER FUNCTION dockhook_accounts_changed() OWNER TO ${owner}`);
      await start();
      expect(await owners()).to.deep.equal([{ owner }]);
      expect(
        await fresh.query(
          `SELECT FROM pg_proc WHERE proname = 'dockhook_changed' AND prosrc LIKE '%dockhook_changes%'`,
        ),
      ).to.have.length(1);
    });

    it('makes no triggers as the owner of the tables, who may not take it', async () => {
      await mayCreate();
      await fresh.query(`${ALL_BY_OWNER}; DROP FUNCTION dockhook_changed CASCADE`);
      await as(stranger, make('dockhook_changed'));
      await as(owner, migrationScript());
      expect(await fresh.query(triggers)).to.have.length(0);
    });

    it('makes no tables as a role that may not take what they need', async () => {
      await fresh.query(EMPTY);
      await mayCreate();
      await as(stranger, make('dockhook_accounts_changed'));
      const url = new URL(fresh.url);
      url.username = owner;
      const stores = openStores(connectPostgres(url.href));
      const { message } = await rejection(stores.ping(), 'store_refused').finally(() => stores.close());
      expect(message).to.include('must be owner of function dockhook_accounts_changed');
      expect(message).to.include('have their owner or a superuser run psql');
      expect(await fresh.query(`SELECT FROM pg_tables WHERE schemaname = 'public'`)).to.have.length(0);
    });
  });

  it('works without them as a role that may only read bindings', async () => {
    await fresh.query(
      'ALTER TABLE dockhook_accounts DISABLE TRIGGER USER; DROP INDEX dockhook_accounts_client_ids',
    );
    const role = `reader_${randomBytes(4).toString('hex')}`;
    await fresh.query(`CREATE ROLE ${role} LOGIN; GRANT USAGE ON SCHEMA public TO ${role};
      GRANT SELECT ON dockhook_bindings TO ${role}`);
    const url = new URL(fresh.url);
    url.username = role;
    const stores = openStores(connectPostgres(url.href));
    try {
      expect(await stores.bindings.list()).to.deep.equal({ records: [], badRows: [] });
    } finally {
      await stores.close();
      await fresh.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  it('works without them while somebody locks the table', async () => {
    await fresh.query(
      'ALTER TABLE dockhook_accounts DISABLE TRIGGER USER; DROP INDEX dockhook_accounts_client_ids',
    );
    const writer = new pg.Client({ connectionString: fresh.url });
    await writer.connect();
    try {
      await writer.query('BEGIN; LOCK TABLE dockhook_accounts IN ROW EXCLUSIVE MODE');
      await start();
      expect(await fresh.query(index)).to.have.length(0);
    } finally {
      await writer.end();
    }
    await start();
    expect(await fresh.query(index)).to.have.length(1);
  });
});

describeWithPostgres('the tables in a schema of their own', function () {
  this.timeout(60_000);
  const schema = 'Drone-Yard';
  let fresh: TestDatabase;
  let database: Database;
  before(async () => {
    fresh = await freshDatabase();
    // Only for what the suites themselves send.
    await fresh.query(`ALTER DATABASE ${new URL(fresh.url).pathname.slice(1)} SET search_path = "${schema}"`);
    database = connectPostgres(fresh.url);
  });
  after(async () => {
    await database.close();
    await fresh.drop();
  });

  const emptied = async (): Promise<{ stores: Stores; database: Database }> => {
    const stores = openStores(database, { schema });
    await stores.ping();
    await database.query(
      'TRUNCATE dockhook_accounts, dockhook_organizations, dockhook_bindings, dockhook_settings, dockhook_timeline',
    );
    return { stores, database };
  };
  describeStores('another schema', async () => (await emptied()).stores);
  describeSqlStores('another schema', emptied);

  it('leave schema public alone', async () => {
    await emptied();
    expect(await fresh.query(`SELECT FROM pg_tables WHERE schemaname = 'public'`)).to.deep.equal([]);
    expect(
      await fresh.query(`SELECT FROM pg_proc WHERE pronamespace = 'public'::regnamespace`),
    ).to.deep.equal([]);
  });

  it('share a database with those in public, and hear of their own changes only', async () => {
    const open = (at: string): { stores: Stores; reads: () => number; heard: Promise<void> } => {
      let reads = 0;
      let stores: Stores | undefined;
      const heard = new Promise<void>((resolve) => {
        stores = openServerStores(connectPostgres(fresh.url), {
          schema: at,
          onQuery: (table, operation) => {
            if (table === 'dockhook_accounts' && operation === 'get') reads += 1;
          },
          onHeard: (isHeard) => {
            if (isHeard) resolve();
          },
        });
      });
      return { stores: stores as unknown as Stores, reads: () => reads, heard };
    };
    const [own, other, neighbour] = [open(schema), open('public'), open(schema)];
    try {
      await Promise.all([own.heard, other.heard]);
      await own.stores.accounts.add(anAccount('dock', { note: 'own' }));
      await other.stores.accounts.add(anAccount('dock', { note: 'other' }));
      // Notifications come in order: once it hears of this one, it has heard of its own.
      expect(await own.stores.accounts.get('later')).to.equal(undefined);
      await neighbour.stores.accounts.add(anAccount('later'));
      while ((await own.stores.accounts.get('later')) === undefined) await pause();
      expect((await own.stores.accounts.get('dock'))?.note).to.equal('own');
      const before = own.reads();
      await other.stores.accounts.update('dock', (account) => ({ ...account, note: 'changed' }));
      // Its beat comes back behind the notification.
      while ((await other.stores.accounts.get('dock'))?.note !== 'changed') await pause();
      expect((await own.stores.accounts.get('dock'))?.note).to.equal('own');
      expect(own.reads()).to.equal(before);
      await own.stores.accounts.update('dock', (account) => ({ ...account, note: 'changed, too' }));
      while ((await own.stores.accounts.get('dock'))?.note !== 'changed, too') await pause();
    } finally {
      await Promise.all([own, other, neighbour].map(({ stores }) => stores.close()));
    }
  });
});

describe('migrations on the embedded database', function () {
  this.timeout(60_000);
  let database: Database;
  beforeEach(async () => {
    database = await openPglite();
  });
  afterEach(() => database.close());

  it('make the tables in the schema that is wanted', async () => {
    const stores = openStores(database, { schema: 'yard' });
    await stores.accounts.add(anAccount('dock'));
    expect(await stores.accounts.get('dock')).to.deep.equal(anAccount('dock'));
    expect(await database.query('SELECT key FROM yard.dockhook_accounts')).to.deep.equal([{ key: 'dock' }]);
  });

  it('take over the tables that a dockhook of before made', async () => {
    await database.query(oldTables('before-migrations').replace(/^--.*\n/, ''));
    const stores = openStores(database);
    await stores.accounts.add(anAccount('dock'));
    expect(await database.query('SELECT number FROM dockhook_migrations')).to.deep.equal([{ number: 1 }]);
  });
});

describeWithOwnPostgres('a role that may not make tables', function () {
  this.timeout(60_000);
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
    await postgres.query('CREATE ROLE dockhook_server LOGIN');
  });
  after(() => postgres.stop());

  it('is told the right that it lacks if the tables are its own, and then works', async () => {
    const fresh = await freshDatabase(postgres);
    await fresh.query(`${oldTables('before-migrations')}; REVOKE CREATE ON SCHEMA public FROM PUBLIC`);
    for (const name of tableNames) await fresh.query(`ALTER TABLE ${name} OWNER TO dockhook_server`);
    await fresh.query('ALTER FUNCTION dockhook_accounts_changed() OWNER TO dockhook_server');
    const url = new URL(fresh.url);
    url.username = 'dockhook_server';
    const refused = openStores(connectPostgres(url.href));
    const stores = openStores(connectPostgres(url.href));
    try {
      const { message } = await rejection(refused.ping(), 'store_refused');
      await fresh.query(/GRANT .*? TO \w+/.exec(message)?.[0] ?? '');
      await stores.accounts.add(anAccount('dock'));
    } finally {
      await refused.close();
      await stores.close();
      await fresh.drop();
    }
  });

  for (const schema of ['public', 'Drone-Yard']) {
    for (const [title, tables] of [
      ['an empty database', ''],
      ['tables of before', oldTables('before-migrations')],
    ] as const) {
      it(`is told the command for schema ${schema} of ${title}, which a superuser runs, and then works`, async () => {
        const fresh = await freshDatabase(postgres);
        if (schema === 'public') await fresh.query(`${tables}; REVOKE CREATE ON SCHEMA public FROM PUBLIC`);
        const url = new URL(fresh.url);
        url.username = 'dockhook_server';
        const refused = openStores(connectPostgres(url.href), { schema });
        const stores = openStores(connectPostgres(url.href), { schema });
        try {
          const { message } = await rejection(refused.ping(), 'store_refused');
          const command = /psql -v .* -f deploy\/postgres\/roles\.sql/.exec(message)?.[0] ?? '';
          execFileSync('sh', ['-c', command], {
            cwd: ROOT,
            env: {
              ...process.env,
              PGHOST: postgres.socketDirectory,
              PGPORT: new URL(postgres.url).port,
              PGUSER: 'postgres',
            },
            stdio: ['ignore', 'ignore', 'pipe'],
          });
          await fresh.query(
            `INSERT INTO "${schema}".dockhook_organizations (key, value) VALUES ('one', '{"value":{"name":"One","bindingCode":"code"}}')`,
          );
          expect(await bindOne(stores, aBinding('SN1', 'one'))).to.equal('bound');
          expect(await stores.timeline.gateways('', 1)).to.deep.equal([]);
          await rejection(stores.accounts.add(anAccount('dock')), 'store_refused');
        } finally {
          await refused.close();
          await stores.close();
          await fresh.drop();
        }
      });
    }
  }
});
