/** The doors of EMQX: opened by `serve` and by `dockhook emqx open`, shown by `emqx status`; EMQX is a stand-in. */
import { expect } from 'chai';
import { setTimeout as pause } from 'node:timers/promises';
import { hookProvider, serviceName } from '../../src/exhook/proto.js';
import { providerSettings } from '../../src/emqx/provider.js';
import { run, type Result } from '../support/cli.js';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { startEmqxRest, type FakeEmqx } from '../support/emqx-rest.js';
import { connectGrpc, frame } from '../support/grpc.js';

const NODE = 'emqx@127.0.0.1';

describe('the listeners of EMQX', function () {
  this.timeout(60_000);
  let emqx: FakeEmqx;
  let environment: Record<string, string>;
  beforeEach(async () => {
    emqx = await startEmqxRest();
    emqx.state.providers = [{ ...providerSettings({}), enable: true }];
    emqx.state.listeners = {
      'tcp:default': { enable: false, bind: '0.0.0.0:1883' },
      'ws:default': { enable: false, bind: '0.0.0.0:8083' },
    };
    environment = { ...emqx.environment, DOCKHOOK_EMQX_LISTENERS: 'tcp:default' };
  });
  afterEach(() => emqx.close());

  const dockhook = (...args: string[]): Promise<Result> => run(args, { environment });
  const isOpen = (id: string): boolean => emqx.state.listeners[id]?.['enable'] === true;

  describe('dockhook emqx open', () => {
    it('opens those that are named, and says so', async () => {
      const { code, stdout, stderr } = await dockhook('emqx', 'open');
      expect(code, stderr).to.equal(0);
      expect(stdout).to.include('opened tcp:default');
      expect([isOpen('tcp:default'), isOpen('ws:default')]).to.deep.equal([true, false]);
      const again = await dockhook('--json', 'emqx', 'open');
      expect(JSON.parse(again.stdout)).to.deep.equal({ listeners: ['tcp:default'], opened: [] });
    });

    it('waits for a node that does not ask dockhook yet', async () => {
      let looks = 0;
      emqx.state.status[NODE] = () => ((looks += 1) < 4 ? 'connecting' : 'connected');
      const { code, stderr } = await dockhook('emqx', 'open', '--emqx-listeners', 'tcp:default');
      expect(code, stderr).to.equal(0);
      expect(looks).to.be.greaterThan(3);
      expect(isOpen('tcp:default')).to.equal(true);
    });

    it('says what it waited for when the time is up, opens nothing, and exits with 1', async () => {
      emqx.state.status[NODE] = 'connecting';
      const { code, stdout, stderr } = await dockhook('emqx', 'open', '--wait', '0');
      expect([code, stdout]).to.deep.equal([1, '']);
      expect(stderr).to.include(`${NODE} (connecting)`).and.to.include('tcp:default');
      expect(isOpen('tcp:default')).to.equal(false);
    });

    it('does not wait with a key that EMQX refuses', async () => {
      emqx.fault = () => 401;
      const { code, stderr } = await dockhook('emqx', 'open');
      expect(code).to.equal(1);
      expect(stderr).to.include('refuses the API key');
      expect(emqx.calls).to.have.length(1);
    });

    it('says at once that EMQX has no such listener, and which it has', async () => {
      const wanted = 'tcp:defualt,tcp:default';
      const { code, stderr } = await dockhook('emqx', 'open', '--emqx-listeners', wanted);
      expect(code).to.equal(3);
      expect(stderr)
        .to.include(
          'opened tcp:default, but EMQX has no listener tcp:defualt; it has tcp:default, ws:default',
        )
        .and.to.include('DOCKHOOK_EMQX_LISTENERS');
      expect(emqx.calls.filter((call) => call === 'GET /listeners')).to.have.length(1);
    });

    it('wants to be told which, and a time that is one', async () => {
      environment = emqx.environment;
      const nothing = await dockhook('emqx', 'open');
      expect([nothing.code, nothing.stderr.includes('DOCKHOOK_EMQX_LISTENERS')]).to.deep.equal([2, true]);
      const soon = await dockhook('emqx', 'open', '--emqx-listeners', 'tcp:default', '--wait', 'soon');
      expect(soon.code).to.equal(2);
      expect(emqx.calls).to.deep.equal([]);
    });
  });

  describe('dockhook emqx status', () => {
    it('shows which are open, and who opens them', async () => {
      emqx.state.listeners['tcp:default']!['enable'] = true;
      emqx.state.listeners['ssl:made'] = { enable: true, bind: '0.0.0.0:8899' };
      const { code, stdout, stderr } = await dockhook('emqx', 'status');
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(/^tcp:default +0\.0\.0\.0:1883 +open +dockhook$/m);
      expect(stdout).to.match(/^ssl:made +0\.0\.0\.0:8899 +open +EMQX$/m);
      expect(stdout).to.match(/^ws:default +0\.0\.0\.0:8083 +closed$/m);
    });

    it('exits with 1 while one of ours is closed', async () => {
      const { code, stdout, stderr } = await dockhook('--json', 'emqx', 'status');
      expect(code).to.equal(1);
      expect(JSON.parse(stdout)).to.include({ problem: `tcp:default is closed on ${NODE}` });
      expect(stderr).to.include('dockhook emqx open').and.to.include('DOCKHOOK_EMQX_LISTENERS');
    });

    it('exits with 1 if EMQX starts closed and nobody is told to open a listener for docks', async () => {
      environment = emqx.environment;
      const problem =
        'no tcp or ssl listener is open, and DOCKHOOK_EMQX_LISTENERS names none: no dock can connect';
      for (const [id, listener] of Object.entries(emqx.state.listeners))
        listener['enable'] = id === 'ws:default';
      const { code, stdout, stderr } = await dockhook('--json', 'emqx', 'status');
      expect(code, stdout).to.equal(1);
      expect(JSON.parse(stdout)).to.include({ problem });
      expect(stderr).to.include('dockhook emqx open --emqx-listeners tcp:default');
      const shown = await dockhook('emqx', 'status');
      expect([shown.code, shown.stdout.includes('EMQX asks dockhook.')]).to.deep.equal([1, false]);
    });

    it('leaves that alone where a node has one open, and where EMQX itself opens them in time', async () => {
      environment = emqx.environment;
      emqx.state.nodes.push('emqx@b', 'emqx@c');
      emqx.state.nodeStates['emqx@c'] = 'stopped';
      emqx.state.listeners['tcp:default'] = { enable: true, bind: '127.0.0.1:1883' };
      emqx.state.closedOn['tcp:default'] = ['emqx@b'];
      expect((await dockhook('emqx', 'status')).code).to.equal(0);
      emqx.state.closedOn['tcp:default'] = [NODE, 'emqx@b'];
      expect((await dockhook('emqx', 'status')).code).to.equal(1);
      emqx.state.version = '5.9.0';
      expect((await dockhook('emqx', 'status')).code).to.equal(0);
    });

    it('shows a cluster of which a node is stopped', async () => {
      emqx.state.nodes.push('emqx@b');
      emqx.state.nodeStates['emqx@b'] = 'stopped';
      emqx.state.listeners['tcp:default']!['enable'] = true;
      const { code, stdout, stderr } = await dockhook('emqx', 'status');
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(/^emqx@b +unknown +unknown +unknown$/m);
    });
  });

  describe('dockhook serve', () => {
    let app: TestDockhook;
    afterEach(() => app.stop());

    /** As a node that has booted does. */
    async function load(uptime: number): Promise<void> {
      const [host = '', port] = app.grpc.split(':');
      const connection = connectGrpc({ host, port: Number(port) });
      const { path, requestSerialize } = hookProvider('v2')['OnProviderLoaded']!;
      const request = { broker: { version: '5.8.9', uptime }, meta: { node: NODE, version: '5.8.9' } };
      expect(path).to.include(serviceName('v2'));
      await connection.call(path, frame(requestSerialize(request)));
      connection.close();
    }
    const metrics = async (): Promise<string> => (await fetch(`http://${app.http}/metrics`)).text();

    it('opens them when EMQX asks it, and counts', async () => {
      emqx.state.status[NODE] = 'connecting';
      app = await startDockhook({ environment });
      expect((await app.event('emqx_listeners_closed'))['detail']).to.include('connecting');
      expect(await metrics()).to.match(/^dockhook_emqx_listeners_closed 1$/m);
      emqx.state.status[NODE] = 'connected';
      await load(3000);
      await app.event('emqx_listeners_open');
      expect(isOpen('tcp:default')).to.equal(true);
      expect(await metrics())
        .to.match(/^dockhook_emqx_listeners_closed 0$/m)
        .and.to.match(/^dockhook_emqx_listeners_opened_total\{listener="tcp:default"\} 1$/m);
    });

    it('answers, and stops, while EMQX hangs', async () => {
      emqx.fault = () => 'hang';
      app = await startDockhook({ environment });
      await load(3000);
      expect((await app.event('broker_connected'))['node']).to.equal(NODE);
      await app.stop();
      expect(isOpen('tcp:default')).to.equal(false);
    });

    it('keeps when the node started, for dock list', async () => {
      app = await startDockhook({ environment: {}, timeline: { writeMs: 5 } });
      const before = Date.now();
      await load(60_000);
      await load(60_010);
      let kept = await app.stores.timeline.of([''], 10);
      while (kept.length === 0) {
        await pause(5);
        kept = await app.stores.timeline.of([''], 10);
      }
      expect(kept[0]).to.include({ step: 'booted', clientId: NODE });
      expect(kept[0]?.at).to.be.within(before - 60_000, Date.now() - 60_000);
      expect(await app.stores.timeline.gateways('', 10)).to.deep.equal([]);
    });
  });
});
