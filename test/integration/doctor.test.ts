/** `dockhook doctor` as a process, on installations with one fault each, and on a sound one. */
import { expect } from 'chai';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finding } from '../../src/finding.js';
import { startBroker } from '../../src/trial-broker/broker.js';
import { startBareBroker, startSilentServer, startTlsProxy } from '../support/bare-broker.js';
import { certificateDirectories } from '../support/certificates.js';
import { run, startCommand, type Result, type Running } from '../support/cli.js';
import { expectComplete, fixOf, found, troubles } from '../support/findings.js';
import { freePorts } from '../support/haproxy.js';
import {
  describeWithPostgres,
  freshDatabase,
  TEST_PASSWORD,
  type TestDatabase,
} from '../support/postgres.js';

const LICENSE = {
  app_id: '166400',
  app_key: '0a1b2c3d4e5f60718293a4b5c6d7e8f9',
  app_license: `${'Zm9vYmFy'.repeat(20)}==`,
};
const SECRETS = [LICENSE.app_key, LICENSE.app_license, TEST_PASSWORD];

/** Where nothing listens. */
const NOWHERE = { DOCKHOOK_GRPC_LISTEN: '127.0.0.1:1', DOCKHOOK_HTTP_LISTEN: '127.0.0.1:1' };

/** Runs it with --json; nothing secret may be in what it says. */
async function doctor(
  environment: Record<string, string>,
  args: string[] = [],
  input = '',
): Promise<{
  code: number | null;
  findings: Finding[];
}> {
  const { code, stdout, stderr } = await run(['--json', 'doctor', ...args], { environment, input });
  expect(stderr).to.equal('');
  for (const secret of [...SECRETS, ...(input ? [input] : [])]) expect(stdout).not.to.include(secret);
  const findings = JSON.parse(stdout) as Finding[];
  expectComplete(findings);
  expect(code).to.equal(findings.some(({ level }) => level === 'error') ? 1 : 0);
  return { code, findings };
}

/** Without what is said of the server, where none runs. */
const ofData = (findings: Finding[]): string[] =>
  troubles(findings).filter((trouble) => !/(grpc|http)_unreachable/.test(trouble));

describe('doctor without a database', function () {
  this.timeout(120_000);
  let cwd: string;
  before(() => {
    cwd = mkdtempSync(join(tmpdir(), 'dockhook-doctor-'));
  });
  after(() => {
    rmSync(cwd, { recursive: true });
  });

  it('looks at no other schema if the name of the schema cannot be used', async () => {
    const { findings } = await doctor({
      ...NOWHERE,
      DATABASE_URL: 'postgres://u@127.0.0.1:1/d',
      DOCKHOOK_DATABASE_SCHEMA: 'no"schema',
    });
    expect(found(findings, 'not_checked').what).to.include('the database');
    expect(findings.map(({ code }) => code)).to.not.include('database_unreachable');
  });

  it('says that there is none, makes none, and goes on', async () => {
    const { code, stdout } = await run(['doctor'], {
      cwd,
      environment: NOWHERE,
    });
    expect(code).to.equal(1);
    expect(stdout).to.match(
      /^Settings\n {2}✓ the settings can be used\n\nDatabase\n {2}✗ there is no database in \.\/\.dockhook\n {4}why {2}.*\n {4}fix {2}set DATABASE_URL/,
    );
    expect(stdout).to.match(/\nServer\n {2}✗ no ExHook server .*\n3 errors, 0 warnings, 1 fine\n$/s);
    expect(stdout).not.to.include('\u001b');
    expect(readdirSync(cwd)).to.deep.equal([]);
  });

  it('goes on if the database does not answer', async () => {
    const { findings } = await doctor({
      ...NOWHERE,
      DATABASE_URL: 'postgres://u:the-secret@127.0.0.1:1/d',
    });
    expect(troubles(findings)).to.include.members(['error database_unreachable', 'error http_unreachable']);
    const finding = found(findings, 'database_unreachable');
    expect(finding.what).to.include('127.0.0.1:1/d').and.not.include('the-secret');
    expect(fixOf(finding)).to.equal('check that PostgreSQL runs at the host and port of DATABASE_URL');
  });

  it('lists each setting that cannot be used, looks in no database that may be the wrong one, and goes on', async () => {
    const { findings } = await doctor({
      ...NOWHERE,
      DATABASE_URL_FILE: join(cwd, 'absent'),
      DOCKHOOK_GRPC_TLS_CERT: join(cwd, 'absent.pem'),
      DOCKHOOK_HTTP_LISTEN: 'nonsense',
    });
    const settings = findings
      .filter(({ code }) => code === 'settings_unusable')
      .map(({ what }) => what.split(':')[0]);
    expect(settings).to.deep.equal(['DATABASE_URL_FILE', 'DOCKHOOK_GRPC_TLS_CERT', 'DOCKHOOK_HTTP_LISTEN']);
    expect(found(findings, 'not_checked').what).to.include('the database');
    expect(troubles(findings)).to.include('error grpc_unreachable').and.not.include('error http_unreachable');
  });

  const unusable: [string, string[]][] = [
    ['a broker without --probe', ['--broker', 'mqtt://127.0.0.1']],
    ['--probe without a broker', ['--probe']],
    ['a broker that is none', ['--probe', '--broker', 'http://127.0.0.1']],
    ['an account without an SN', ['--probe', '--broker', 'mqtt://h', '--username', 'u', '--password-stdin']],
    ['a version of MQTT that is none', ['--probe', '--broker', 'mqtt://h', '--mqtt', '4']],
    ['a CA that cannot be read', ['--probe', '--broker', 'mqtts://h', '--ca', '/absent']],
    ['a certificate without its key', ['--probe', '--broker', 'mqtts://h', '--cert', '/absent']],
  ];
  for (const [what, args] of unusable) {
    it(`refuses ${what}`, async () => {
      const { code, stdout } = await run(['doctor', ...args], { cwd, input: 'password' });
      expect(code).to.equal(2);
      expect(stdout).to.equal('');
    });
  }
});

