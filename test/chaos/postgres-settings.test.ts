/**
 * A PostgreSQL that answers, but is not set as dockhook would have it: another encoding, isolation, row level security,
 * asynchronous commits, odd settings of a role, statements that it refuses. Docks must be told no wrong yes, and the
 * others must not pay for one.
 */
import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { migrationScript } from '../../src/stores/migrations/script.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import type { Stores, TimelineEntry } from '../../src/stores/types.js';
import { aBinding, anAccount, anOrganization, bindOne, rejection } from '../contract/store-suite.js';
import { connectAsker, type Asker } from '../support/asker.js';
import { run, startCommand, type Running } from '../support/cli.js';
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

const GATEWAY = '7CTDTEST00000A';
const DRONE = '1581FTEST000000000AA';
const FREE_PORTS = { DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0', DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0' };

/** Of a stranger, as the timeline keeps it. */
const entryOf = (account: string, more: Partial<TimelineEntry> = {}): TimelineEntry => ({
  ...{ at: 1_790_000_000_000, lastAt: 1_790_000_000_000, count: 1, own: false, clientId: 'c', account },
  ...{ step: 'authenticate', outcome: 'refused', reason: 'unknown_account', details: {} },
  ...more,
});

const accountsOf = async (stores: Stores): Promise<string[]> =>
  (await stores.timeline.others(undefined, 1000)).entries.map(({ account }) => account).sort();

/** A server on this database, with what its docks need. */
async function startWorld(url: string) {
  const environment = { ...FREE_PORTS, DATABASE_URL: url };
  const server = startCommand(['serve'], { environment });
  const { grpc, http } = await server.event('ready');
  const askers: Asker[] = [];
  const command = async (args: string[], input = ''): Promise<Record<string, string>> => {
    const result = await run(['--json', ...args], { environment, input });
    expect(result.code, result.stderr).to.equal(0);
    return JSON.parse(result.stdout) as Record<string, string>;
  };
  return {
    environment,
    server,
    command,
    async ask(username: string, clientId = username): Promise<Asker> {
      const asker = await connectAsker(String(grpc), { username, clientId });
      askers.push(asker);
      return asker;
    },
    async metric(name: string): Promise<number> {
      const text = await (await fetch(`http://${String(http)}/metrics`)).text();
      return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1] ?? 0);
    },
    events: (name: string) => eventsOf(server, name),
    async stop() {
      for (const asker of askers) asker.close();
      await server.stop('SIGKILL');
    },
  };
}

const eventsOf = ({ lines }: Running, name: string): Record<string, unknown>[] =>
  lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ event }) => event === name);

