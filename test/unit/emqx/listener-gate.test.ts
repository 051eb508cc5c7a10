/** When EMQX's listeners may be opened, against a stand-in for its REST API. */
import { expect } from 'chai';
import { connectEmqx, type EmqxApi } from '../../../src/emqx/api.js';
import { createGate, type Gate } from '../../../src/emqx/listener-gate.js';
import { providerSettings } from '../../../src/emqx/provider.js';
import { API_KEY, API_SECRET, startEmqxRest, type FakeEmqx, type Fault } from '../../support/emqx-rest.js';

const A = 'emqx@10.0.0.1';
const B = 'emqx@10.0.0.2';
const LISTENERS = ['tcp:default', 'ssl:default'];

describe('the gate to EMQX', () => {
  let emqx: FakeEmqx;
  let api: EmqxApi;
  let now: number;
  let gate: Gate;
  beforeEach(async () => {
    emqx = await startEmqxRest();
    emqx.state.nodes = [A, B];
    emqx.state.providers = [{ ...providerSettings({}), enable: true }];
    // As our configuration for 5.8 leaves them at boot, beside two that nobody is to open.
    for (const id of [...LISTENERS, 'ws:default', 'tcp:internal'])
      emqx.state.listeners[id] = { enable: false, bind: '0.0.0.0:1', enable_authn: true };
    api = connectEmqx({ url: new URL(emqx.url), key: API_KEY, secret: API_SECRET }, { deadlineMs: 200 });
    now = 0;
    gate = newGate();
  });
  afterEach(() => emqx.close());

  const newGate = (): Gate => createGate({ listeners: LISTENERS, provider: 'dockhook', now: () => now });
  const starts = (): string[] =>
    emqx.calls
      .filter((call) => call.startsWith('POST'))
      .map((call) => decodeURIComponent(/listeners\/(.*)\/start/.exec(call)?.[1] ?? call));
  /** Looks each second. */
  const watch = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      await gate.round(api);
      now += 1000;
      emqx.state.uptime += 1000;
    }
  };

  it('opens the listeners it was told, and no other, once every node asks dockhook', async () => {
    expect(await gate.round(api)).to.deep.include({ opened: ['ssl:default', 'tcp:default'], stopped: [] });
    expect(starts()).to.have.members(LISTENERS);
    now += 1000;
    const second = await gate.round(api);
    expect(second).to.deep.include({ opened: [] }).and.not.have.property('waitingFor');
    expect(starts()).to.have.length(2);
  });

  const closed: [what: string, spoil: () => void, words: string][] = [
    [
      'one of two nodes is still connecting',
      () => (emqx.state.status[B] = 'connecting'),
      `${B} (connecting)`,
    ],
    ['a node says error', () => (emqx.state.status[A] = 'error'), `${A} (error)`],
    ['a node is stopped', () => (emqx.state.nodeStates[B] = 'stopped'), `not running: ${B}`],
    [
      'a booting node is missing among the nodes',
      () => (emqx.state.nodeStates[B] = 'booting'),
      `${B} (error)`,
    ],
    [
      'a node asks dockhook that is not among the nodes yet',
      () => {
        emqx.state.nodeStates[B] = 'booting';
        emqx.state.status[B] = 'connected';
      },
      `coming or going: ${B}`,
    ],
    ['the provider is disabled', () => (emqx.state.providers[0]!['enable'] = false), 'disabled'],
    ['there is no provider', () => (emqx.state.providers = []), 'no provider "dockhook"'],
    ['no hooks are mounted', () => (emqx.state.hooks = []), 'not mounted: client.authenticate'],
    [
      'client.authorize is not mounted',
      () => (emqx.state.hooks = emqx.state.hooks.filter(({ name }) => name !== 'client.authorize')),
      'not mounted: client.authorize',
    ],
  ];
  for (const [what, spoil, words] of closed) {
    it(`opens nothing while ${what}, and says so`, async () => {
      spoil();
      expect((await gate.round(api)).waitingFor).to.include(words);
      expect(starts()).to.deep.equal([]);
    });
  }

  for (const path of ['/nodes', '/exhooks/dockhook', '/listeners']) {
    for (const fault of ['hang', 500, 403, 'web page', 'truncated', 'cut', 'wrong JSON'] as Fault[]) {
      it(`takes ${fault} from ${path} for a no`, async () => {
        emqx.fault = (call) => (call === `GET ${path}` ? fault : undefined);
        const outcome = await gate.round(api).then(
          () => 'answered',
          () => 'rejected',
        );
        expect(outcome).to.equal('rejected');
        expect(starts()).to.deep.equal([]);
      });
    }
  }

  it('takes an API that is not there yet (404 while EMQX boots) for a no', async () => {
    emqx.fault = (call) => (call === 'GET /exhooks/dockhook' ? 404 : undefined);
    await gate.round(api).catch(() => undefined);
    expect(starts()).to.deep.equal([]);
  });

  it('looks again between two starts', async () => {
    emqx.fault = (call) => {
      if (call.startsWith('POST')) emqx.state.status[B] = 'disconnected';
      return undefined;
    };
    const round = await gate.round(api);
    expect(round.opened).to.have.length(1);
    expect(round.waitingFor).to.include(`${B} (disconnected)`);
    expect(starts()).to.have.length(1);
  });

  it('looks again between the list of listeners and the first start', async () => {
    emqx.fault = (call) => {
      if (call === 'GET /listeners') emqx.state.nodeStates[B] = 'stopped';
      return undefined;
    };
    expect((await gate.round(api)).waitingFor).to.include(`not running: ${B}`);
    expect(starts()).to.deep.equal([]);
  });

  it('opens what a node that started again has closed, and starts nothing else', async () => {
    await watch(2);
    emqx.state.closedOn['tcp:default'] = [B];
    emqx.state.uptime = 3000;
    expect((await gate.round(api)).opened).to.deep.equal(['tcp:default']);
    expect(starts().slice(2)).to.deep.equal(['tcp:default']);
  });

  it('does not repeat a start that opened nothing at each look', async () => {
    emqx.fault = (call) => (call.startsWith('POST') ? 'hang' : undefined);
    await gate.round(api).catch(() => undefined);
    expect(starts()).to.have.length(1);
    now += 100;
    await gate.round(api).catch(() => undefined);
    expect(starts().filter((id) => id === starts()[0])).to.have.length(1);
    emqx.fault = () => undefined;
    now += 1000;
    await watch(2);
    expect(await gate.round(api)).to.not.have.property('waitingFor');
  });

  it('opens the others if EMQX refuses to start one, and says why', async () => {
    emqx.fault = (call) => (call === 'POST /listeners/ssl%3Adefault/start' ? 500 : undefined);
    const round = await gate.round(api);
    expect(round.opened).to.deep.equal(['tcp:default']);
    expect(round.waitingFor).to.include('INTERNAL_ERROR');
  });

  it('names a listener that EMQX does not have, and opens the others', async () => {
    delete emqx.state.listeners['ssl:default'];
    const round = await gate.round(api);
    expect(round.opened).to.deep.equal(['tcp:default']);
    expect(round.waitingFor).to.include('no listener ssl:default');
  });

  it('of two replicas both may start, and all are open after', async () => {
    const other = newGate();
    await Promise.all([gate.round(api), other.round(api)]);
    expect(new Set(starts())).to.deep.equal(new Set(LISTENERS));
    now += 1000;
    for (const one of [gate, other]) expect(await one.round(api)).to.deep.include({ opened: [] });
  });

  describe('leaves a listener closed that somebody stopped', () => {
    beforeEach(() => watch(2));

    it('on all nodes', async () => {
      emqx.state.listeners['tcp:default']!['enable'] = false;
      const round = await gate.round(api);
      expect(round).to.deep.include({ opened: [], stopped: ['tcp:default'] });
      expect(round).to.not.have.property('waitingFor');
    });

    it('also if EMQX takes its time to say how long it runs', async () => {
      await watch(2);
      emqx.state.listeners['tcp:default']!['enable'] = false;
      emqx.fault = (call) => {
        if (call === 'GET /nodes') now += 2500;
        return undefined;
      };
      expect(await gate.round(api)).to.deep.include({ opened: [], stopped: ['tcp:default'] });
      expect(starts()).to.have.length(2);
    });

    it('on one node, before it is taken out', async () => {
      emqx.state.closedOn['tcp:default'] = [A];
      expect(await gate.round(api)).to.deep.include({ opened: [], stopped: ['tcp:default'] });
    });

    it('until EMQX starts again', async () => {
      emqx.state.listeners['tcp:default']!['enable'] = false;
      await watch(5);
      emqx.state.uptime = 2000;
      expect((await gate.round(api)).opened).to.deep.equal(['tcp:default']);
    });

    it('and opens what is closed for another reason', async () => {
      emqx.state.listeners['tcp:default']!['enable'] = false;
      emqx.state.listeners['ssl:other'] = { enable: false };
      const more = createGate({ listeners: ['ssl:other'], provider: 'dockhook', now: () => now });
      expect((await more.round(api)).opened).to.deep.equal(['ssl:other']);
    });
  });

  describe('waits a minute for a node that is away, and then takes it for dead', () => {
    for (const [how, leave] of [
      ['is stopped', () => (emqx.state.nodeStates[B] = 'stopped')],
      ['left the cluster', () => (emqx.state.nodes = [A])],
    ] as const) {
      it(`if it ${how}`, async () => {
        emqx.state.status[A] = 'connecting';
        await watch(1);
        leave();
        emqx.state.status[A] = 'connected';
        await watch(60);
        expect(starts()).to.deep.equal([]);
        await watch(1);
        expect(starts()).to.have.members(LISTENERS);
      });
    }

    it('and begins anew after a look that failed: it may be booting', async () => {
      emqx.state.nodeStates[B] = 'stopped';
      await watch(50);
      emqx.fault = () => 'hang';
      await gate.round(api).catch(() => undefined);
      emqx.fault = () => undefined;
      await watch(60);
      expect(starts()).to.deep.equal([]);
      await watch(1);
      expect(starts()).to.have.members(LISTENERS);
    });

    it('and begins anew after a time in which it did not look', async () => {
      emqx.state.nodeStates[B] = 'stopped';
      await watch(2);
      now += 120_000;
      await watch(60);
      expect(starts()).to.deep.equal([]);
    });

    it('and waits again as soon as it boots', async () => {
      emqx.state.nodeStates[B] = 'stopped';
      await watch(60);
      emqx.state.nodeStates[B] = 'booting';
      expect((await gate.round(api)).waitingFor).to.include(`${B} (error)`);
      expect(starts()).to.deep.equal([]);
    });

    it('and does not wait for one that is long gone after a look that failed', async () => {
      emqx.state.status[A] = 'connecting';
      await watch(1);
      emqx.state.nodes = [A];
      await watch(62);
      emqx.fault = () => 500;
      await gate.round(api).catch(() => undefined);
      emqx.fault = () => undefined;
      emqx.state.status[A] = 'connected';
      expect((await gate.round(api)).opened).to.have.members(LISTENERS);
    });
  });
});
