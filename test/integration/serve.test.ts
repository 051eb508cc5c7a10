/** `dockhook serve`: from the gRPC frame to the row in Postgres and back, as a process. */
import { expect } from 'chai';
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBroker, type Broker } from '../../src/trial-broker/broker.js';
import { simulateDock, type Session } from '../../src/simulator/simulated-dock.js';
import { run, startCommand, type Running } from '../support/cli.js';
import { freePorts } from '../support/haproxy.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';
import { until } from '../support/until.js';

const GATEWAY = '7CTDTEST00000A';
const DRONE = '1581FTEST000000000AA';
const LICENSE = { app_id: '166400', app_key: 'key-in-the-test', app_license: 'license-in-the-test' };
const FREE_PORTS = { DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0', DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0' };

const get = async (address: unknown, path: string): Promise<{ status: number; text: string }> => {
  const response = await fetch(`http://${String(address)}${path}`);
  return { status: response.status, text: await response.text() };
};

describeWithPostgres('serve on PostgreSQL', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let environment: Record<string, string>;
  let server: Running;
  let ready: Record<string, unknown>;
  let broker: Broker;
  const cleanUps: (() => Promise<unknown>)[] = [];
  let password: string;
  let bindingCode: string;

  const json = async (...args: string[]): Promise<Record<string, string>> => {
    const result = await run(['--json', ...args], { environment });
    expect(result.code, result.stderr).to.equal(0);
    return JSON.parse(result.stdout) as Record<string, string>;
  };

  const dockOnline = (more: { password?: string } = {}): Promise<Session> =>
    simulateDock({
      url: `mqtt://127.0.0.1:${broker.port}`,
      username: 'dock-1',
      password,
      gateway: GATEWAY,
      drone: DRONE,
      organizationId: 'north',
      bindingCode,
      onStep: () => undefined,
      ...more,
    });

  before(async () => {
    database = await freshDatabase();
    cleanUps.push(() => database.drop());
    environment = { ...FREE_PORTS, DATABASE_URL: database.url };
    server = startCommand(['serve'], { environment });
    cleanUps.push(() => server.stop('SIGKILL'));
    ready = await server.event('ready');
    broker = await startBroker({ listen: { host: '127.0.0.1', port: 0 }, exhook: String(ready['grpc']) });
    cleanUps.push(() => broker.close());
    password = (await json('account', 'add', 'dock-1', '--gateway', GATEWAY, '--generate'))['password'] ?? '';
    bindingCode = (await json('organization', 'add', 'north', '--name', 'North yard'))['bindingCode'] ?? '';
    const license = await run(['license', 'set', '-'], { environment, input: JSON.stringify(LICENSE) });
    expect(license.code, license.stderr).to.equal(0);
  });
  after(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  it('brings a dock and its drone online, and has their bindings in Postgres', async () => {
    const session = await dockOnline();
    await session.close();
    const rows = await database.query('SELECT key, value FROM dockhook_bindings ORDER BY key');
    expect(rows.map(({ key }) => key)).to.deep.equal([DRONE, GATEWAY]);
    const { value } = JSON.parse(String(rows[1]?.['value'])) as { value: unknown };
    expect(value).to.include({ organizationId: 'north', gateway: GATEWAY, modelKey: '3-3-0' });
  });

  it('refuses a wrong password', async () => {
    const error = await dockOnline({ password: 'wrong' }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error)
      .to.be.instanceOf(Error)
      .with.property('message')
      .that.matches(/password/);
  });

  it('refuses an account that plain SQL has disabled, at its next connect', async () => {
    const set = (disabled: boolean): Promise<unknown> =>
      database.query(
        `UPDATE dockhook_accounts SET value = jsonb_set(value::jsonb, '{value,disabled}', $1::jsonb)::text WHERE key = 'dock-1'`,
        [String(disabled)],
      );
    /** A change is in force once PostgreSQL has told of it, some milliseconds after its commit. */
    const comesOnline = async (expected: boolean): Promise<void> => {
      for (;;) {
        const session = await dockOnline().catch(() => undefined);
        await session?.close();
        if ((session !== undefined) === expected) return;
      }
    };
    await set(true);
    await comesOnline(false);
    expect(await dockOnline().catch((error: unknown) => error), 'for good').to.be.instanceOf(Error);
    await set(false);
    await comesOnline(true);
  });

  it('logs one line for each refusal and step, with account and SN and no secret', () => {
    const log = server.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(
      log.find(({ event, reason }) => event === 'authenticate' && reason === 'wrong_password'),
    ).to.include({
      level: 'warn',
      account: 'dock-1',
      outcome: 'refused',
    });
    expect(log.find(({ event }) => event === 'broker_connected')).to.include({ version: '5.10.4' });
    expect(log.find(({ event }) => event === 'disconnected')).to.include({
      account: 'dock-1',
      level: 'info',
    });
    const { database: named } = log.find(({ event }) => event === 'ready') ?? {};
    expect(named).to.match(/^PostgreSQL at 127.0.0.1:\d+\/\w+$/);
    for (const method of [
      'config',
      'airport_bind_status',
      'airport_organization_get',
      'airport_organization_bind',
    ]) {
      expect(log.find((line) => line['method'] === method)).to.include({
        event: 'request',
        gateway: GATEWAY,
        result: 0,
      });
    }
    expect(log.filter(({ event }) => event === 'bind').map(({ sn }) => sn)).to.include.members([
      GATEWAY,
      DRONE,
    ]);
    const everything = server.lines.join('\n') + server.stderr();
    for (const secret of [password, bindingCode, LICENSE.app_key, LICENSE.app_license]) {
      expect(everything).to.not.include(secret);
    }
  });

  it('answers /healthz and /readyz, and counts in /metrics', async () => {
    expect(await get(ready['http'], '/healthz')).to.deep.equal({ status: 200, text: 'ok\n' });
    expect((await get(ready['http'], '/readyz')).status).to.equal(200);
    expect((await get(ready['http'], '/nothing')).status).to.equal(404);
    const { text } = await get(ready['http'], '/metrics');
    for (const line of [
      /^dockhook_calls_total\{hook="client.authenticate",outcome="allow"\} [1-9]/m,
      /^dockhook_calls_total\{hook="client.authenticate",outcome="deny"\} [1-9]/m,
      /^dockhook_call_seconds_count\{hook="message.publish"\} [1-9]/m,
      /^dockhook_replies_total\{method="config",result="0"\} [1-9]/m,
      /^dockhook_bind_devices_total\{result="0"\} 2$/m,
      /^dockhook_events_total\{step="authenticate",outcome="refused",reason="wrong_password"\} 1$/m,
      /^dockhook_store_seconds_count\{table="dockhook_accounts",operation="get"\} [1-9]/m,
    ]) {
      expect(text).to.match(line);
    }
    expect(text).to.not.include('dock-1').and.to.not.include(GATEWAY);
  });

  it('refuses a port that is taken, naming it', async () => {
    const result = await run(['serve'], {
      environment: { ...environment, DOCKHOOK_GRPC_LISTEN: String(ready['grpc']) },
    });
    expect(result.code).to.equal(2);
    expect(result.stderr).to.include(String(ready['grpc'])).and.to.include('DOCKHOOK_GRPC_LISTEN');
  });

  it('drains on SIGTERM: /readyz says 503 while calls are still answered, then it ends with 0', async () => {
    const stopped = server.stop('SIGTERM');
    await server.event('stopping');
    expect((await get(ready['http'], '/readyz')).status).to.equal(503);
    expect((await get(ready['http'], '/healthz')).status).to.equal(200);
    await (await dockOnline()).close();
    expect(await stopped).to.equal(0);
    expect(server.lines.at(-1)).to.include('"event":"stopped"');
  });
});