describeWithPostgres('a LATIN1 database, whose tables an older dockhook made', function () {
  this.timeout(60_000);
  const NAMES = ['北', 'Łódź', '🚁', '東京-7'];
  let fresh: TestDatabase;
  let world: Awaited<ReturnType<typeof startWorld>>;

  before(async () => {
    fresh = await freshDatabase(
      undefined,
      "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    );
    await fresh.query(oldTables('first'));
    world = await startWorld(fresh.url);
  });
  after(async () => {
    await world.stop();
    await fresh.drop();
  });

  it('is named at the start, in the log and by doctor', async () => {
    const [line] = world.events('database_unsound');
    expect(line).to.include({ level: 'error', code: 'database_encoding' });
    expect(line?.['detail']).to.include("ENCODING 'UTF8'");
  });

  it('lets a dock in that comes at the same moment as strangers with other letters', async () => {
    const { password = '' } = await world.command([
      'account',
      'add',
      'dock-1',
      '--gateway',
      GATEWAY,
      '--generate',
    ]);
    const { password: other = '' } = await world.command([
      'account',
      'add',
      'Gärtner',
      '--client-id-is-gateway',
      '--generate',
    ]);
    const dock = await world.ask('dock-1', GATEWAY);
    const gardener = await world.ask('Gärtner', '7CTDTEST00000G');
    const strangers = await Promise.all(NAMES.map((name) => world.ask(name)));
    for (let round = 0; round < 5; round += 1) {
      const [came, cameToo, ...strange] = await Promise.all([
        dock.authenticate(password),
        gardener.authenticate(other),
        ...strangers.map((stranger) => stranger.authenticate('x')),
      ]);
      expect([came, cameToo, ...strange]).to.deep.equal([true, true, ...NAMES.map(() => false)]);
    }
    expect(world.events('database_away')).to.deep.equal([]);
    expect(world.events('database_refuses')).to.deep.equal([]);
  });

  it('binds the devices of a request beside one whose callsign it cannot keep', async () => {
    await world.command(['organization', 'add', 'north', '--name', 'N', '--binding-code', 'code-of-north']);
    const dock = await world.ask('dock-1', GATEWAY);
    const device = (sn: string, device_callsign: string) => ({
      ...{ sn, device_callsign, device_binding_code: 'code-of-north', organization_id: 'north' },
    });
    const reply = await dock.request('airport_organization_bind', {
      bind_devices: [device('SN1', '北楼'), device(GATEWAY, 'Dach'), device(DRONE, 'Möwe')],
    });
    const codes = [210231, 0, 0];
    expect(reply?.['output']).to.deep.equal({
      err_infos: ['SN1', GATEWAY, DRONE].map((sn, index) => ({ sn, err_code: codes[index] })),
    });
    const [refusal] = world.events('database_refuses');
    expect(refusal).to.include({ sqlstate: '22P05' });
    expect(refusal?.['detail']).to.include('"SN1"').and.include("ENCODING 'UTF8'");
    const counted = 'table="dockhook_bindings",operation="bind",reason="store_refused"';
    expect(await world.metric(`dockhook_store_errors_total{${counted}}`)).to.equal(1);
    expect(world.events('database_away')).to.deep.equal([]);
  });

  it('keeps the entries of a timeline batch beside those it cannot keep, and counts these', async () => {
    const stores = openStores(connectPostgres(fresh.url));
    const names = ['one', ...NAMES, 'two', 'Gärtner', 'three'];
    expect(await stores.timeline.append(names.map((name) => entryOf(name)))).to.equal(NAMES.length);
    expect(await accountsOf(stores)).to.include.members(['Gärtner', 'one', 'three', 'two']);
    await stores.close();
    const dropped = async (): Promise<number> => world.metric('dockhook_timeline_dropped_total');
    await until(async () => (await dropped()) >= NAMES.length);
  });

  it('has nothing under a name that it cannot keep, and says why none can be made', async () => {
    const stores = openStores(connectPostgres(fresh.url));
    for (const name of NAMES) {
      expect(await stores.accounts.get(name)).to.equal(undefined);
      expect(await stores.organizations.byBindingCode(name)).to.equal(undefined);
      await rejection(
        stores.accounts.update(name, (account) => account),
        'not_found',
      );
      await rejection(stores.accounts.remove(name), 'not_found');
      const error = await rejection(stores.accounts.add(anAccount(name)), 'store_refused');
      expect(error.message).to.include('must be UTF8');
    }
    await stores.close();
  });

  it('imports the lines that it can keep, and names the others', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'dockhook-latin1-'));
    const file = join(directory, 'accounts.csv');
    writeFileSync(
      file,
      ['name,gateways', 'i1,SN11', '北,SN12', 'i2,SN13', 'Łódź,SN14', 'i3,SN15', ''].join('\n'),
    );
    const all = await run(['account', 'import', file], { environment: world.environment });
    expect(all.code).to.equal(2);
    expect(all.stderr)
      .to.match(/:3: .*"北".*UTF8/)
      .and.match(/:5: .*"Łódź"/);
    const some = await run(['account', 'import', file, '--continue'], { environment: world.environment });
    rmSync(directory, { recursive: true });
    expect(some.stderr).to.include('2 of 5 accounts cannot be imported; 3 were imported');
    expect(some.stdout.split('\n').map((line) => line.split(',')[0])).to.deep.equal([
      'name',
      'i1',
      'i2',
      'i3',
      '',
    ]);
  });
});

