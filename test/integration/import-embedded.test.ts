/** `account import` into the embedded database, beside the server that holds it. */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBroker, type Broker } from '../../src/trial-broker/broker.js';
import { run, startCommand, type Running } from '../support/cli.js';
import { connackCode } from '../support/mqtt.js';

describe('account import beside a server on the embedded database', function () {
  this.timeout(120_000);
  let directory: string;
  let environment: Record<string, string>;
  let server: Running;
  let broker: Broker;
  let password: string;
  const cleanUps: (() => unknown)[] = [];

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'dockhook-import-'));
    cleanUps.push(() => {
      rmSync(directory, { recursive: true });
    });
    environment = {
      DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0',
      DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0',
      DOCKHOOK_DATA_DIR: join(directory, 'data'),
    };
    server = startCommand(['serve'], { environment });
    cleanUps.push(() => server.stop('SIGKILL'));
    const { grpc } = await server.event('ready');
    broker = await startBroker({ listen: { host: '127.0.0.1', port: 0 }, exhook: String(grpc) });
    cleanUps.push(() => broker.close());
    const added = await run(['--json', 'account', 'add', 'dock-1', '--gateway', 'SN1', '--generate'], {
      environment,
    });
    ({ password } = JSON.parse(added.stdout) as { password: string });
  });
  after(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  const login = (): Promise<number> =>
    connackCode(`mqtt://127.0.0.1:${broker.port}`, { username: 'dock-1', password, clientId: 'SN1' });

  it('lets docks in for as long as the input pauses', async () => {
    const rows = Array.from({ length: 25_000 }, (_, i) => `new-${i},NEW${i}\n`).join('');
    const importing = startCommand(['account', 'import', '-'], { environment });
    cleanUps.push(() => importing.stop('SIGKILL'));
    await new Promise((resolve) => importing.stdin.write(`name,gateways\n${rows}`, resolve));
    // The import has taken in most of it, and has time to do with that whatever it does.
    for (let i = 0; i < 20; i += 1) {
      expect(await login(), `login ${i}`).to.equal(0);
      await sleep(100);
    }
    expect(importing.stderr(), 'the database was not asked for anything').to.equal('');
    importing.stdin.end();
    expect(await importing.stop('SIGCONT'), importing.stderr()).to.equal(0);
    expect(importing.stderr()).to.include('25,000 accounts imported');
    expect(importing.lines).to.have.length(25_001);
    expect(await login(), 'afterwards').to.equal(0);
  });
});