describe('serve without its database', function () {
  this.timeout(20_000);

  it('listens at once, is alive and not ready, says why, and ends when told', async () => {
    const environment = { ...FREE_PORTS, DATABASE_URL: 'postgres://nobody:the-secret@127.0.0.1:1/none' };
    const server = startCommand(['serve'], { environment });
    const listening = await server.event('listening');
    await server.event('store_unavailable');
    expect((await get(listening['http'], '/healthz')).status).to.equal(200);
    expect((await get(listening['http'], '/readyz')).status).to.equal(503);
    expect(await server.stop('SIGINT')).to.equal(0);
    expect(server.lines.join('\n')).to.not.include('the-secret').and.to.not.include('"event":"ready"');
  });
});

describe('serve with a log that cannot be written', function () {
  this.timeout(20_000);

  it('goes on serving, and ends when told', async function () {
    // Linux has a file that is always full.
    if (!existsSync('/dev/full')) this.skip();
    const [port = 0] = await freePorts(1);
    const environment = { ...FREE_PORTS, DOCKHOOK_HTTP_LISTEN: `127.0.0.1:${port}` };
    const full = openSync('/dev/full', 'w');
    const server = startCommand(['serve'], {
      environment: { ...environment, DATABASE_URL: 'postgres://127.0.0.1:1/none' },
      stdout: full,
    });
    try {
      const alive = async (): Promise<boolean> =>
        fetch(`http://127.0.0.1:${port}/healthz`).then(
          ({ ok }) => ok,
          () => false,
        );
      await until(alive);
      // It has logged by now that it listens, and that its database is away.
      expect(await alive()).to.equal(true);
      expect(await server.stop('SIGTERM')).to.equal(0);
    } finally {
      await server.stop('SIGKILL');
      closeSync(full);
    }
  });
});

describe('serve on the embedded database', function () {
  this.timeout(120_000);
  let directory: string;
  let server: Running | undefined;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'dockhook-serve-'));
  });
  after(async () => {
    await server?.stop('SIGKILL');
    rmSync(directory, { recursive: true });
  });

  it('refuses a second server, and lets commands work meanwhile', async () => {
    const environment = { ...FREE_PORTS, DOCKHOOK_DATA_DIR: directory };
    server = startCommand(['serve'], { environment });
    await server.event('ready');

    const second = await run(['serve'], { environment });
    expect(second.code).to.equal(1);
    expect(second.stderr)
      .to.include(directory)
      .and.to.include('dockhook serve')
      .and.to.include(String(server.pid));

    expect(
      (await run(['account', 'add', 'a', '--any-gateway', '--generate'], { environment })).code,
    ).to.equal(0);
    expect((await run(['account', 'list'], { environment })).stdout).to.match(/^a +enabled/m);

    expect(await server.stop('SIGINT')).to.equal(0);
    expect(readdirSync(directory)).to.deep.equal(['postgres']);
  });
});