describeWithPostgres('an empty database that is not UTF8', function () {
  this.timeout(60_000);
  for (const encoding of ['LATIN1', 'SQL_ASCII', 'EUC_KR']) {
    it(`but ${encoding} is refused, with what to do, before anything is in it`, async () => {
      const fresh = await freshDatabase(
        undefined,
        `ENCODING '${encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
      );
      const stores = openStores(connectPostgres(fresh.url));
      const { message } = await rejection(stores.ping(), 'store_refused');
      expect(message).to.include(`is ${encoding}, and must be UTF8`).and.include("ENCODING 'UTF8'");
      expect(await fresh.query("SELECT FROM pg_tables WHERE schemaname = 'public'")).to.deep.equal([]);
      await stores.close();
      await fresh.drop();
    });
  }
});

for (const isolation of ['serializable', 'repeatable read']) {
  describeWithPostgres(`default_transaction_isolation = ${isolation}`, function () {
    this.timeout(120_000);
    let fresh: TestDatabase;
    let replicas: Stores[];
    before(async () => {
      fresh = await freshDatabase();
      await fresh.query(
        `ALTER DATABASE ${new URL(fresh.url).pathname.slice(1)} SET default_transaction_isolation = '${isolation}'`,
      );
      replicas = Array.from({ length: 8 }, () => openStores(connectPostgres(fresh.url)));
      await Promise.all(replicas.map((stores) => stores.ping()));
      for (let index = 0; index < 8; index += 1)
        await replicas[0]!.organizations.add(anOrganization(`o${index}`));
    });
    after(async () => {
      await Promise.all(replicas.map((stores) => stores.close()));
      await fresh.drop();
    });

    it('has one winner of each of 50 raced binds, and refuses none for the race', async () => {
      for (let round = 0; round < 50; round += 1) {
        const outcomes = await Promise.all(
          replicas.map((stores, index) => bindOne(stores, aBinding(`SN${round}`, `o${index}`))),
        );
        expect(
          outcomes.filter((outcome) => outcome === 'bound'),
          outcomes.join(),
        ).to.have.length(1);
        expect(outcomes.filter((outcome) => outcome === 'bound_elsewhere')).to.have.length(7);
      }
    });

    it('renews one binding for all who race to do so', async () => {
      await bindOne(replicas[0]!, aBinding('RENEWED', 'o1'));
      for (let round = 0; round < 20; round += 1) {
        const renewed = await Promise.all(
          replicas.map((stores, index) =>
            bindOne(stores, aBinding('RENEWED', 'o1', { callsign: `call ${round}.${index}` })),
          ),
        );
        expect(new Set(renewed)).to.deep.equal(new Set(['bound']));
      }
    });

    it('binds devices that two name in opposite order', async () => {
      for (let round = 0; round < 20; round += 1) {
        const many = ['A', 'B', 'C'].map((sn) => aBinding(`${sn}${round}`, 'o1'));
        const outcomes = await Promise.all([
          replicas[0]!.bindings.bind(many),
          replicas[1]!.bindings.bind(many.toReversed()),
        ]);
        expect(new Set(outcomes.flat())).to.deep.equal(new Set(['bound']));
      }
    });

    it('loses no update, imports beside others, and keeps the timeline', async () => {
      await replicas[0]!.accounts.add(anAccount('counted', { note: '' }));
      const more = replicas.map((stores) =>
        stores.accounts.update('counted', (account) => ({ ...account, note: `${account.note ?? ''}x` })),
      );
      const imports = replicas.map((stores) =>
        stores.accounts.addTogether(async (addMany) => {
          await addMany(['i1', 'i2', 'i3'].map((name) => anAccount(name)));
          return 'commit';
        }),
      );
      const appended = replicas.map((stores) => stores.timeline.append([entryOf('told')]));
      await Promise.all([...more, ...imports, ...appended]);
      expect((await replicas[0]!.accounts.get('counted'))?.note).to.equal('xxxxxxxx');
      expect(await accountsOf(replicas[1]!)).to.have.length(8);
    });
  });
}

describeWithPostgres('rows that may be hidden', function () {
  this.timeout(60_000);
  let fresh: TestDatabase;
  let role: string;
  let world: Awaited<ReturnType<typeof startWorld>>;
  let dock: Asker;
  let password: string;

  before(async () => {
    fresh = await freshDatabase();
    role = `server_${new URL(fresh.url).pathname.slice(-12)}`;
    await fresh.query(migrationScript());
    await fresh.query(`CREATE ROLE ${role} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
    const url = new URL(fresh.url);
    url.username = role;
    world = await startWorld(url.href);
    ({ password = '' } = await world.command(['account', 'add', 'dock', '--gateway', GATEWAY, '--generate']));
    await world.command(['account', 'add', 'other', '--gateway', '7CTDTEST00000B', '--generate']);
    dock = await world.ask('dock', GATEWAY);
  });
  after(async () => {
    await world.stop();
    await fresh.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await fresh.drop();
  });

  /** Each hides accounts from our role, and goes again. */
  const hidings: [title: string, hide: string, show: () => string][] = [
    [
      'by row level security without a policy',
      'ALTER TABLE dockhook_accounts ENABLE ROW LEVEL SECURITY',
      () => 'ALTER TABLE dockhook_accounts DISABLE ROW LEVEL SECURITY',
    ],
    [
      'by a policy, until our role is above it',
      `CREATE POLICY all_but_one ON dockhook_accounts USING (key <> 'other');
       ALTER TABLE dockhook_accounts ENABLE ROW LEVEL SECURITY`,
      () => `ALTER ROLE ${role} BYPASSRLS`,
    ],
    [
      'from the owner, by FORCE ROW LEVEL SECURITY',
      `ALTER TABLE dockhook_accounts FORCE ROW LEVEL SECURITY; ALTER ROLE ROLE NOBYPASSRLS;
       ALTER TABLE dockhook_accounts OWNER TO ROLE`,
      () => 'ALTER TABLE dockhook_accounts NO FORCE ROW LEVEL SECURITY',
    ],
    [
      'by a view in the place of the table',
      `ALTER TABLE dockhook_accounts RENAME TO hidden;
       CREATE VIEW dockhook_accounts AS SELECT * FROM hidden WHERE key <> 'other'; GRANT ALL ON dockhook_accounts TO ROLE`,
      () => 'DROP VIEW dockhook_accounts; ALTER TABLE hidden RENAME TO dockhook_accounts',
    ],
  ];
  for (const [title, hide, show] of hidings) {
    it(`${title}: nobody comes in for it, the log says what to do, and it ends by itself`, async () => {
      const stores = openStores(connectPostgres(world.environment.DATABASE_URL));
      while (!(await dock.authenticate(password)));
      expect(await stores.accounts.listsGateway('7CTDTEST00000B')).to.equal(true);
      await fresh.query(
        hide.replaceAll('ROLE NOBYPASSRLS', `${role} NOBYPASSRLS`).replaceAll(/TO ROLE\b/g, `TO ${role}`),
      );
      try {
        // What was seen to be whole is taken for whole for a second.
        const end = Date.now() + 3000;
        for (;;) {
          const answer = await stores.accounts
            .listsGateway('7CTDTEST00000B')
            .catch((error: unknown) => error);
          if (answer instanceof Error) {
            expect(answer).to.have.property('code', 'store_refused');
            expect(answer.message).to.match(/ALTER|DROP/);
            break;
          }
          expect(Date.now()).to.be.lessThan(end);
        }
        await rejection(stores.bindings.getWithOrganizations(DRONE, []), 'store_refused');
        await rejection(stores.accounts.get('other'), 'store_refused');
        await until(async () => !(await dock.authenticate(password)));
        // The log is written after the answer.
        await until(() => world.events('database_refuses').some(({ sqlstate }) => sqlstate === 'DH003'));
      } finally {
        await fresh.query(show());
      }
      while (!(await dock.authenticate(password)));
      expect(await stores.accounts.listsGateway('7CTDTEST00000B')).to.equal(true);
      await stores.close();
    });
  }
});

describeWithPostgres('a role with odd settings', function () {
  this.timeout(60_000);
  const ODD = {
    DateStyle: "'SQL, DMY'",
    TimeZone: "'Asia/Kathmandu'",
    IntervalStyle: "'sql_standard'",
    bytea_output: "'escape'",
    standard_conforming_strings: 'off',
    backslash_quote: 'on',
    client_encoding: "'LATIN1'",
    search_path: "'nowhere'",
    lc_messages: "'C'",
    extra_float_digits: '-15',
    default_transaction_deferrable: 'on',
    enable_indexscan: 'off',
    transform_null_equals: 'on',
    array_nulls: 'off',
    xmloption: "'document'",
    check_function_bodies: 'off',
    synchronous_commit: 'off',
  };
  let fresh: TestDatabase;
  let role: string;
  let stores: Stores;
  before(async () => {
    fresh = await freshDatabase();
    role = `odd_${new URL(fresh.url).pathname.slice(-12)}`;
    await fresh.query(`CREATE ROLE ${role} LOGIN; GRANT CREATE ON SCHEMA public TO ${role}`);
    for (const [name, value] of Object.entries(ODD))
      await fresh.query(`ALTER ROLE ${role} SET ${name} = ${value}`);
    const url = new URL(fresh.url);
    url.username = role;
    stores = openStores(connectPostgres(url.href));
  });
  after(async () => {
    await stores.close();
    await fresh.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await fresh.drop();
  });

  it('keeps every text, moment and number of the timeline', async () => {
    const texts = [
      'back\\slash \\\\ \\n',
      'quote \' " $dockhook$ $1',
      '","own":true,"account":"forged',
      '\\u0027; DROP TABLE x; --',
      '北楼 é 🚁',
    ];
    const entries = texts.map((text, index) =>
      entryOf(`odd ${index}`, {
        ...{
          at: 1_790_000_000_123,
          lastAt: 1_790_000_060_456,
          clientId: text,
          details: { detail: text, peerPort: 40_000 },
        },
      }),
    );
    expect(await stores.timeline.append(entries)).to.equal(0);
    const kept = (await stores.timeline.others(undefined, 10)).entries.reverse();
    expect(kept).to.deep.equal(entries);
  });

  it('keeps records, and finds them', async () => {
    const account = anAccount('北 \\ \' "', {
      note: 'é\\u0041',
      scope: { kind: 'gateways', gateways: ['SN1'] },
    });
    await stores.accounts.add(account);
    expect(await stores.accounts.get(account.name)).to.deep.equal(account);
    expect(await stores.accounts.listsGateway('SN1')).to.equal(true);
    await stores.organizations.add(anOrganization('one', '北\\'));
    expect(await stores.organizations.byBindingCode('北\\')).to.deep.equal(anOrganization('one', '北\\'));
    const binding = aBinding('SN1', 'one', { callsign: "北楼 \\ '" });
    expect(await bindOne(stores, binding)).to.equal('bound');
    expect((await stores.bindings.getMany(['SN1'])).get('SN1')).to.deep.equal(binding);
  });
});

describeWithOwnPostgres('synchronous_commit = off for the role', function () {
  this.timeout(60_000);
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
    await postgres.query('ALTER ROLE postgres SET synchronous_commit = off');
  });
  after(() => postgres.stop());

  /** Each is acknowledged, and then the server is killed. */
  const acts: [
    title: string,
    act: (stores: Stores) => Promise<unknown>,
    held: (stores: Stores) => Promise<boolean>,
  ][] = [
    [
      'an account',
      ({ accounts }) => accounts.add(anAccount('a')),
      async ({ accounts }) => (await accounts.get('a')) !== undefined,
    ],
    [
      'a disabled account',
      ({ accounts }) => accounts.update('a', (account) => ({ ...account, disabled: true })),
      async ({ accounts }) => (await accounts.get('a'))?.disabled === true,
    ],
    [
      'a removed account',
      ({ accounts }) => accounts.remove('a'),
      async ({ accounts }) => (await accounts.get('a')) === undefined,
    ],
    [
      'imported accounts',
      ({ accounts }) =>
        accounts.addTogether(async (addMany) => ((await addMany([anAccount('b')])).size, 'commit')),
      async ({ accounts }) => (await accounts.get('b')) !== undefined,
    ],
    [
      'an organization',
      ({ organizations }) => organizations.add(anOrganization('one')),
      async ({ organizations }) => (await organizations.get('one')) !== undefined,
    ],
    [
      'a binding',
      (stores) => bindOne(stores, aBinding('SN1', 'one')),
      async ({ bindings }) => (await bindings.getMany(['SN1'])).size === 1,
    ],
    [
      'a license',
      ({ license }) => license.set({ appId: '1', appKey: 'k', appLicense: 'l' }),
      async ({ license }) => (await license.get()) !== undefined,
    ],
    [
      'a cleared license',
      ({ license }) => license.clear(),
      async ({ license }) => (await license.get()) === undefined,
    ],
  ];
  it('keeps whatever was acknowledged over a crash', async () => {
    for (const [title, act, held] of acts) {
      const stores = openStores(connectPostgres(postgres.url));
      await stores.ping();
      await act(stores);
      await postgres.kill('SIGKILL');
      await postgres.restart();
      await stores.close();
      const later = openStores(connectPostgres(postgres.url));
      expect(await held(later), title).to.equal(true);
      await later.close();
    }
  });
});