describeWithPostgres('doctor', function () {
  this.timeout(120_000);
  const { make } = certificateDirectories();
  let database: TestDatabase;
  let environment: Record<string, string>;
  const cleanUps: (() => Promise<unknown>)[] = [];

  before(async () => {
    database = await freshDatabase();
    cleanUps.push(() => database.drop());
    const [grpc, http] = await freePorts(2);
    environment = {
      DATABASE_URL: database.url,
      DOCKHOOK_GRPC_LISTEN: `127.0.0.1:${grpc}`,
      DOCKHOOK_HTTP_LISTEN: `127.0.0.1:${http}`,
    };
  });
  after(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  const command = async (args: string[], input = ''): Promise<Result> => {
    const result = await run(args, { environment, input });
    expect(result.code, result.stderr).to.equal(0);
    return result;
  };
  const accounts = async (): Promise<unknown[]> =>
    (await database.query('SELECT key FROM dockhook_accounts ORDER BY key')).map(({ key }) => key);

  it('misses the tables on an empty database, and makes none', async () => {
    const { findings } = await doctor(environment);
    expect(ofData(findings)).to.deep.equal(['error tables_missing']);
    expect(found(findings, 'tables_missing').why).to.include('never started');
    expect(await database.query("SELECT FROM pg_tables WHERE schemaname = 'public'")).to.deep.equal([]);
  });

  describe('with a server', () => {
    let server: Running;
    let broker: { port: number };

    before(async () => {
      server = startCommand(['serve'], { environment });
      cleanUps.push(() => server.stop('SIGKILL'));
      await server.event('ready');
      const exhook = environment['DOCKHOOK_GRPC_LISTEN'] ?? '';
      const started = await startBroker({ listen: { host: '127.0.0.1', port: 0 }, exhook });
      broker = started;
      cleanUps.push(() => started.close());
    });

    it('misses license, organization and account before they are there', async () => {
      const { findings } = await doctor(environment);
      expect(troubles(findings)).to.deep.equal([
        'error license_missing',
        'error organizations_none',
        'error accounts_no_dock',
      ]);
    });

    it('is content once they are, and proves it through the broker, with accounts that go again', async () => {
      await command(['license', 'set', '-'], JSON.stringify(LICENSE));
      await command(['organization', 'add', 'north', '--name', 'North yard']);
      await command(['account', 'add', 'dock-1', '--gateway', '7CTDTEST00000A', '--generate']);
      const { findings } = await doctor(environment, [
        '--probe',
        '--broker',
        `tcp://127.0.0.1:${broker.port}`,
      ]);
      // There is no backend.
      expect(troubles(findings)).to.deep.equal(['warning probe_update_topo_unanswered']);
      expect(findings.map(({ code }) => code)).to.include.members(['probe_reply', 'probe_anonymous_refused']);
      expect(await accounts()).to.deep.equal(['dock-1']);
    });

    it("probes with the operator's account, over TLS, and judges the certificate", async () => {
      const added = await command([
        '--json',
        'account',
        'add',
        'dock-2',
        '--client-id-is-gateway',
        '--generate',
      ]);
      const { password } = JSON.parse(added.stdout) as { password: string };
      const directory = make();
      const file = (name: string): string => join(directory, name);
      const proxy = await startTlsProxy(broker.port, {
        cert: readFileSync(file('mqtt/broker.pem')),
        key: readFileSync(file('mqtt/broker.key')),
      });
      cleanUps.push(() => proxy.close());
      const url = `mqtts://127.0.0.1:${proxy.port}`;
      const own = [
        '--username',
        'dock-2',
        '--password-stdin',
        '--gateway',
        '7CTDTEST00000B',
        '--timeout',
        '1',
      ];
      const { findings } = await doctor(
        environment,
        ['--probe', '--broker', url, '--ca', file('mqtt/ca.pem'), ...own],
        password,
      );
      expect(troubles(findings)).to.have.members([
        'warning account_client_id',
        'warning mqtt_certificate_issuer',
        'warning probe_publish_unproven',
      ]);
      const untrusted = await doctor(environment, ['--probe', '--broker', url, ...own], password);
      expect(found(untrusted.findings, 'probe_unreachable').what).to.match(
        /CA that is not trusted here .*--ca FILE/,
      );
      await command(['account', 'remove', 'dock-2']);
    });

    it('exits with 1 for an open broker', async () => {
      const open = await startBareBroker();
      cleanUps.push(() => open.close());
      const at = ['--probe', '--broker', `mqtt://127.0.0.1:${open.port}`, '--timeout', '2'];
      const { code, findings } = await doctor(environment, at);
      expect(code).to.equal(1);
      expect(troubles(findings)).to.include.members([
        'error probe_anonymous_accepted',
        'error probe_no_reply',
      ]);
      expect(await accounts()).to.deep.equal(['dock-1']);
    });

    it('removes the accounts of the probe when it is interrupted', async () => {
      const silent = await startSilentServer();
      cleanUps.push(() => silent.close());
      const broker = `mqtt://127.0.0.1:${silent.port}`;
      const running = startCommand(['doctor', '--probe', '--broker', broker, '--timeout', '600'], {
        environment,
      });
      await silent.connected;
      expect(await accounts()).to.have.length(3);
      expect(await running.stop('SIGINT')).to.equal(1);
      expect(running.stderr()).to.equal('error: stopped by SIGINT\n');
      expect(await accounts()).to.deep.equal(['dock-1']);
    });

    it('names a row that cannot be used, and shows the rest', async () => {
      const bad = { value: { passwordHash: '$argon2id$the-hash', scope: { kind: 'any' } } };
      await database.query('INSERT INTO dockhook_accounts (key, value) VALUES ($1, $2)', [
        'odd',
        JSON.stringify(bad),
      ]);
      const { findings } = await doctor(environment);
      await database.query("DELETE FROM dockhook_accounts WHERE key = 'odd'");
      expect(troubles(findings)).to.deep.equal(['error bad_row']);
      expect(found(findings, 'bad_row').what).to.include('account "odd"').and.not.include('the-hash');
      expect(found(findings, 'accounts').what).to.match(/^1 account/);
    });

    it('sees that nobody is told of changed accounts', async () => {
      await database.query('ALTER TABLE dockhook_accounts DISABLE TRIGGER dockhook_changed');
      const { findings } = await doctor(environment);
      await database.query('ALTER TABLE dockhook_accounts ENABLE ALWAYS TRIGGER dockhook_changed');
      expect(troubles(findings)).to.deep.equal(['warning change_triggers']);
      expect(found(findings, 'change_triggers').what).to.include('dockhook_accounts lacks dockhook_changed');
    });

    it('sees what a table that was made by hand lacks', async () => {
      await database.query(
        'ALTER TABLE dockhook_organizations DROP CONSTRAINT dockhook_organizations_binding_code_key',
      );
      await database.query('DROP INDEX dockhook_accounts_gateways');
      const { findings } = await doctor(environment);
      expect(troubles(findings)).to.deep.equal(['error tables_unsound']);
      expect(found(findings, 'tables_unsound').what)
        .to.include('dockhook_organizations lacks its UNIQUE constraint')
        .and.include('dockhook_accounts lacks the index dockhook_accounts_gateways');
    });

    it('sees that the database can only be read, or that its role may not write', async () => {
      const name = `reader_${database.url.split('_').at(-1) ?? ''}`;
      await database.query(`CREATE ROLE ${name} LOGIN`);
      await database.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${name}`);
      const url = new URL(database.url);
      url.username = name;
      const reader = await doctor({ ...environment, DATABASE_URL: url.href });
      await database.query(`ALTER ROLE ${name} SET default_transaction_read_only = on`);
      const readOnly = await doctor({ ...environment, DATABASE_URL: url.href });
      await database.query(`DROP OWNED BY ${name}`);
      await database.query(`DROP ROLE ${name}`);
      const rights = reader.findings.filter(({ code }) => code === 'database_rights');
      expect(rights.map(fixOf)).to.include(
        `run deploy/postgres/roles.sql, or as the owner of the table: GRANT INSERT, UPDATE ON public.dockhook_bindings TO ${name}`,
      );
      expect(troubles(readOnly.findings)).to.include('error database_read_only');
      // pg does not know the parameter.
      expect(fixOf(found(readOnly.findings, 'database_read_only'))).to.not.include('target_session_attrs');
    });

    it('looks at the certificate of the broker that it is given', async () => {
      const directory = make();
      writeFileSync(join(directory, 'none.pem'), 'nothing');
      const { findings } = await doctor(environment, ['--mqtt-tls-cert', join(directory, 'none.pem')]);
      expect(troubles(findings)).to.include('error mqtt_certificate_unreadable');
    });
  });
});
