import { openPglite } from '../../src/embedded-database/pglite.js';
import type { Database } from '../../src/stores/database.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';
import { describeSqlStores, describeStores } from './store-suite.js';

describe('on the embedded database', () => {
  let database: Database;
  before(async function () {
    this.timeout(60_000);
    database = await openPglite();
  });
  after(() => database.close());

  describeStores('PGlite', async () => (await emptied(database)).stores);
  describeSqlStores('PGlite', () => emptied(database));
});

describeWithPostgres('on a PostgreSQL server', () => {
  let database: Database;
  let fresh: TestDatabase;
  before(async function () {
    this.timeout(60_000);
    fresh = await freshDatabase();
    database = connectPostgres(fresh.url);
  });
  after(async () => {
    await database.close();
    await fresh.drop();
  });

  describeStores('PostgreSQL', async () => (await emptied(database)).stores);
  describeSqlStores('PostgreSQL', () => emptied(database));
});

async function emptied(database: Database) {
  const stores = openStores(database);
  await stores.ping();
  await database.query(
    'TRUNCATE dockhook_accounts, dockhook_organizations, dockhook_bindings, dockhook_settings, dockhook_timeline',
  );
  return { stores, database };
}
