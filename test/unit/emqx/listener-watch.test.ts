/** The gate as `serve` keeps it, against a stand-in for EMQX's REST API. */
import { expect } from 'chai';
import { connectEmqx } from '../../../src/emqx/api.js';
import { providerSettings } from '../../../src/emqx/provider.js';
import {
  watchEmqx,
  type LoadedBroker,
  type Watch,
  type WatchOptions,
} from '../../../src/emqx/listener-watch.js';
import { API_KEY, API_SECRET, startEmqxRest, type FakeEmqx } from '../../support/emqx-rest.js';

const NODE = 'emqx@127.0.0.1';
/** As a node says it three seconds after its start. */
const BOOTED: LoadedBroker = { node: NODE, version: '5.8.9', uptimeMs: 3000 };

type Line = { level: string; event: string } & Record<string, unknown>;

describe('the watch over EMQX', () => {
  let emqx: FakeEmqx;
  let lines: Line[];
  let wanted: { event: string; seen: (line: Line) => void }[];
  let closed: number[];
  let opened: string[];
  let watch: Watch | undefined;
  beforeEach(async () => {
    emqx = await startEmqxRest();
    emqx.state.providers = [{ ...providerSettings({}), enable: true }];
    emqx.state.listeners = {
      'tcp:default': { enable: false, bind: '0.0.0.0:1883' },
      'ssl:default': { enable: true, bind: '0.0.0.0:8883' },
    };
    [lines, wanted, closed, opened] = [[], [], [], []];
  });
  afterEach(async () => {
    watch?.stop();
    await emqx.close();
  });

  const start = (options: Partial<WatchOptions> = {}): Watch =>
    (watch = watchEmqx({
      open: async (signal) =>
        connectEmqx(
          { url: new URL(emqx.url), key: API_KEY, secret: API_SECRET },
          { deadlineMs: 1000, signal },
        ),
      listeners: ['tcp:default'],
      provider: 'dockhook',
      log: (level, line) => {
        lines.push({ level, ...line });
        for (const { event, seen } of wanted) if (event === line.event) seen({ level, ...line });
      },
      onClosed: (count) => closed.push(count),
      onOpened: (listener) => opened.push(listener),
      // Long before EMQX.
      since: -Infinity,
      ...options,
    }));
  const line = (event: string): Promise<Line> =>
    new Promise((seen) => {
      const before = lines.find((one) => one.event === event);
      if (before) seen(before);
      else wanted.push({ event, seen });
    });
  /** Until EMQX was asked this so many times more. */
  const asked = (call: string, times = 1): Promise<void> =>
    emqx.called(call, emqx.calls.filter((one) => one.startsWith(call)).length + times);

  it('opens, says so, and goes on looking', async () => {
    start();
    expect(await line('emqx_listener_opened')).to.include({ level: 'info', listener: 'tcp:default' });
    await line('emqx_listeners_open');
    expect(closed.at(-1)).to.equal(0);
    expect(opened).to.deep.equal(['tcp:default']);
    emqx.state.listeners['tcp:default']!['enable'] = false;
    emqx.state.uptime = 2000;
    await asked('POST /listeners');
    await asked('GET /nodes');
    expect(opened).to.deep.equal(['tcp:default', 'tcp:default']);
  });

  it('says once what it waits for, and what comes after', async () => {
    emqx.state.status[NODE] = 'connecting';
    emqx.state.uptime = 3_600_000;
    start();
    const waiting = await line('emqx_listeners_closed');
    expect(waiting['detail']).to.include(`${NODE} (connecting)`);
    await asked('GET /nodes', 5);
    expect(lines).to.have.length(1);
    expect(closed.at(-1)).to.equal(1);
    emqx.state.status[NODE] = 'connected';
    await line('emqx_listener_opened');
  });

  it('lives through an EMQX that does not answer, and takes a renewed key', async () => {
    let key = 'old';
    start({
      open: async (signal) =>
        connectEmqx({ url: new URL(emqx.url), key, secret: API_SECRET }, { deadlineMs: 200, signal }),
    });
    const refused = await line('emqx_not_reached');
    expect(refused['detail']).to.include('401').and.not.include(API_SECRET);
    expect(closed.at(-1)).to.equal(1);
    key = API_KEY;
    await line('emqx_listener_opened');
  });

  it('lives through key files that cannot be read', async () => {
    let broken = true;
    start({
      open: async (signal) => {
        if (broken) throw new Error('cannot read the key');
        return connectEmqx({ url: new URL(emqx.url), key: API_KEY, secret: API_SECRET }, { signal });
      },
    });
    expect((await line('emqx_not_reached'))['detail']).to.equal('cannot read the key');
    broken = false;
    await line('emqx_listener_opened');
  });

  it('ends at once while EMQX hangs, and asks nothing more', async () => {
    emqx.fault = () => 'hang';
    start();
    await asked('GET /nodes');
    const before = lines.length;
    watch!.stop();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(emqx.calls).to.have.length(1);
    expect(lines).to.have.length(before);
  });

  it('asks nothing without a listener to open', async () => {
    start({ listeners: [] });
    watch!.loaded({ ...BOOTED, version: '6.2.0' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(emqx.calls).to.deep.equal([]);
    expect(lines).to.deep.equal([]);
  });

  it('warns of an EMQX that opens its listeners before it asks, if dockhook is to open none', () => {
    start({ listeners: [] });
    for (const version of ['2.0.11', '5.9.0', '5.10.4', '6.2.0']) watch!.loaded({ ...BOOTED, version });
    expect(lines).to.deep.equal([]);
    watch!.loaded({ ...BOOTED, uptimeMs: undefined });
    expect(lines).to.have.length(1);
    expect(lines[0]).to.include({ level: 'warn', event: 'emqx_unguarded', node: NODE });
    expect(lines[0]?.['detail']).to.include('DOCKHOOK_EMQX_LISTENERS').and.to.include('dockhook emqx config');
  });

  it('says that a listener runs on a node that has booted and has no hooks yet', async () => {
    emqx.state.status[NODE] = 'connecting';
    emqx.state.uptime = 4000;
    start();
    expect(await line('emqx_open_before_hooks')).to.include({
      level: 'error',
      node: NODE,
      listener: 'ssl:default',
    });
    await asked('GET /nodes', 3);
    expect(lines.filter(({ event }) => event === 'emqx_open_before_hooks')).to.have.length(1);
  });

  it('does not say so of a node whose hooks are away since long', async () => {
    emqx.state.status[NODE] = 'connecting';
    emqx.state.uptime = 3_600_000;
    start();
    await asked('GET /nodes', 5);
    expect(lines.map(({ event }) => event)).to.deep.equal(['emqx_listeners_closed']);
  });

  describe('disconnects who came in before the hooks', () => {
    const at = (seconds: number): string => new Date(Date.now() + seconds * 1000).toISOString();
    const clientIds = (): string[] => emqx.state.clients.map(({ clientid }) => clientid);
    beforeEach(() => {
      emqx.state.clients = [
        { clientid: 'stranger', username: 'dock', connected_at: at(-2), listener: 'ssl:default' },
        { clientid: 'deaf', username: 'dock', connected_at: at(-1.2), listener: 'ssl:default' },
        { clientid: 'later', username: 'dock', connected_at: at(0), listener: 'ssl:default' },
        {
          clientid: 'elsewhere',
          username: 'dock',
          connected_at: at(-2),
          listener: 'ssl:default',
          node: 'emqx@b',
        },
        { clientid: 'behind', username: 'dock', connected_at: at(-2), listener: 'tcp:default' },
      ];
    });

    it('through a listener that dockhook did not open', async () => {
      start();
      watch!.loaded(BOOTED);
      const done = await line('emqx_early_clients_disconnected');
      expect(done).to.include({ level: 'warn', node: NODE, clients: 2 });
      expect(clientIds()).to.deep.equal(['later', 'elsewhere', 'behind']);
      expect(lines.map(({ event }) => event)).to.not.include('emqx_listener_was_open');
    });

    it('and says that a listener of ours was open before we opened it', async () => {
      emqx.state.listeners['tcp:default']!['enable'] = true;
      start();
      watch!.loaded(BOOTED);
      expect((await line('emqx_listener_was_open'))['listeners']).to.deep.equal(['tcp:default']);
      await line('emqx_early_clients_disconnected');
      expect(clientIds()).to.deep.equal(['later', 'elsewhere']);
      await asked('GET /listeners', 2);
      expect(lines.filter(({ event }) => event === 'emqx_listener_was_open')).to.have.length(1);
    });

    it('also if EMQX did not answer at first', async () => {
      let failures = 3;
      emqx.fault = (call) => (call === 'GET /clients' && (failures -= 1) >= 0 ? 500 : undefined);
      start();
      watch!.loaded(BOOTED);
      await line('emqx_early_clients_disconnected');
      expect(clientIds()).to.not.include('deaf');
    });

    it('only once the hooks are mounted', async () => {
      emqx.state.status[NODE] = 'connecting';
      start();
      watch!.loaded(BOOTED);
      await asked('GET /exhooks', 3);
      expect(clientIds()).to.have.length(5);
      emqx.state.status[NODE] = 'connected';
      await line('emqx_early_clients_disconnected');
    });

    const spared: [what: string, loaded: LoadedBroker[]][] = [
      ['the provider was loaded again long after the start', [{ ...BOOTED, uptimeMs: 60_000 }]],
      ['EMQX 5.10 loads it again after each outage', [{ ...BOOTED, version: '5.10.4' }]],
      ['EMQX 6 closes itself', [{ ...BOOTED, version: '6.2.0' }]],
      ['the broker does not say how long it runs', [{ ...BOOTED, uptimeMs: undefined }]],
      ['Mosquitto asks', [{ ...BOOTED, version: '2.0.11' }]],
      ['the node belongs to another cluster', [{ ...BOOTED, node: 'emqx@elsewhere' }]],
    ];
    for (const [what, loaded] of spared) {
      it(`and nobody if ${what}`, async () => {
        start();
        for (const one of loaded) watch!.loaded(one);
        await line('emqx_listeners_open');
        await asked('GET /listeners', 2);
        expect(clientIds()).to.have.length(5);
        expect(emqx.calls.filter((call) => call.includes('clients'))).to.deep.equal([]);
      });
    }

    it('and nobody when the provider is loaded again after the same start', async () => {
      start();
      watch!.loaded(BOOTED);
      await line('emqx_early_clients_disconnected');
      emqx.state.clients = [
        { clientid: 'fleet', username: 'dock', connected_at: at(-1), listener: 'ssl:default' },
      ];
      const since = emqx.calls.length;
      watch!.loaded({ ...BOOTED, uptimeMs: 3500 });
      await asked('GET /listeners', 2);
      expect(emqx.calls.slice(since).filter((call) => call.includes('clients'))).to.deep.equal([]);
      expect(clientIds()).to.deep.equal(['fleet']);
    });

    /** Listeners run, and nobody is sent away by the end of the next look but one. */
    const sparesAll = async (): Promise<void> => {
      emqx.state.listeners['tcp:default']!['enable'] = true;
      await line('emqx_listeners_open');
      await asked('GET /listeners', 2);
      expect(clientIds()).to.have.length(5);
      expect(emqx.calls.filter((call) => call.includes('clients'))).to.deep.equal([]);
    };

    it('and nobody if dockhook itself was started after EMQX, and says so', async () => {
      start({ since: performance.now() - 3000 });
      watch!.loaded(BOOTED);
      await sparesAll();
      expect((await line('emqx_early_clients_not_sought'))['detail']).to.include('started before dockhook');
    });

    it('and nobody if the node has asked about clients since its start', async () => {
      start();
      watch!.asked(NODE);
      watch!.loaded(BOOTED);
      await sparesAll();
    });

    it('and nobody if the node was seen with hooks, which another replica gave it', async () => {
      start();
      await line('emqx_listeners_open');
      watch!.loaded(BOOTED);
      await sparesAll();
    });

    it('also if the node had asked before that start', async () => {
      emqx.state.status[NODE] = 'connecting';
      start();
      watch!.asked(NODE);
      // A start that is still to come needs no waiting for.
      watch!.loaded({ ...BOOTED, uptimeMs: -2000 });
      emqx.state.status[NODE] = 'connected';
      await line('emqx_early_clients_disconnected');
    });

    it('and nobody who came through a listener that another replica opened once the hooks were there', async () => {
      emqx.state.clients = [];
      emqx.state.listeners['tcp:default']!['enable'] = true;
      start();
      watch!.loaded(BOOTED);
      emqx.state.clients = [
        { clientid: 'fleet', username: 'dock', connected_at: at(0), listener: 'tcp:default' },
      ];
      await asked('GET /clients');
      await asked('GET /listeners', 2);
      expect(clientIds()).to.deep.equal(['fleet']);
      expect(lines.map(({ event }) => event)).to.deep.equal(['emqx_listeners_open']);
    });

    it('and nobody if EMQX does not tell its time, says so once, and takes it for reached', async () => {
      emqx.tellsTime = false;
      start();
      watch!.loaded(BOOTED);
      await sparesAll();
      const said = lines.filter(({ event }) => event === 'emqx_early_clients_not_sought');
      expect(said).to.have.length(1);
      expect(said[0]!['detail']).to.include('Date');
      expect(lines.map(({ event }) => event)).to.not.include('emqx_not_reached');
      expect(closed.at(-1)).to.equal(0);
    });
  });
});
