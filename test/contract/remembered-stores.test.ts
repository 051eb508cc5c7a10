/** Records answered from memory on real Postgres: whatever changes one, on whichever way, is in force. */
import { expect } from 'chai';
import pg from 'pg';
import { bucketOf, type Kind } from '../../src/stores/changes.js';
import { openServerStores } from '../../src/stores/stores.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { migrationScript } from '../../src/stores/migrations/script.js';
import type { Account, ServerStores, Stores } from '../../src/stores/types.js';
import { describeWithOwnPostgres, startPostgres, type TestPostgres } from '../support/postgres.js';

const DOCK: Account = {
  name: 'dock',
  passwordHash: '$argon2id$as-it-was',
  scope: { kind: 'gateways', gateways: ['7CTDTEST00000A'] },
};
const noted = (note: string): string => JSON.stringify({ value: { ...DOCK, name: undefined, note } });

/** The first migration is then applied again, and makes what is missing. */
const FORGET = 'DELETE FROM dockhook_migrations WHERE number = 1';

describeWithOwnPostgres('records answered from memory', function () {
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
           ALTER TABLE dockhook_accounts ENABLE TRIGGER ALL;
           ALTER TABLE dockhook_accounts ENABLE ALWAYS TRIGGER dockhook_changed;
           ALTER TABLE dockhook_accounts ENABLE ALWAYS TRIGGER dockhook_emptied; COMMIT`,
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
    await until(async () => (await one.stores.accounts.get('late')) !== undefined);
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
    // Where a beat was under way, it is the server that says why.
    expect(one.heard[1]).to.be.oneOf([
      'the connection for notifications was lost',
      'terminating connection due to administrator command',
    ]);
    expect(one.heard[2]).to.equal('heard');
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
      `DROP TRIGGER dockhook_changed ON dockhook_bindings; CREATE ROLE guest LOGIN;
       GRANT SELECT ON dockhook_accounts, dockhook_settings, dockhook_organizations, dockhook_bindings TO guest`,
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
      await postgres.query('DROP FUNCTION dockhook_changed CASCADE');
      await backup.query('BEGIN; SELECT FROM dockhook_accounts');
      await Promise.all(starting.map((client) => client.query(migrationScript())));
      const enabled = `SELECT FROM pg_trigger WHERE tgname LIKE 'dockhook%' AND tgenabled = 'A'`;
      expect(await postgres.query(enabled)).to.have.length(8);
    } finally {
      await Promise.all([backup, ...starting].map((client) => client.end()));
    }
  });

  /** Notifications of what the work changes. */
  async function toldOf(work: () => Promise<unknown>): Promise<string[]> {
    const listener = new pg.Client({ connectionString: postgres.url });
    await listener.connect();
    const told: string[] = [];
    listener.on('notification', ({ payload = '' }) => told.push(payload));
    await listener.query('LISTEN dockhook_changes');
    await work();
    // A round trip brings what was sent before it.
    await listener.query('SELECT 1');
    await listener.end();
    return told;
  }

  const bucket = (kind: Kind, key: string): string => bucketOf(kind, key).toString(16).padStart(4, '0');

  it('is told the buckets of each changed row, and of an account only those of the lists that changed', async () => {
    const value = (scope: object, note: string): string =>
      JSON.stringify({ value: { passwordHash: DOCK.passwordHash, scope, note } });
    const insert = 'INSERT INTO dockhook_accounts (key, value) VALUES ($1, $2)';
    const update = 'UPDATE dockhook_accounts SET value = $2 WHERE key = $1';
    const listing = (...gateways: string[]): object => ({ kind: 'gateways', gateways });
    const keeping = { kind: 'service', publish: [], subscribe: [], clientIds: ['backend-1'] };
    const steps: [sql: string, scope: object, note: string, told: string[]][] = [
      [
        insert,
        listing('7CTDTESTA', '7CTDTESTB'),
        '',
        [bucket('gateway', '7CTDTESTA'), bucket('gateway', '7CTDTESTB')],
      ],
      [update, listing('7CTDTESTB', '7CTDTESTA'), 'noted', []],
      [
        update,
        listing('7CTDTESTB', '7CTDTESTC'),
        '',
        [bucket('gateway', '7CTDTESTA'), bucket('gateway', '7CTDTESTC')],
      ],
      [
        update,
        keeping,
        '',
        [bucket('gateway', '7CTDTESTB'), bucket('gateway', '7CTDTESTC'), bucket('client id', 'backend-1')],
      ],
    ];
    for (const [sql, scope, note, expected] of steps) {
      const told = await toldOf(() => postgres.query(sql, ['Größe 7', value(scope, note)]));
      const buckets = [bucket('account', 'Größe 7'), ...expected].sort().join(',');
      expect(told).to.deep.equal([`${buckets} public`]);
    }
    expect(
      await toldOf(() => postgres.query("DELETE FROM dockhook_accounts WHERE key = 'Größe 7'")),
    ).to.deep.equal([
      `${[bucket('account', 'Größe 7'), bucket('client id', 'backend-1')].sort().join(',')} public`,
    ]);
  });

  it('is told that everything changed by a transaction that changes many rows, after the first thousand', async () => {
    const insert = (count: number): string =>
      `INSERT INTO dockhook_accounts (key, value) SELECT 'many-' || n, '${noted('x').replace('7CTDTEST00000A', 'ANOTHER')}' FROM generate_series(1, ${count}) n`;
    expect(await toldOf(() => postgres.query(insert(1000)))).to.not.include('everything public');
    await postgres.query("DELETE FROM dockhook_accounts WHERE key LIKE 'many-%'");
    const told = await toldOf(() => postgres.query(insert(5000)));
    expect(told.filter((payload) => payload === 'everything public')).to.have.length(1);
    expect(told.length).to.be.at.most(1001);
    // The next transaction of the same connection counts anew.
    expect(
      await toldOf(() =>
        postgres.query("UPDATE dockhook_accounts SET value = value || ' ' WHERE key = 'many-1'"),
      ),
    ).to.deep.equal([`${bucket('account', 'many-1')} public`]);
  });

  it('is told that everything changed by an account with more than a thousand gateways', async () => {
    const gateways = Array.from({ length: 1001 }, (_, index) => `7CTDMANY${index}`);
    const add = (): Promise<void> =>
      one.stores.accounts.add({ ...DOCK, name: 'fleet', scope: { kind: 'gateways', gateways } });
    expect(await toldOf(add)).to.deep.equal(['everything public']);
  });

  it('is told of the other codes, but not of which code it was, when an organization changes', async () => {
    const told = await toldOf(() =>
      one.stores.organizations.add({ id: 'one', name: 'One', bindingCode: '123456' }),
    );
    await one.stores.organizations.remove('one');
    expect(told).to.deep.equal([
      `${[bucket('organization', 'one'), bucket('code', 'any')].sort().join(',')} public`,
    ]);
  });

  it('is told of each row, whatever the session or another schema told before', async () => {
    const another = new pg.Client({ connectionString: postgres.url });
    await another.connect();
    try {
      await another.query(`SET dockhook.schema = 'another'; ${migrationScript()}; RESET dockhook.schema`);
      const many = `INSERT INTO another.dockhook_accounts (key, value)
        SELECT 'many-' || n, '${noted('x').replace('7CTDTEST00000A', 'ANOTHER')}' FROM generate_series(1, 2000) n`;
      const told = await toldOf(() =>
        another.query(`BEGIN; ${many}; UPDATE public.dockhook_accounts SET value = value || ' '; COMMIT`),
      );
      expect(told).to.include(`${bucket('account', 'dock')} public`);
      const { rows } = await another.query(`SELECT 'public.dockhook_accounts'::regclass::oid AS oid`);
      const { oid } = rows[0] as { oid: number };
      await another.query(`SET dockhook.told_${oid} = '1 2000'`);
      expect(
        await toldOf(() => another.query(`UPDATE public.dockhook_accounts SET value = value || ' '`)),
      ).to.deep.equal([`${bucket('account', 'dock')} public`]);
      await another.query('DROP SCHEMA another CASCADE');
    } finally {
      await another.end();
    }
  });

  it('runs nobody else’s operators', async () => {
    await postgres.query(`CREATE SCHEMA trap;
      CREATE FUNCTION trap.caught(text, varchar) RETURNS text LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'caught'; END $$;
      CREATE OPERATOR trap.|| (LEFTARG = text, RIGHTARG = varchar, FUNCTION = trap.caught)`);
    try {
      await postgres.query(
        `SET search_path = trap, public; UPDATE public.dockhook_accounts SET value = value`,
      );
    } finally {
      await postgres.query('DROP SCHEMA trap CASCADE');
    }
  });

  it('is told nothing of a change that was rolled back', async () => {
    expect(
      await toldOf(() => postgres.query('BEGIN; DELETE FROM dockhook_accounts; ROLLBACK')),
    ).to.deep.equal([]);
  });

  it('takes no badly typed list for a reason to refuse the row', async () => {
    const typed = (scope: object): Promise<unknown> =>
      postgres.query('UPDATE dockhook_accounts SET value = $1', [JSON.stringify({ value: { scope } })]);
    await typed({ kind: 'service', clientIds: 'no list' });
    await typed({ kind: 'service', clientIds: [1, null, { a: 1 }], gateways: {} });
    await typed({});
  });
});

/** @returns false; throws what is no refusal. */
function isRefused(error: unknown): false {
  expect(error).to.have.property('code', 'store_refused');
  return false;
}

/** What a server answers, how plain SQL changes it, and what it answers then. */
interface Remembered {
  what: string;
  ask(stores: ServerStores): Promise<unknown>;
  first: unknown;
  sql: string;
  then: unknown;
}

const SN = '7CTDTEST00000A';
const DRONE = '1581TEST00000B';
const organization = (name: string, bindingCode = 'CODE-1'): string =>
  JSON.stringify({ value: { name, bindingCode } });
const binding = (callsign: string): string =>
  JSON.stringify({
    value: { organizationId: 'one', callsign, modelKey: '', gateway: SN, boundAt: '2026-01-01T00:00:00Z' },
  });
const license = (appId: string): string =>
  JSON.stringify({ value: { appId, appKey: 'key', appLicense: 'license' } });
const nameOfOrganization = async (stores: ServerStores): Promise<unknown> =>
  (await stores.bindings.getWithOrganizations(SN, [])).get(SN)?.organization()?.name;

const REMEMBERED: Remembered[] = [
  {
    what: 'an account',
    ask: async ({ accounts }) => (await accounts.get('dock'))?.note,
    first: 'first',
    sql: `UPDATE dockhook_accounts SET value = replace(value, '"first"', '"second"')`,
    then: 'second',
  },
  {
    what: 'that there is no such account',
    ask: async ({ accounts }) => (await accounts.get('later'))?.name,
    first: undefined,
    sql: `INSERT INTO dockhook_accounts SELECT 'later', value FROM dockhook_accounts WHERE key = 'backend'`,
    then: 'later',
  },
  {
    what: 'that an account lists a gateway',
    ask: ({ accounts }) => accounts.listsGateway(SN),
    first: true,
    sql: `UPDATE dockhook_accounts SET value = replace(value, '${SN}', '7CTDANOTHER')`,
    then: false,
  },
  {
    what: 'that no account lists a gateway',
    ask: ({ accounts }) => accounts.listsGateway(DRONE),
    first: false,
    sql: `UPDATE dockhook_accounts SET value = replace(value, '${SN}', '${DRONE}')`,
    then: true,
  },
  {
    what: 'that an account keeps a client id',
    ask: ({ accounts }) => accounts.keepsClientId('backend-1'),
    first: true,
    sql: `DELETE FROM dockhook_accounts WHERE key = 'backend'`,
    then: false,
  },
  {
    what: 'that no account keeps a client id',
    ask: ({ accounts }) => accounts.keepsClientId('backend-2'),
    first: false,
    sql: `UPDATE dockhook_accounts SET value = replace(value, 'backend-1', 'backend-2')`,
    then: true,
  },
  {
    what: 'an organization',
    ask: async ({ organizations }) => (await organizations.get('one'))?.name,
    first: 'One',
    sql: `UPDATE dockhook_organizations SET value = '${organization('Other')}'`,
    then: 'Other',
  },
  {
    what: 'the name of the organization of a code',
    ask: async ({ organizations }) => (await organizations.byBindingCode('CODE-1'))?.name,
    first: 'One',
    sql: `UPDATE dockhook_organizations SET value = '${organization('Other')}'`,
    then: 'Other',
  },
  {
    what: 'a code that is withdrawn',
    ask: async ({ organizations }) => (await organizations.byBindingCode('CODE-1'))?.name,
    first: 'One',
    sql: `UPDATE dockhook_organizations SET value = '${organization('One', 'CODE-2')}'`,
    then: undefined,
  },
  {
    what: 'that a code opens nothing',
    ask: async ({ organizations }) => (await organizations.byBindingCode('CODE-2'))?.name,
    first: undefined,
    sql: `INSERT INTO dockhook_organizations VALUES ('two', '${organization('Two', 'CODE-2')}')`,
    then: 'Two',
  },
  {
    what: 'a binding',
    ask: async ({ bindings }) => (await bindings.get(SN))?.callsign,
    first: 'North',
    sql: `UPDATE dockhook_bindings SET value = '${binding('South')}'`,
    then: 'South',
  },
  {
    what: 'many bindings',
    ask: async ({ bindings }) => (await bindings.getMany([SN])).get(SN)?.callsign,
    first: 'North',
    sql: `DELETE FROM dockhook_bindings`,
    then: undefined,
  },
  {
    what: 'the organization of a binding',
    ask: nameOfOrganization,
    first: 'One',
    sql: `UPDATE dockhook_organizations SET value = '${organization('Other')}'`,
    then: 'Other',
  },
  {
    what: 'that a drone is not bound',
    ask: async ({ bindings }) => (await bindings.get(DRONE))?.callsign,
    first: undefined,
    sql: `INSERT INTO dockhook_bindings (key, value) VALUES ('${DRONE}', '${binding('Bee')}')`,
    then: 'Bee',
  },
  {
    what: 'the license',
    ask: async ({ license: stored }) => (await stored.get())?.appId,
    first: 'first',
    sql: `UPDATE dockhook_settings SET value = '${license('second')}' WHERE key = 'license'`,
    then: 'second',
  },
];

describeWithOwnPostgres('each kind of record answered from memory', function () {
  this.timeout(60_000);
  let postgres: TestPostgres;
  let stores: ServerStores;
  let statements: number;

  before(async () => {
    postgres = await startPostgres();
    await postgres.query(migrationScript());
  });
  after(() => postgres.stop());

  beforeEach(async () => {
    const backend = { kind: 'service', publish: ['#'], subscribe: ['#'], clientIds: ['backend-1'] };
    await postgres.query(`
TRUNCATE dockhook_accounts, dockhook_bindings, dockhook_organizations;
DELETE FROM dockhook_settings WHERE key = 'license';
INSERT INTO dockhook_accounts VALUES ('dock', '${noted('first')}'),
  ('backend', '${JSON.stringify({ value: { passwordHash: DOCK.passwordHash, scope: backend } })}');
INSERT INTO dockhook_organizations VALUES ('one', '${organization('One')}');
INSERT INTO dockhook_bindings (key, value) VALUES ('${SN}', '${binding('North')}');
INSERT INTO dockhook_settings VALUES ('license', '${license('first')}')`);
    const database = connectPostgres(postgres.url);
    statements = 0;
    const heard = new Promise((resolve) => {
      stores = openServerStores(
        {
          ...database,
          query: (sql, parameters) => {
            statements += 1;
            return database.query(sql, parameters);
          },
        },
        { onHeard: resolve },
      );
    });
    expect(await heard).to.equal(true);
  });
  afterEach(() => stores.close());

  for (const { what, ask, first, sql, then } of REMEMBERED) {
    it(`knows ${what} without a statement, until it changes`, async () => {
      expect(await ask(stores)).to.equal(first);
      // What it read while it began to listen may not count as heard yet.
      await ask(stores);
      const before = statements;
      for (let times = 0; times < 10; times += 1) expect(await ask(stores)).to.equal(first);
      expect(statements).to.equal(before);
      await postgres.query(sql);
      while ((await ask(stores)) !== then) await new Promise((resolve) => setImmediate(resolve));
      expect(statements).to.be.above(before);
    });
  }

  it('looks each time for the binding of a dock that is not bound', async () => {
    const { bindings } = stores;
    const reads = [
      () => bindings.getMany([SN, DRONE]),
      // Of a gateway that is not bound, and a device that is.
      () => bindings.getWithOrganizations(DRONE, [SN]),
    ];
    for (const read of reads) {
      await read();
      await read();
      const before = statements;
      expect([...(await read()).keys()]).to.deep.equal([SN]);
      expect(statements).to.equal(before + 1);
    }
  });

  it('knows without a statement that the drone of a bound dock is not bound', async () => {
    const ask = () => stores.bindings.getWithOrganizations(SN, [DRONE]);
    await ask();
    await ask();
    const before = statements;
    expect([...(await ask()).keys()]).to.deep.equal([SN]);
    expect(statements).to.equal(before);
  });

  it('knows at once what it bound itself', async () => {
    expect(await stores.bindings.get(DRONE)).to.equal(undefined);
    const bound = { sn: DRONE, organizationId: 'one', callsign: 'Bee', modelKey: '', gateway: SN };
    await stores.bindings.bind([{ ...bound, boundAt: '2026-01-01T00:00:00Z' }]);
    expect(await stores.bindings.get(DRONE)).to.have.property('callsign', 'Bee');
  });

  it('keeps a bad row from nobody who does not ask for it', async () => {
    expect(await nameOfOrganization(stores)).to.equal('One');
    await postgres.query(`UPDATE dockhook_organizations SET value = '{"value":{"bindingCode":"CODE-1"}}'`);
    for (;;) {
      const found = (await stores.bindings.getWithOrganizations(SN, [])).get(SN);
      expect(found).to.have.property('callsign', 'North');
      try {
        found?.organization();
      } catch (error) {
        expect(error).to.have.property('code', 'bad_row');
        return;
      }
    }
  });

  it('answers nothing from memory once rows may be hidden', async () => {
    await nameOfOrganization(stores);
    await postgres.query('CREATE ROLE watched LOGIN');
    const url = new URL(postgres.url);
    url.username = 'watched';
    await postgres.query(
      'GRANT SELECT ON dockhook_accounts, dockhook_organizations, dockhook_bindings, dockhook_settings TO watched',
    );
    const said: string[] = [];
    const watched = openServerStores(connectPostgres(url.href), { onHeard: (_, why = '') => said.push(why) });
    try {
      while (said.length < 1) await new Promise((resolve) => setTimeout(resolve, 1));
      expect(said).to.deep.equal(['']);
      expect(await watched.bindings.get(SN)).to.have.property('callsign', 'North');
      await postgres.query('ALTER TABLE dockhook_organizations ENABLE ROW LEVEL SECURITY');
      while (said.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
      expect(said[1]).to.include('dockhook_organizations may be hidden');
      // What was seen a moment ago holds for a second.
      while (await watched.bindings.get(SN).then(() => true, isRefused)) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    } finally {
      await watched.close();
      await postgres.query('ALTER TABLE dockhook_organizations DISABLE ROW LEVEL SECURITY');
    }
  });
});
