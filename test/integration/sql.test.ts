/** deploy/postgres: its roles, and its SQL statements, each in force at once on a running server. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { connectAsker, type Asker } from '../support/asker.js';
import { run, startCommand, type Running } from '../support/cli.js';
import { describeWithOwnPostgres, startPostgres, type TestPostgres } from '../support/postgres.js';
import pg from 'pg';
import { until } from '../support/until.js';

const read = (name: string): string =>
  readFileSync(new URL(`../../deploy/postgres/${name}`, import.meta.url), 'utf8');
/** The statements of the README, in order, each with the sentence before it. */
const statements = [...read('README.md').matchAll(/^([^\n|]+)\n\n```sql\n([^]*?)```$/gm)].map(
  ([, title = '', sql = '']) => ({ title, sql }),
);

const GATEWAY = '7CTDTEST00000A';
const SECOND_GATEWAY = '7CTDTEST00000B';
const FREE_PORTS = { DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0', DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0' };
const LICENSE = '{"app_id":"1","app_key":"key-in-the-test","app_license":"license-in-the-test"}';

describeWithOwnPostgres('PostgreSQL as an interface', function () {
  this.timeout(60_000);
  let postgres: TestPostgres;
  let server: Running;
  let grpc: string;
  const askers: Asker[] = [];

  /** The server's address for one of the roles. */
  const urlOf = (role: string): string => {
    const url = new URL(postgres.url);
    url.username = `dockhook_${role}`;
    return url.href;
  };
  async function query(role: string, sql: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: urlOf(role) });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }
  const mayNot = async (role: string, sql: string): Promise<void> => {
    const error: unknown = await query(role, sql).catch((reason: unknown) => reason);
    expect(error, `${role}: ${sql}`).to.have.property('code', '42501');
  };
  /** As an operator does with the commands. */
  const dockhook = async (args: string[], input = ''): Promise<Record<string, string>> => {
    const environment = { DATABASE_URL: urlOf('operator') };
    const result = await run(['--json', ...args], { environment, input });
    expect(result.code, result.stderr).to.equal(0);
    return JSON.parse(result.stdout) as Record<string, string>;
  };
  async function ask(username: string, clientId = GATEWAY): Promise<Asker> {
    const asker = await connectAsker(grpc, { username, clientId });
    askers.push(asker);
    return asker;
  }
  /** Every event with this name that the server has logged. */
  const logged = (name: string) =>
    server.lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ event }) => event === name);

  before(async () => {
    postgres = await startPostgres();
    // As the README says; once more does no harm.
    for (const file of ['schema.sql', 'roles.sql', 'schema.sql', 'roles.sql'])
      await postgres.query(read(file));
    server = startCommand(['serve'], { environment: { ...FREE_PORTS, DATABASE_URL: urlOf('server') } });
    grpc = String((await server.event('ready'))['grpc']);
  });
  after(async () => {
    for (const asker of askers) asker.close();
    await server.stop('SIGKILL');
    await postgres.stop();
  });

  it('lets the commands write as dockhook_operator, who can make or drop no table', async () => {
    await dockhook(['license', 'set', '-'], LICENSE);
    await dockhook(['organization', 'add', 'south', '--name', 'South']);
    await dockhook(['organization', 'remove', 'south']);
    await mayNot('operator', 'CREATE TABLE public.other ()');
    await mayNot('operator', 'DROP TABLE dockhook_accounts');
    await mayNot('operator', 'TRUNCATE dockhook_accounts');
  });

  it('lets dockhook_reader see bindings, and nothing that is secret', async () => {
    await query('reader', 'SELECT * FROM dockhook_bindings');
    for (const table of ['accounts', 'organizations', 'settings']) {
      await mayNot('reader', `SELECT * FROM dockhook_${table}`);
    }
    await mayNot('reader', 'DELETE FROM dockhook_bindings');
  });

  it('lets the server do no more than it must as dockhook_server', async () => {
    await mayNot('server', `INSERT INTO dockhook_accounts (key, value) VALUES ('x', '{"value":{}}')`);
    await mayNot('server', `UPDATE dockhook_accounts SET key = 'x'`);
    await mayNot('server', 'DELETE FROM dockhook_accounts');
    await mayNot('server', 'DELETE FROM dockhook_bindings');
    for (const table of ['organizations', 'settings']) {
      await mayNot('server', `UPDATE dockhook_${table} SET value = '{"value":{}}'`);
      await mayNot('server', `DELETE FROM dockhook_${table}`);
    }
    await mayNot('server', 'CREATE TABLE public.other ()');
    await mayNot('server', 'DROP TABLE dockhook_bindings');
  });

  it('hides no rows from the server and the operator, but refuses them, under row level security', async () => {
    await postgres.query('ALTER TABLE dockhook_bindings ENABLE ROW LEVEL SECURITY');
    try {
      await mayNot('server', 'SELECT FROM dockhook_bindings');
      await mayNot('operator', 'SELECT FROM dockhook_bindings');
    } finally {
      await postgres.query('ALTER TABLE dockhook_bindings DISABLE ROW LEVEL SECURITY');
    }
  });

  it('tells who runs a command as dockhook_server which role it needs', async () => {
    const { code, stderr } = await run(['account', 'add', 'x', '--any-gateway', '--generate'], {
      environment: { DATABASE_URL: urlOf('server') },
    });
    expect(code).to.equal(1);
    expect(stderr).to.include('the other commands need dockhook_operator');
  });

  it('has roles whose rights satisfy the doctor, each for what it is for', async () => {
    for (const [role, use] of [
      ['server', 'dockhook serve'],
      ['operator', 'the other commands'],
    ] as const) {
      const { stdout } = await run(['--json', 'doctor'], { environment: { DATABASE_URL: urlOf(role) } });
      const rights = (JSON.parse(stdout) as { code: string }[]).filter(
        ({ code }) => code === 'database_rights',
      );
      expect(rights).to.deep.equal([
        {
          level: 'ok',
          code: 'database_rights',
          what: `role dockhook_${role} has the rights that ${use} need`,
        },
      ]);
    }
  });

  describe('by the statements of its README, in order', () => {
    let dock: Asker;
    let first: Record<string, string>;
    let second: Record<string, string>;
    const done: string[] = [];

    /** Runs the next statement, whose title must begin like this. */
    async function next(title: string, hash = ''): Promise<Record<string, unknown>[]> {
      const statement = statements[done.length];
      expect(statement?.title).to.match(new RegExp(`^${title}`));
      done.push(title);
      return query('operator', statement?.sql.replace("'HASH'", `'${hash}'`) ?? '');
    }
    const passwordOf = ({ password = '' }: Record<string, string>): string => password;
    /** A change of an account is in force when the server was notified of it, which may be after its commit. */
    async function becomes(expected: boolean, ask: () => Promise<boolean>): Promise<void> {
      await until(async () => (await ask()) === expected);
    }
    const subscribes = (sn: string): Promise<boolean> =>
      dock.authorize('SUBSCRIBE', `thing/product/${sn}/services`);

    before(async () => {
      dock = await ask('dock-north');
      first = await dockhook(['account', 'hash', '--generate']);
      second = await dockhook(['account', 'hash', '--generate']);
    });

    it('an account is added', async () => {
      expect(await dock.authenticate(passwordOf(first))).to.equal(false);
      await next('Add one for a dock', first['passwordHash']);
      await becomes(true, () => dock.authenticate(passwordOf(first)));
      expect(await dock.request('config', {})).to.include({ app_id: '1' });
    });

    it('and disabled, and enabled again', async () => {
      await next('Disable it');
      await becomes(false, () => dock.authenticate(passwordOf(first)));
      await next('Enable it again');
      await becomes(true, () => dock.authenticate(passwordOf(first)));
    });

    it('and given a new password', async () => {
      await next('Give it a new password', second['passwordHash']);
      await becomes(false, () => dock.authenticate(passwordOf(first)));
      expect(await dock.authenticate(passwordOf(second))).to.equal(true);
    });

    it('and a second gateway', async () => {
      expect(await subscribes(SECOND_GATEWAY)).to.equal(false);
      await next('Let it act as another gateway');
      await becomes(true, () => subscribes(SECOND_GATEWAY));
      expect(await subscribes(GATEWAY)).to.equal(true);
    });

    it('and an end', async () => {
      await next('Let it expire');
      await becomes(false, () => dock.authenticate(passwordOf(second)));
      await server.line((line) => line.includes('"reason":"expired"'));
    });

    it('accounts are listed', async () => {
      expect(await next('List accounts')).to.deep.equal([
        {
          name: 'dock-north',
          scope: 'gateways',
          gateways: [GATEWAY, SECOND_GATEWAY],
          disabled: false,
          expires: '2020-01-31T18:00:00Z',
          note: 'North yard',
        },
      ]);
    });

    it('and removed', async () => {
      await next('Remove one');
      const before = server.lines.length;
      await until(async () => {
        expect(await dock.authenticate(passwordOf(second))).to.equal(false);
        return server.lines.slice(before).some((line) => line.includes('"unknown_account"'));
      });
    });

    it('accounts come from EMQX’s table, and have a hash of ours after their next login', async () => {
      await postgres.query(`
        CREATE TABLE mqtt_user (id serial PRIMARY KEY, username text NOT NULL UNIQUE, password_hash text NOT NULL,
          salt text NOT NULL, is_superuser boolean DEFAULT false, created timestamptz DEFAULT now());
        INSERT INTO mqtt_user (username, password_hash, salt) VALUES
          ('emqx_u', '44edc2d57cde8d79c98145003e105b90a14f1460b79186ea9cfe83942fc5abb5', 'slat_foo123');
        GRANT SELECT ON mqtt_user TO dockhook_operator`);
      await next('Import them with `sha256`');
      const client = await ask('emqx_u');
      expect(await client.authenticate('wrong')).to.equal(false);
      expect(await client.authenticate('public')).to.equal(true);
      const hash = async (): Promise<string> =>
        String(
          (await query('operator', `SELECT value FROM dockhook_accounts WHERE key = 'emqx_u'`))[0]?.['value'],
        );
      // Behind the answer's back.
      await until(async () => (await hash()).includes('$argon2id$'));
      expect(await client.authenticate('public')).to.equal(true);
      expect(await client.authenticate('wrong')).to.equal(false);
      expect(logged('database_away')).to.deep.equal([]);
    });

    it('an organization is added, and given another code', async () => {
      const client = await ask('emqx_u');
      const named = (code: string) =>
        client.request('airport_organization_get', { device_binding_code: code, organization_id: 'north' });
      expect(await named('abcde-fghjk')).to.include({ result: 210230 });
      await next('Add an organization');
      await until(async () => (await named('abcde-fghjk'))?.['result'] === 0);
      expect(await named('abcde-fghjk')).to.deep.include({ output: { organization_name: 'North yard' } });
      await next('Give it another code');
      await until(async () => (await named('abcde-fghjk'))?.['result'] === 210230);
      expect(await named('mnpqr-stuvw')).to.include({ result: 0 });
    });

    it('what is bound is listed, moved and unbound', async () => {
      await dockhook(['organization', 'add', 'south', '--name', 'South yard']);
      const client = await ask('emqx_u');
      const device = {
        device_binding_code: 'mnpqr-stuvw',
        organization_id: 'north',
        device_callsign: 'Roof',
        sn: GATEWAY,
        device_model_key: '3-3-0',
      };
      expect(
        JSON.stringify(await client.request('airport_organization_bind', { bind_devices: [device] })),
      ).to.include('"err_code":0');
      expect((await next('List what is bound'))[0]).to.include({ device: GATEWAY, organization_id: 'north' });
      const status = async (): Promise<string> =>
        JSON.stringify(await client.request('airport_bind_status', { devices: [{ sn: GATEWAY }] }));
      await next('Move a device');
      await until(async () => (await status()).includes('South yard'));
      await dockhook(['account', 'add', 'rc-north', '--gateway', '9N9CNTEST00RC2', '--generate']);
      const [controller, drone] = [await ask('rc-north', '9N9CNTEST00RC2'), '1581FTEST000000000AA'];
      await query(
        'operator',
        `INSERT INTO dockhook_bindings (key, value)
         SELECT '${drone}', value FROM dockhook_bindings WHERE key = '${GATEWAY}'`,
      );
      const commanded = () => controller.authorize('SUBSCRIBE', `thing/product/${drone}/property/set`);
      await becomes(false, commanded);
      await next('Let the remote controllers of an account belong');
      await becomes(true, commanded);
      await query(
        'operator',
        `UPDATE dockhook_accounts SET value = (value::jsonb #- '{value,organizationId}')::text WHERE key = 'rc-north'`,
      );
      await becomes(false, commanded);
      await query('operator', `DELETE FROM dockhook_bindings WHERE key = '${drone}'`);
      await next('Unbind it');
      await until(async () => (await status()).includes('"is_device_bind_organization":false'));
    });

    it('what the version before cannot read is taken out, and nothing else', async () => {
      const client = await ask('emqx_u');
      const device = { device_binding_code: 'mnpqr-stuvw', organization_id: 'north', sn: GATEWAY };
      await client.request('airport_organization_bind', { bind_devices: [device] });
      await dockhook(['account', 'add', 'backend', '--service', '--client-id', 'backend', '--generate']);
      await dockhook(['account', 'set', 'rc-north', '--organization', 'north']);
      const values = async (table: string): Promise<Record<string, Record<string, unknown>>> => {
        const rows = await query('operator', `SELECT key, value::jsonb -> 'value' AS value FROM ${table}`);
        return Object.fromEntries(
          rows.map(({ key, value }) => [String(key), value as Record<string, unknown>]),
        );
      };
      const [bound, accounts] = [await values('dockhook_bindings'), await values('dockhook_accounts')];
      const { account, ...binding } = bound[GATEWAY] ?? {};
      expect(account).to.equal('emqx_u');
      const { clientIds, ...scope } = accounts['backend']?.['scope'] as Record<string, unknown>;
      expect(clientIds).to.deep.equal(['backend']);
      const { organizationId, ...controller } = accounts['rc-north'] ?? {};
      expect(organizationId).to.equal('north');
      await next('go back to 0.1.0');
      expect(await values('dockhook_bindings')).to.deep.equal({ [GATEWAY]: binding });
      const left = {
        ...accounts,
        backend: { ...accounts['backend'], scope },
        'rc-north': controller,
      };
      expect(await values('dockhook_accounts')).to.deep.equal(left);
    });

    it('and there is no other statement in it', () => {
      expect(done).to.have.length(statements.length);
      expect(statements).to.have.length(read('README.md').split('```sql').length - 1);
    });
  });
});

