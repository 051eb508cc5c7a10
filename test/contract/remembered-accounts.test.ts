/** Accounts answered from memory on real Postgres: whatever changes one, on whichever way, is in force. */
import { expect } from 'chai';
import pg from 'pg';
import { openServerStores } from '../../src/stores/stores.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { migrationScript } from '../../src/stores/migrations/script.js';
import type { Account, Stores } from '../../src/stores/types.js';
import { describeWithOwnPostgres, startPostgres, type TestPostgres } from '../support/postgres.js';

const DOCK: Account = {
  name: 'dock',
  passwordHash: '$argon2id$as-it-was',
  scope: { kind: 'gateways', gateways: ['7CTDTEST00000A'] },
};
const noted = (note: string): string => JSON.stringify({ value: { ...DOCK, name: undefined, note } });

/** The first migration is then applied again, and makes what is missing. */
const FORGET = 'DELETE FROM dockhook_migrations WHERE number = 1';

describeWithOwnPostgres('accounts answered from memory', function () {
  this.timeout(60_000);
  let postgres: TestPostgres;
  let replicas: Replica[];

  interface Replica {
    stores: Stores;
    heard: string[];
    /** Reads of an account that went to Postgres. */
    reads: number;
  }

  function startReplica(url = postgres.url): Replica {
    const replica: Replica = { stores: undefined as unknown as Stores, heard: [], reads: 0 };
    replica.stores = openServerStores(connectPostgres(url), {
      onQuery: (table, operation) => {
        if (table === 'dockhook_accounts' && operation === 'get') replica.reads += 1;
      },
      onHeard: (heard, why = '') => replica.heard.push(heard ? 'heard' : why),
    });
    replicas.push(replica);
    return replica;
  }

  /** Does the work again and again until it says yes. */
  async function until(work: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await work())) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** Whether it has the dock's account in memory. */
  async function isCached(replica: Replica): Promise<boolean> {
    const before = replica.reads;
    return (await replica.stores.accounts.get('dock')) !== undefined && replica.reads === before;
  }

  async function note(replica: Replica): Promise<string | undefined> {
    return (await replica.stores.accounts.get('dock'))?.note;
  }

  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.stop());

  let one: Replica;
  let other: Replica;
  beforeEach(async () => {
    replicas = [];
    one = startReplica();
    other = startReplica();
    await one.stores.ping();
    await postgres.query('DELETE FROM dockhook_accounts');
    await one.stores.accounts.add(DOCK);
    await until(() => isCached(one));
    await until(() => isCached(other));
  });
  afterEach(() => Promise.all(replicas.map(({ stores }) => stores.close())));

  it('reads nothing for an account it has read', async () => {
    const before = one.reads;
    for (let call = 0; call < 100; call += 1) await one.stores.accounts.get('dock');
    expect(one.reads).to.equal(before);
    expect(one.heard).to.deep.equal(['heard']);
  });

  /** What each changes the account to; `undefined` is gone. */
  const ways: [title: string, change: () => Promise<unknown>, note: string | undefined][] = [
    [
      'by another replica',
      () => other.stores.accounts.update('dock', (account) => ({ ...account, note: 'new' })),
      'new',
    ],
    [
      'by this one',
      () => one.stores.accounts.update('dock', (account) => ({ ...account, note: 'new' })),
      'new',
    ],
    ['by UPDATE', () => postgres.query('UPDATE dockhook_accounts SET value = $1', [noted('new')]), 'new'],
    [
      'by INSERT … ON CONFLICT',
      () =>
        postgres.query(
          'INSERT INTO dockhook_accounts (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
          ['dock', noted('new')],
        ),
      'new',
    ],
    ['by a new name', () => postgres.query("UPDATE dockhook_accounts SET key = 'renamed'"), undefined],
    ['by DELETE', () => postgres.query('DELETE FROM dockhook_accounts'), undefined],
    ['by TRUNCATE', () => postgres.query('TRUNCATE dockhook_accounts'), undefined],
    [
      'as a subscriber of logical replication does it',
      () =>
        postgres.query(
          `SET session_replication_role = replica; UPDATE dockhook_accounts SET value = '${noted('new')}'`,
        ),
      'new',
    ],
    [
      'while the triggers are off for a moment',
      () =>
        postgres.query(
          `BEGIN; ALTER TABLE dockhook_accounts DISABLE TRIGGER ALL;
           UPDATE dockhook_accounts SET value = '${noted('new')}';
           ALTER TABLE dockhook_accounts ENABLE ALWAYS TRIGGER dockhook_accounts_changed;
           ALTER TABLE dockhook_accounts ENABLE ALWAYS TRIGGER dockhook_accounts_emptied; COMMIT`,
        ),
      'new',
    ],
    [
      'by ALTER TABLE, which runs no triggers',
      () =>
        postgres.query(`ALTER TABLE dockhook_accounts ALTER COLUMN value TYPE text USING '${noted('new')}'`),
      'new',
    ],
  ];
  for (const [title, change, expected] of ways) {
    it(`is in force everywhere when an account is changed ${title}`, async () => {
      await change();
      for (const replica of replicas) {
        const changed =
          expected === undefined
            ? async () => (await replica.stores.accounts.get('dock')) === undefined
            : async () => (await note(replica)) === expected;
        await until(changed);
        // Never back to what it was.
        expect(await changed()).to.equal(true);
      }
    });
  }

  it('knows an account that comes after it was looked for', async () => {
    expect(await one.stores.accounts.get('late')).to.equal(undefined);
    await other.stores.accounts.add({ ...DOCK, name: 'late', scope: { kind: 'client-id' } });
    expect(await one.stores.accounts.get('late')).to.have.property('name', 'late');
  });

  it('ends with what was written last, in a crowd of writers and readers', async () => {
    for (let round = 1; round <= 200; round += 1) {
      const written = postgres.query('UPDATE dockhook_accounts SET value = $1', [noted(String(round))]);
      const read = Promise.all(replicas.flatMap((replica) => [note(replica), note(replica)]));
      await written;
      await read;
      for (const replica of replicas) await until(async () => (await note(replica)) === String(round));
    }
  });

  it('reads each time when a session was ended by an administrator, and hears again', async () => {
    await postgres.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_listening_channels%' AND pid <> pg_backend_pid()",
    );
    await until(() => one.heard.length === 3);
    expect(one.heard).to.deep.equal(['heard', 'the connection for notifications was lost', 'heard']);
    await until(() => isCached(one));
  });

  it('answers nothing from memory once the server is frozen, and what is true when it goes on', async () => {
    await postgres.kill('SIGSTOP');
    try {
      await until(() =>
        one.stores.accounts.get('dock').then(
          () => false,
          () => true,
        ),
      );
    } finally {
      await postgres.kill('SIGCONT');
    }
    await postgres.query('UPDATE dockhook_accounts SET value = $1', [noted('thawed')]);
    await until(() =>
      note(one).then(
        (text) => text === 'thawed',
        () => false,
      ),
    );
    await until(() => isCached(one));
  });

  it('answers nothing from memory after a crash of the server, and hears again on the new one', async () => {
    await postgres.kill('SIGKILL');
    await until(() =>
      one.stores.accounts.get('dock').then(
        () => false,
        () => true,
      ),
    );
    await postgres.restart();
    await postgres.query('UPDATE dockhook_accounts SET value = $1', [noted('restarted')]);
    await until(() =>
      note(one).then(
        (text) => text === 'restarted',
        () => false,
      ),
    );
    await until(() => isCached(one));
  });

  it('reads each time, and says so, where the triggers are missing and may not be made', async () => {
    await postgres.query(
      `DROP TRIGGER dockhook_accounts_changed ON dockhook_accounts;
       CREATE ROLE guest LOGIN; GRANT SELECT ON dockhook_accounts, dockhook_settings TO guest`,
    );
    const url = new URL(postgres.url);
    url.username = 'guest';
    const guest = startReplica(url.href);
    await until(() => guest.heard.length === 1);
    expect(guest.heard[0]).to.include('dockhook doctor');
    expect(await isCached(guest)).to.equal(false);
    expect(await isCached(guest)).to.equal(false);
    // Its owner mends it by having the first migration applied again.
    await postgres.query(FORGET);
    const owner = startReplica();
    await until(() => owner.heard.length === 1);
    expect(owner.heard).to.deep.equal(['heard']);
  });

  it('is in force when another column takes the name of the one that is read', async () => {
    await postgres.query(`ALTER TABLE dockhook_accounts ADD COLUMN other text DEFAULT '${noted('new')}'`);
    try {
      await until(() => isCached(one));
      await postgres.query(
        `ALTER TABLE dockhook_accounts RENAME value TO old; ALTER TABLE dockhook_accounts RENAME other TO value`,
      );
      await until(async () => (await note(one)) === 'new');
    } finally {
      await postgres.query(
        'ALTER TABLE dockhook_accounts DROP COLUMN value; ALTER TABLE dockhook_accounts RENAME old TO value',
      );
    }
  });

  it('reads each time while other tables inherit from it, whose changes are not told', async () => {
    await postgres.query(
      `CREATE TABLE inheritor () INHERITS (dockhook_accounts);
       WITH gone AS (DELETE FROM ONLY dockhook_accounts RETURNING *) INSERT INTO inheritor SELECT * FROM gone`,
    );
    try {
      await until(() => one.heard.length === 2);
      expect(one.heard[1]).to.include('inherit');
      expect(await isCached(one)).to.equal(false);
      expect(await isCached(one)).to.equal(false);
    } finally {
      await postgres.query('DROP TABLE inheritor; ANALYZE dockhook_accounts');
    }
  });

  it('hears again after the triggers were left as a restore of data leaves them', async () => {
    await postgres.query(
      'ALTER TABLE dockhook_accounts DISABLE TRIGGER ALL; ALTER TABLE dockhook_accounts ENABLE TRIGGER ALL',
    );
    await until(() => one.heard.at(-1) !== 'heard');
    await postgres.query(FORGET);
    await postgres.query(migrationScript());
    await until(() => one.heard.at(-1) === 'heard');
  });

  it('gets its triggers while a backup reads the table, and from many replicas that start at once', async () => {
    const backup = new pg.Client({ connectionString: postgres.url });
    const starting = Array.from({ length: 8 }, () => new pg.Client({ connectionString: postgres.url }));
    await Promise.all([backup, ...starting].map((client) => client.connect()));
    try {
      await postgres.query(FORGET);
      await postgres.query('DROP FUNCTION dockhook_accounts_changed CASCADE');
      await backup.query('BEGIN; SELECT FROM dockhook_accounts');
      await Promise.all(starting.map((client) => client.query(migrationScript())));
      const enabled = `SELECT FROM pg_trigger WHERE tgname LIKE 'dockhook%' AND tgenabled = 'A'`;
      expect(await postgres.query(enabled)).to.have.length(2);
    } finally {
      await Promise.all([backup, ...starting].map((client) => client.end()));
    }
  });

  it('is told once of a transaction that changes many accounts', async () => {
    const listener = new pg.Client({ connectionString: postgres.url });
    await listener.connect();
    let told = 0;
    listener.on('notification', () => (told += 1));
    await listener.query('LISTEN dockhook_accounts');
    await postgres.query(
      `INSERT INTO dockhook_accounts (key, value) SELECT 'many-' || n, '${noted('x').replace('7CTDTEST00000A', 'ANOTHER')}' FROM generate_series(1, 1000) n`,
    );
    await postgres.query(`UPDATE dockhook_accounts SET value = value || ' ' WHERE key LIKE 'many-%'`);
    // A round trip brings what was sent before it.
    await listener.query('SELECT 1');
    await listener.end();
    expect(told).to.equal(1);
  });
});