describeWithPostgres('a statement that is refused in the middle of a batch', function () {
  this.timeout(60_000);
  let fresh: TestDatabase;
  let stores: Stores;
  before(async () => {
    fresh = await freshDatabase();
    stores = openStores(connectPostgres(fresh.url));
    await stores.ping();
    await fresh.query(`ALTER TABLE dockhook_accounts ADD CHECK (key NOT LIKE 'bad%')`);
    await fresh.query(`ALTER TABLE dockhook_timeline ADD CHECK (account NOT LIKE 'bad%')`);
  });
  after(async () => {
    await stores.close();
    await fresh.drop();
  });

  const names = Array.from(
    { length: 200 },
    (_, index) => `${[17, 18, 150].includes(index) ? 'bad' : 'a'}${index}`,
  );

  it('for some rows leaves these out of an import, and says which', async () => {
    await stores.accounts.add(anAccount('a3'));
    const leftOut: string[] = [];
    await stores.accounts.addTogether(async (addMany) => {
      const why = await addMany(names.map((name) => anAccount(name)));
      leftOut.push(...[...why].map(([name, { code }]) => `${name} ${code}`));
      return 'commit';
    });
    expect(leftOut.sort()).to.deep.equal([
      'a3 conflict',
      'bad150 store_refused',
      'bad17 store_refused',
      'bad18 store_refused',
    ]);
    expect((await stores.accounts.list()).records).to.have.length(197);
  });

  it('for some rows leaves these out of the timeline, and no row comes twice', async () => {
    const expected = names.filter((name) => !name.startsWith('bad')).sort();
    expect(await stores.timeline.append(names.map((name) => entryOf(name)))).to.equal(3);
    expect(await accountsOf(stores)).to.deep.equal(expected);
    const late = [entryOf('b1', { at: 9e18 }), entryOf('b2'), entryOf('b3', { count: 2 ** 40 })];
    expect(await stores.timeline.append(late)).to.equal(2);
    expect(await accountsOf(stores)).to.deep.equal([...expected, 'b2'].sort());
  });

  it('by an administrator ends an import as a whole, told as what it is', async () => {
    const work = stores.accounts.addTogether(async (addMany) => {
      await addMany([anAccount('c1')]);
      const locker = new pg.Client({ connectionString: fresh.url });
      await locker.connect();
      await locker.query("BEGIN; INSERT INTO dockhook_accounts (key, value) VALUES ('c2', '{\"value\":{}}')");
      const adding = addMany([anAccount('c2')]).finally(() => locker.end());
      adding.catch(() => undefined);
      const waits = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      while ((await fresh.query(waits)).length === 0);
      await adding;
      return 'commit';
    });
    const error = await rejection(work, 'store_refused');
    expect(error.message).to.include('cancel').and.include('statement_timeout');
    expect(await stores.accounts.get('c1')).to.equal(undefined);
  });
});
