/** `deploy/emqx/haproxy.cfg` in a real HAProxy, before a stand-in for EMQX: nobody gets through before its hooks. */
import { expect } from 'chai';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { providerSettings } from '../../src/emqx/provider.js';
import { API_KEY, API_SECRET, startEmqxRest, type FakeEmqx } from '../support/emqx-rest.js';
import { describeWithHaproxy, freePorts } from '../support/haproxy.js';

const SHIPPED = readFileSync(new URL('../../deploy/emqx/haproxy.cfg', import.meta.url), 'utf8');
const GREETING = 'from the listener';
const NODE = 'emqx@127.0.0.1';

describeWithHaproxy('HAProxy before an EMQX whose listeners are open from the start', function () {
  this.timeout(20_000);
  let emqx: FakeEmqx;
  let listener: Server;
  let haproxy: ChildProcess;
  let exit: Promise<unknown>;
  let directory: string;
  let file: string;
  let port: number;
  /** Ends loops of a test that failed. */
  let isOver: boolean;
  beforeEach(async () => {
    isOver = false;
    directory = mkdtempSync(join(tmpdir(), 'dockhook-haproxy-'));
    file = join(directory, 'haproxy.cfg');
    emqx = await startEmqxRest();
    emqx.state.providers = [{ ...providerSettings({}), enable: true }];
    listener = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end(GREETING);
    }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    [port = 0] = await freePorts(1);
  });
  afterEach(async () => {
    isOver = true;
    haproxy.kill('SIGKILL');
    await exit;
    rmSync(directory, { recursive: true });
    listener.close();
    await emqx.close();
  });

  /** Starts it; resolves when it has checked at least once. */
  async function start(basic = Buffer.from(`${API_KEY}:${API_SECRET}`).toString('base64')): Promise<void> {
    const replacements: [shipped: string, ours: string][] = [
      ['bind :1883', `bind 127.0.0.1:${port}`],
      ['server node 127.0.0.1:18831', `server node 127.0.0.1:${(listener.address() as AddressInfo).port}`],
      ['addr 127.0.0.1 port 18083', `addr 127.0.0.1 port ${new URL(emqx.url).port}`],
      ['user haproxy\n', '\n'],
      ['group haproxy\n', '\n'],
    ];
    const text = replacements.reduce((all, [shipped, ours]) => {
      expect(all.split(shipped), shipped).to.have.length(2);
      return all.replace(shipped, ours);
    }, SHIPPED);
    writeFileSync(file, text);
    haproxy = spawn('haproxy', ['-db', '-f', file], {
      env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin`, EMQX_API_BASIC: basic },
      stdio: 'ignore',
    });
    exit = once(haproxy, 'exit');
    // A second check comes only when the first was judged.
    await emqx.called('', 2);
  }

  /** What a dock sees. */
  async function through(): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    let seen = '';
    socket.on('data', (chunk: Buffer) => (seen += chunk.toString())).on('error', () => undefined);
    await once(socket, 'close');
    return seen;
  }
  const becomes = async (wanted: string): Promise<void> => {
    while ((await through()) !== wanted && !isOver) await pause(20);
  };

  it('lets docks through when the node has its hooks', async () => {
    await start();
    await becomes(GREETING);
    expect(emqx.calls[0]).to.equal('GET /exhooks/dockhook');
  });

  it('lets them through as soon as hooks come, and no more when they go', async () => {
    emqx.state.status[NODE] = 'connecting';
    await start();
    expect(await through()).to.equal('');
    emqx.state.status[NODE] = 'connected';
    await becomes(GREETING);
    emqx.state.status[NODE] = 'disconnected';
    await becomes('');
  });

  const closed: [what: string, spoil: () => void][] = [
    ['another node alone is connected', () => (emqx.state.nodes = ['emqx@127.0.0.2'])],
    ['no hook is mounted', () => (emqx.state.hooks = [])],
    ['there is no provider', () => (emqx.state.providers = [])],
    ['EMQX does not answer', () => (emqx.fault = () => 'cut')],
    ['a web page answers', () => (emqx.fault = () => 'web page')],
  ];
  for (const [what, spoil] of closed) {
    it(`lets nobody through while ${what}`, async () => {
      spoil();
      await start();
      expect(await through()).to.equal('');
    });
  }

  it('lets nobody through with a key that EMQX refuses', async () => {
    await start('bm9ib2R5Om5vYm9keQ==');
    expect(await through()).to.equal('');
  });
});
