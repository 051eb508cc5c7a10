/** The stores behind a real PgBouncer in transaction mode, which gives each transaction whatever connection is free. */
import { expect } from 'chai';
import { adviceFor } from '../../src/stores/database-errors.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openServerStores, openStores } from '../../src/stores/stores.js';
import type { Database } from '../../src/stores/database.js';
import { describeWithPgbouncer, startPgbouncer, type TestPgbouncer } from '../support/pgbouncer.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import {
  aBinding,
  anAccount,
  anOrganization,
  bindOne,
  describeSqlStores,
  describeStores,
} from './store-suite.js';

describeWithPgbouncer('behind PgBouncer in transaction mode', function () {
  this.timeout(60_000);
  let postgres: TestPostgres;
  let pgbouncer: TestPgbouncer;
  let database: Database;

  before(async () => {
    postgres = await startPostgres();
    await postgres.query('CREATE ROLE role LOGIN');
    await postgres.query('GRANT CREATE ON SCHEMA public TO role');
    // Two connections for ten of ours: hardly a transaction has the one of the transaction before.
    pgbouncer = await startPgbouncer(postgres, { default_pool_size: 2 });
    database = connectPostgres(pgbouncer.url);
  });
  after(async () => {
    await database.close();
    await pgbouncer.stop();
    await postgres.stop();
  });

  async function emptied() {
    const stores = openStores(database);
    await stores.ping();
    await database.query(
      'TRUNCATE dockhook_accounts, dockhook_organizations, dockhook_bindings, dockhook_settings, dockhook_timeline',
    );
    return { stores, database };
  }

  describeStores('PgBouncer', async () => (await emptied()).stores);
  describeSqlStores('PgBouncer', emptied);

  it('keeps a bind that was acknowledged while the server does not wait for its disk', async () => {
    const { stores } = await emptied();
    await stores.organizations.add(anOrganization('one'));
    await postgres.query('ALTER SYSTEM SET synchronous_commit = off');
    await postgres.restart();
    const binds = Array.from({ length: 40 }, (_, number) => bindOne(stores, aBinding(`SN${number}`, 'one')));
    expect(await Promise.all(binds)).to.deep.equal(Array(40).fill('bound'));
    await postgres.kill('SIGKILL');
    await postgres.restart();
    const sns = Array.from({ length: 40 }, (_, number) => `SN${number}`);
    expect((await stores.bindings.getMany(sns)).size).to.equal(40);
    await postgres.query('ALTER SYSTEM RESET synchronous_commit');
  });

  it('a server is not told of changes, says so, and reads each time', async () => {
    const { stores: others } = await emptied();
    const told = new Promise<string | undefined>((resolve) => {
      const stores = openServerStores(connectPostgres(pgbouncer.url), {
        onHeard: (heard, why) => {
          if (!heard) resolve(why);
        },
      });
      after(() => stores.close());
      void (async () => {
        for (let round = 0; round < 20; round += 1) {
          const name = `dock-${round}`;
          expect(await stores.accounts.get(name)).to.equal(undefined);
          await others.accounts.add(anAccount(name));
          expect(await stores.accounts.get(name)).to.include({ name });
        }
      })();
    });
    expect(await told).to.be.a('string');
  });

  it('a refusal of one more client is waited out, as that of the server is', async () => {
    const narrow = await startPgbouncer(postgres, { max_client_conn: 3 });
    const few = connectPostgres(narrow.url);
    try {
      await Promise.all(Array.from({ length: 80 }, () => few.query('SELECT pg_sleep(0.001)')));
      expect(narrow.log()).to.include('no more connections allowed');
    } finally {
      await few.close();
      await narrow.stop();
    }
  });

  it('a server that gives PgBouncer too few connections costs no answer', async () => {
    await postgres.query('ALTER ROLE role CONNECTION LIMIT 1');
    const url = new URL(pgbouncer.url);
    url.username = 'role';
    const few = connectPostgres(url.href);
    try {
      await Promise.all(Array.from({ length: 40 }, () => few.query('SELECT pg_sleep(0.001)')));
    } finally {
      await few.close();
    }
  });

  it('a server that has none for it at all is told as what it is', async () => {
    await postgres.query('ALTER ROLE role CONNECTION LIMIT 0');
    const url = new URL(pgbouncer.url);
    url.username = 'role';
    url.pathname = 'template1';
    const none = connectPostgres(url.href);
    const error: unknown = await none.query('SELECT 1').catch((reason: unknown) => reason);
    await none.close();
    expect(adviceFor(error), String(error)).to.include('CONNECTION LIMIT');
  });
});