describeWithOwnPostgres('PostgreSQL with the tables in a schema of their own', function () {
  this.timeout(60_000);
  const schema = 'Drone-Yard';
  let postgres: TestPostgres;
  let server: Running;
  let asker: Asker;
  const environmentOf = (role: string): Record<string, string> => {
    const url = new URL(postgres.url);
    url.username = `dockhook_${role}`;
    return { DATABASE_URL: url.href, DOCKHOOK_DATABASE_SCHEMA: schema, ...FREE_PORTS };
  };

  before(async () => {
    postgres = await startPostgres();
    // Both files in one session, as psql runs them.
    await postgres.query(`SET dockhook.schema = '${schema}'; ${read('schema.sql')}; ${read('roles.sql')}`);
    server = startCommand(['serve'], { environment: environmentOf('server') });
  });
  after(async () => {
    asker.close();
    await server.stop('SIGKILL');
    await postgres.stop();
  });

  it('serves docks, takes commands and satisfies the doctor, all with roles of least rights', async () => {
    const { grpc, database } = await server.event('ready');
    expect(database).to.include(`schema ${schema}`);
    const add = ['--json', 'account', 'add', 'dock', '--gateway', GATEWAY, '--generate'];
    const { stdout } = await run(add, { environment: environmentOf('operator') });
    asker = await connectAsker(String(grpc), { username: 'dock', clientId: GATEWAY });
    const { password } = JSON.parse(stdout) as Record<string, string>;
    expect(await asker.authenticate(password ?? '')).to.equal(true);
    const doctor = await run(['--json', 'doctor'], { environment: environmentOf('operator') });
    const findings = JSON.parse(doctor.stdout) as { level: string; code: string }[];
    expect(findings.find(({ code }) => code === 'database_rights')).to.have.property('level', 'ok');
    expect(findings.find(({ code }) => code === 'tables')).to.have.property('level', 'ok');
    expect(await postgres.query(`SELECT FROM pg_tables WHERE schemaname = 'public'`)).to.deep.equal([]);
  });

  it('hears of changed accounts', async () => {
    await server.event('changes_heard');
  });
});
