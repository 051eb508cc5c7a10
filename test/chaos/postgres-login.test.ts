/**
 * PostgreSQL lets the server in no more, or not as often as it wants, while clients come. The server under test is a
 * process of its own, so that its death, or that it does not end, would show.
 */
import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAsker, type Asker } from '../support/asker.js';
import { run, startCommand, type Running } from '../support/cli.js';
import { setAccess, strangers, strangersGone } from '../support/postgres-access.js';
import { describeWithOwnPostgres, startPostgres, type TestPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';

const GATEWAY = '7CTDTEST00000A';
const FREE_PORTS = { DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0', DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0' };

describeWithOwnPostgres('while Postgres refuses to let the server in', function () {
  this.timeout(60_000);
  let postgres: TestPostgres;
  let directory: string;
  let server: Running;
  let dock: Asker;
  let password: string;
  let bindingCode: string;

  function urlOf(rolePassword: string): string {
    const url = new URL(postgres.url);
    url.username = 'dockhook';
    url.password = rolePassword;
    return url.href;
  }

  const file = (): string => join(directory, 'database-url');
  const get = async (path: string): Promise<[number, string]> => {
    const { http } = await server.event('listening');
    const response = await fetch(`http://${String(http)}${path}`);
    return [response.status, await response.text()];
  };
  const serve = async (environment: Record<string, string>): Promise<void> => {
    server = startCommand(['serve'], { environment: { ...FREE_PORTS, ...environment } });
    const { grpc } = await server.event('listening');
    dock = await connectAsker(String(grpc), { username: 'dock', clientId: GATEWAY });
  };
  const end = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> => {
    dock.close();
    return server.stop(signal);
  };
  const leave = () =>
    postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'dockhook'");

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'dockhook-login-'));
    postgres = await startPostgres();
    await postgres.query("CREATE ROLE dockhook LOGIN PASSWORD 'first'");
    await postgres.query('GRANT CREATE ON SCHEMA public TO dockhook');
    await setAccess(postgres, 'host all all 127.0.0.1/32 scram-sha-256');
    const json = async (...args: string[]): Promise<Record<string, string>> => {
      const { stdout } = await run(['--json', ...args], { environment: { DATABASE_URL: urlOf('first') } });
      return JSON.parse(stdout) as Record<string, string>;
    };
    password = (await json('account', 'add', 'dock', '--gateway', GATEWAY, '--generate'))['password'] ?? '';
    bindingCode = (await json('organization', 'add', 'north', '--name', 'North'))['bindingCode'] ?? '';
  });
  after(async () => {
    await postgres.stop();
    rmSync(directory, { recursive: true });
  });

  it('strangers use up none of its connections though there is no password, and the server ends when told', async () => {
    await serve({ DATABASE_URL: urlOf('') });
    const { grpc } = await server.event('listening');
    const come = async (number: number): Promise<void> => {
      const stranger = await connectAsker(String(grpc), { username: `stranger-${number}`, clientId: 'x' });
      for (let round = 0; round < 20; round += 1) expect(await stranger.authenticate('x')).to.equal(false);
      stranger.close();
    };
    await Promise.all(Array.from({ length: 10 }, (_, number) => come(number)));
    // No more than are being made; PostgreSQL itself would keep each of the 200 for a minute.
    expect(strangers(postgres)).to.be.lessThan(50);
    const [status, why] = await get('/readyz');
    expect(status).to.equal(503);
    expect(why).to.include('DATABASE_URL has none').and.include('postgres://USER:PASSWORD@HOST');
    const said = server.lines.filter((line) => /"event":"(database_refuses|store_refused)"/.test(line));
    expect(said).to.have.length(1);
    expect(said[0]).to.include('write it into DATABASE_URL: postgres://USER:PASSWORD@HOST:5432/DATABASE');
    expect(await end('SIGTERM')).to.equal(0);
    await strangersGone(postgres);
  });

  it('a command without a password ends at once, and says what is missing', async () => {
    const environment = { DATABASE_URL: urlOf('') };
    for (const args of [['organization', 'list'], ['doctor']]) {
      const { code, stdout, stderr } = await run(['--json', ...args], { environment });
      expect(code).to.equal(1);
      expect(stdout + stderr).to.include('write it into DATABASE_URL: postgres://USER:PASSWORD@HOST:5432');
    }
    await strangersGone(postgres);
  });

  it('three connections are enough for 80 binds, 8 at once', async () => {
    await postgres.query('ALTER ROLE dockhook CONNECTION LIMIT 3');
    await serve({ DATABASE_URL: urlOf('first') });
    await server.event('ready');
    const bind = (sn: string) =>
      dock.request('airport_organization_bind', {
        bind_devices: [{ sn, device_binding_code: bindingCode, organization_id: 'north' }],
      });
    const bindTen = async (worker: number): Promise<void> => {
      for (let number = 0; number < 10; number += 1) {
        // Two devices a worker: a gateway may not bind many different ones.
        const sn = `1581FTEST0000000${worker}${number % 2}`;
        expect(await bind(sn)).to.deep.equal({ result: 0, output: { err_infos: [{ sn, err_code: 0 }] } });
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, worker) => bindTen(worker)));
    expect(server.lines.join('\n')).to.not.include('database_away');
    expect(strangers(postgres)).to.be.at.most(3);
    await end();
    await postgres.query('ALTER ROLE dockhook CONNECTION LIMIT -1');
  });

  it('a password that was changed is taken from the file, also if the file comes late; until then /readyz says so', async () => {
    writeFileSync(file(), urlOf('first'));
    await serve({ DATABASE_URL_FILE: file() });
    await server.event('ready');
    // What the server knows by heart it would answer without asking.
    const isIn = (): Promise<boolean> => dock.authenticate(password);
    while (!(await isIn()));
    await postgres.query("ALTER ROLE dockhook PASSWORD 'second'");
    await leave();
    await until(async () => !(await isIn()));
    let said = await get('/readyz');
    await until(async () => {
      said = await get('/readyz');
      return said[1] !== 'ready\n';
    });
    expect(said).to.match(/^200,ready: the database has refused .* password authentication failed/);
    writeFileSync(file(), urlOf('second'));
    while (!(await isIn()));
    expect(await get('/readyz')).to.deep.equal([200, 'ready\n']);
    await server.event('database_url_reloaded');
    // The file first, and then the password.
    writeFileSync(file(), urlOf('third'));
    await postgres.query("ALTER ROLE dockhook PASSWORD 'third'");
    await leave();
    while (!(await isIn()));
    const text = server.lines.join('\n') + server.stderr();
    for (const secret of ['second', 'third']) expect(text).to.not.include(`:${secret}@`);
    await end();
  });
});
