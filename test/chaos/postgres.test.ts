/**
 * Postgres fails in every way we could think of while docks are connected. The server under test is a
 * process of its own, so that its death would show; Postgres is a cluster of its own, hurt by pid.
 */
import { expect } from 'chai';
import pg from 'pg';
import { connectAsker, type Asker } from '../support/asker.js';
import { run, startCommand, type Running } from '../support/cli.js';
import { itLong } from '../support/long.js';
import { describeWithOwnPostgres, startPostgres, type TestPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';

const GATEWAY = '7CTDTEST00000A';
const DRONE = '1581FTEST000000000AA';
const LICENSE = { app_id: '166400', app_key: 'key-in-the-test', app_license: 'license-in-the-test' };

describeWithOwnPostgres('while Postgres fails', function () {
  this.timeout(60_000);
  let postgres: TestPostgres;
  let environment: Record<string, string>;
  let server: Running;
  let dock: Asker;
  let neverSeen: Asker;
  let password: string;
  let bindingCode: string;

  const json = async (args: string[], input = ''): Promise<Record<string, string>> => {
    const result = await run(['--json', ...args], { environment, input });
    expect(result.code, result.stderr).to.equal(0);
    return JSON.parse(result.stdout) as Record<string, string>;
  };

  const status = () => dock.request('airport_bind_status', { devices: [{ sn: GATEWAY }] });
  const organization = () =>
    dock.request('airport_organization_get', { device_binding_code: bindingCode, organization_id: 'north' });
  const bind = (sn = DRONE) =>
    dock.request('airport_organization_bind', {
      bind_devices: [{ sn, device_binding_code: bindingCode, organization_id: 'north' }],
    });
  const bound = (code: number, sn = DRONE) => ({
    result: 0,
    output: { err_infos: [{ sn, err_code: code }] },
  });

  before(async () => {
    postgres = await startPostgres();
    // No superuser, so that connection limits hold for it.
    await postgres.query('CREATE ROLE dockhook LOGIN');
    await postgres.query('GRANT CREATE ON SCHEMA public TO dockhook');
    const url = new URL(postgres.url);
    url.username = 'dockhook';
    environment = {
      DATABASE_URL: url.href,
      DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0',
      DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0',
    };
    server = startCommand(['serve'], { environment });
    const { grpc } = await server.event('ready');
    password = (await json(['account', 'add', 'dock', '--gateway', GATEWAY, '--generate']))['password'] ?? '';
    await json(['account', 'add', 'other', '--gateway', '7CTDTEST00000B', '--generate']);
    bindingCode = (await json(['organization', 'add', 'north', '--name', 'North']))['bindingCode'] ?? '';
    await json(['license', 'set', '-'], JSON.stringify(LICENSE));
    dock = await connectAsker(String(grpc), { username: 'dock', clientId: GATEWAY });
    neverSeen = await connectAsker(String(grpc), { username: 'other', clientId: '7CTDTEST00000B' });
  });
  after(async () => {
    dock.close();
    neverSeen.close();
    await server.stop('SIGKILL');
    await postgres.stop();
  });

  const metric = async (name: string): Promise<string | undefined> => {
    const { http } = await server.event('ready');
    const text = await (await fetch(`http://${String(http)}/metrics`)).text();
    return new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1];
  };

  /** Everything works, what was last read is remembered, and accounts are answered from memory. */
  async function healthy(): Promise<void> {
    await until(async () => (await metric('dockhook_changes_heard')) === '1');
    // What was changed by hand is in force when the server was notified of it.
    while (!(await dock.authenticate(password)));
    expect(await dock.authenticate(password), 'authenticate').to.equal(true);
    expect(await dock.authenticate('wrong'), 'a wrong password').to.equal(false);
    expect(await dock.authorize('SUBSCRIBE', `thing/product/${GATEWAY}/services`), 'subscribe').to.equal(
      true,
    );
    expect(await dock.authorize('PUBLISH', `thing/product/${DRONE}/osd`), 'the drone').to.equal(true);
    expect(await dock.request('config', {}), 'config').to.include({ app_id: '166400' });
    expect(await bind(GATEWAY), 'bind').to.deep.equal(bound(0, GATEWAY));
    expect(await organization(), 'organization').to.include({ result: 0 });
  }

  /** Nobody new gets in; who is connected stays, and is told the truth. */
  async function closedButAlive(): Promise<void> {
    // Accounts are answered from memory for a second at most.
    await until(async () => !(await dock.authenticate(password)));
    expect(await dock.authenticate(password), 'authenticate').to.equal(false);
    expect(await dock.authorize('SUBSCRIBE', `thing/product/${GATEWAY}/services`), 'subscribe').to.equal(
      true,
    );
    expect(await dock.authorize('PUBLISH', `thing/product/${GATEWAY}/osd`), 'publish').to.equal(true);
    expect(await dock.authorize('PUBLISH', `thing/product/${DRONE}/osd`), 'the drone').to.equal(true);
    expect(await dock.authorize('SUBSCRIBE', '#'), 'everything').to.equal(false);
    expect(
      await neverSeen.authorize('SUBSCRIBE', 'thing/product/7CTDTEST00000B/services'),
      'never seen',
    ).to.equal(false);
    expect(await neverSeen.request('config', {}), 'a request of an account never read').to.equal(undefined);
    expect(await dock.request('config', {}), 'config').to.include({ app_id: '166400' });
    expect(await status(), 'status').to.deep.equal({ result: 210233, output: {} });
    expect(await organization(), 'organization').to.deep.equal({ result: 210230, output: {} });
    expect(await bind(), 'bind').to.deep.equal(bound(210231));
    await alive();
  }

  async function alive(): Promise<void> {
    const { http } = await server.event('ready');
    expect((await fetch(`http://${String(http)}/healthz`)).status).to.equal(200);
    // An outage must not take every replica out at once.
    expect((await fetch(`http://${String(http)}/readyz`)).status).to.equal(200);
  }

  /** Docks get in again within two seconds of the database's return. */
  async function recovered(): Promise<void> {
    const end = Date.now() + 2000;
    while (!(await dock.authenticate(password))) {
      if (Date.now() > end) throw new Error('nobody gets in two seconds after the database came back');
    }
    await healthy();
  }

  const outages: [title: string, hurt: () => Promise<unknown>, heal: () => Promise<unknown>][] = [
    ['is killed while idle', () => postgres.kill('SIGKILL'), () => postgres.restart()],
    ['is frozen', () => postgres.kill('SIGSTOP'), () => postgres.kill('SIGCONT')],
    [
      'has no connection left',
      async () => {
        await postgres.query('ALTER ROLE dockhook CONNECTION LIMIT 0');
        await postgres.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'dockhook'",
        );
      },
      () => postgres.query('ALTER ROLE dockhook CONNECTION LIMIT -1'),
    ],
    [
      'lets nobody log in any more',
      async () => {
        await postgres.query('ALTER ROLE dockhook NOLOGIN');
        await postgres.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'dockhook'",
        );
      },
      () => postgres.query('ALTER ROLE dockhook LOGIN'),
    ],
    [
      'takes our rights away',
      () =>
        postgres.query(
          'ALTER TABLE dockhook_accounts OWNER TO postgres; ALTER TABLE dockhook_organizations OWNER TO postgres; ' +
            'ALTER TABLE dockhook_bindings OWNER TO postgres; ALTER TABLE dockhook_settings OWNER TO postgres',
        ),
      () =>
        postgres.query(
          'ALTER TABLE dockhook_accounts OWNER TO dockhook; ALTER TABLE dockhook_organizations OWNER TO dockhook; ' +
            'ALTER TABLE dockhook_bindings OWNER TO dockhook; ALTER TABLE dockhook_settings OWNER TO dockhook',
        ),
    ],
  ];
  const inShort = ['is killed while idle', 'is frozen'];
  for (const [title, hurt, heal] of outages) {
    const test = inShort.includes(title) ? it : itLong;
    test(`that ${title}: nobody new gets in, connected docks go on, and it recovers by itself`, async () => {
      await healthy();
      await hurt();
      await closedButAlive();
      await heal();
      await recovered();
    });
  }

  it('that is killed in the middle of queries: each of them is answered no', async () => {
    await healthy();
    const locker = new pg.Client({ connectionString: postgres.url });
    locker.on('error', () => undefined);
    await locker.connect();
    await locker.query('BEGIN; LOCK TABLE dockhook_accounts IN ACCESS EXCLUSIVE MODE');
    // Until accounts are not answered from memory any more.
    await until(async () => !(await dock.authenticate(password)));
    const answers = Promise.all(Array.from({ length: 5 }, () => dock.authenticate(password)));
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE usename = 'dockhook' AND wait_event_type = 'Lock'";
    // They share a statement.
    await until(async () => (await postgres.query(waiting)).length > 0);
    await postgres.kill('SIGKILL');
    expect(await answers).to.deep.equal([false, false, false, false, false]);
    await closedButAlive();
    await postgres.restart();
    await recovered();
  });

  itLong('that is restarted under load: every answer comes in time, and no wrong one', async () => {
    await healthy();
    let restarted = false;
    const load = async (): Promise<void> => {
      while (!restarted) {
        expect(await dock.authenticate('wrong'), 'a wrong password').to.equal(false);
        expect(await dock.authorize('PUBLISH', `thing/product/${GATEWAY}/osd`)).to.equal(true);
      }
    };
    const loads = Promise.all(Array.from({ length: 8 }, load));
    try {
      for (let i = 0; i < 3; i += 1) await postgres.restart();
    } finally {
      restarted = true;
    }
    await loads;
    await recovered();
  });

  it('that is read-only: docks get in and are told, and a bind that cannot be kept is no success', async () => {
    await healthy();
    await postgres.query('ALTER SYSTEM SET default_transaction_read_only = on');
    await postgres.query('SELECT pg_reload_conf()');
    await postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'dockhook'");
    // The reload reaches sessions on their own time; new ones have it.
    while ((await bind()) === undefined || JSON.stringify(await bind()) !== JSON.stringify(bound(210231)));
    expect(await dock.authenticate(password)).to.equal(true);
    expect(await status()).to.include({ result: 0 });
    await postgres.query('BEGIN; SET TRANSACTION READ WRITE; COMMIT');
    await postgres.query('ALTER SYSTEM RESET default_transaction_read_only').catch(async () => {
      const writer = new pg.Client({
        connectionString: postgres.url,
        options: '-c default_transaction_read_only=off',
      });
      await writer.connect();
      await writer.query('ALTER SYSTEM RESET default_transaction_read_only');
      await writer.end();
    });
    await postgres.query('SELECT pg_reload_conf()');
    const end = Date.now() + 2000;
    while (JSON.stringify(await bind()) !== JSON.stringify(bound(0))) expect(Date.now()).to.be.lessThan(end);
    await recovered();
    await json(['binding', 'remove', DRONE]);
  });

  describe('by rows made invalid by hand', () => {
    const set = (table: string, key: string, value: string) =>
      postgres.query(`UPDATE ${table} SET value = $2 WHERE key = $1`, [key, value]);
    const damage = async (
      table: string,
      key: string,
      value: string,
      check: () => Promise<void>,
    ): Promise<void> => {
      await healthy();
      const [row] = await postgres.query(`SELECT value FROM ${table} WHERE key = $1`, [key]);
      await set(table, key, value);
      try {
        await check();
      } finally {
        await set(table, key, String(row?.['value']));
      }
      await healthy();
    };

    it('an account is refused at connect, and its open sessions go on', () =>
      damage('dockhook_accounts', 'dock', '{"value":{"passwordHash":""}}', async () => {
        await until(async () => !(await dock.authenticate(password)));
        expect(await dock.authorize('SUBSCRIBE', `thing/product/${GATEWAY}/services`)).to.equal(true);
        expect(await dock.request('config', {})).to.include({ app_id: '166400' });
      }));
    it('an account with an unknown scope gets no scope at all', () =>
      damage(
        'dockhook_accounts',
        'other',
        '{"value":{"passwordHash":"x","scope":{"kind":"everything"}}}',
        async () => {
          expect(await neverSeen.authorize('SUBSCRIBE', 'thing/product/7CTDTEST00000B/services')).to.equal(
            false,
          );
        },
      ));
    it('a binding is no "unbound"', () =>
      damage(
        'dockhook_bindings',
        GATEWAY,
        `{"value":{"organizationId":"north","gateway":"${GATEWAY}"}}`,
        async () => {
          expect(await status()).to.deep.equal({ result: 210233, output: {} });
        },
      ));
    it('an organization is no "unknown code"', () =>
      damage(
        'dockhook_organizations',
        'north',
        `{"value":{"name":7,"bindingCode":"${bindingCode}"}}`,
        async () => {
          expect(await organization()).to.deep.equal({ result: 210230, output: {} });
          expect(await bind()).to.deep.equal(bound(210231));
        },
      ));
    it('the license last read stays usable', () =>
      damage('dockhook_settings', 'license', '{"value":{"appId":1}}', async () => {
        expect(await dock.request('config', {})).to.include({ app_id: '166400' });
      }));
    it('text that is no record at all is refused by Postgres', async () => {
      for (const value of ['', 'null', '{}', '{"value":null}', '{"value":[]}', '{"value":']) {
        const refused = await set('dockhook_accounts', 'dock', value).catch((error: unknown) => error);
        expect(refused, value).to.be.instanceOf(Error);
      }
      await healthy();
    });
  });

  it('leaves no secret in the log', () => {
    const text = server.lines.join('\n') + server.stderr();
    for (const secret of [password, bindingCode, LICENSE.app_key, LICENSE.app_license])
      expect(text).to.not.include(secret);
  });
});

describeWithOwnPostgres('without Postgres at start', function () {
  this.timeout(60_000);

  it('everybody is refused, and served as soon as it comes, without a restart', async () => {
    const postgres = await startPostgres();
    const environment = {
      DATABASE_URL: postgres.url,
      DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0',
      DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0',
    };
    const added = await run(['--json', 'account', 'add', 'dock', '--gateway', GATEWAY, '--generate'], {
      environment,
    });
    const { password } = JSON.parse(added.stdout) as { password: string };
    await postgres.kill('SIGKILL');
    const server = startCommand(['serve'], { environment });
    try {
      const { grpc } = await server.event('listening');
      const dock = await connectAsker(String(grpc), { username: 'dock', clientId: GATEWAY });
      expect(await dock.authenticate(password)).to.equal(false);
      expect(await dock.authorize('PUBLISH', `thing/product/${GATEWAY}/osd`)).to.equal(false);
      expect(await dock.request('config', {})).to.equal(undefined);
      await postgres.restart();
      const end = Date.now() + 2000;
      while (!(await dock.authenticate(password))) expect(Date.now()).to.be.lessThan(end);
      await server.event('ready');
      dock.close();
    } finally {
      await server.stop('SIGKILL');
      await postgres.stop();
    }
  });
});
