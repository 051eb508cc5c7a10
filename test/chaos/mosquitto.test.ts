/** Mosquitto with the plugin, when dockhook is away, frozen, slow or talks nonsense, and when the broker itself ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import { hashGenerated } from '../../src/password-hashes/index.js';
import { startCommand, type Running } from '../support/cli.js';
import { freePorts } from '../support/haproxy.js';
import { connackCode, connectClient, type TestClient } from '../support/mqtt.js';
import { describeWithMosquitto, startMosquitto, type TestMosquitto } from '../support/mosquitto.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';
import {
  no,
  rewritten,
  startProvider,
  yes,
  type Asked,
  type Handler,
  type ScriptedProvider,
} from '../support/scripted-provider.js';
import { until } from '../support/until.js';

const PASSWORD = 'p4ssword of the test';
const SN = '7CTDTEST00000A';
const NEWCOMER = '7CTDTEST00000B';
const requestsOf = (sn: string): string => `thing/product/${sn}/requests`;
const osdOf = (sn: string): string => `thing/product/${sn}/osd`;
const replyTo = ({ message }: Asked): object => rewritten(message, { topic: `${message.topic}_reply` });

const REFUSED = 5;
/** No call that a test holds back fails before the test is over, however slow the machine is. */
const LONG_WAIT = { options: { call_deadline_ms: 30_000 } };

/** Waits for calls that the broker did not wait for: its refusal may come before them. */
async function reaches(calls: readonly unknown[], count: number): Promise<void> {
  await until(() => calls.length >= count);
}

/** Clients that end after each test; call it inside a `describe`. */
function mqttClients(broker: () => TestMosquitto) {
  const clients: TestClient[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });
  const options = (clientId: string, username = clientId) => ({ clientId, username, password: PASSWORD });
  return {
    async connect(clientId: string, more: Parameters<typeof connectClient>[1] = {}): Promise<TestClient> {
      const client = await connectClient(broker().url, { ...options(clientId), ...more });
      clients.push(client);
      return client;
    },
    code: (clientId: string, username?: string) => connackCode(broker().url, options(clientId, username)),
    /** Resolves when this client is let in; a dock would try more slowly. */
    async untilLetIn(clientId: string): Promise<void> {
      await until(async () => (await connackCode(broker().url, options(clientId))) === 0);
    },
  };
}

describeWithMosquitto('Mosquitto with the plugin, in bad times', function () {
  this.timeout(60_000);

  describeWithPostgres('of a dockhook on PostgreSQL', () => {
    let database: TestDatabase;
    let dockhook: Running;
    let address: string;
    let broker: TestMosquitto;
    let watcher: TestClient;
    const { connect, code, untilLetIn } = mqttClients(() => broker);

    async function serve(): Promise<void> {
      dockhook = startCommand(['serve'], {
        environment: {
          DATABASE_URL: database.url,
          DOCKHOOK_GRPC_LISTEN: address,
          DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0',
        },
      });
      await dockhook.event('ready');
    }

    before(async () => {
      database = await freshDatabase();
      const stores = openStores(connectPostgres(database.url));
      await stores.ping();
      const passwordHash = hashGenerated(PASSWORD);
      for (const sn of [SN, NEWCOMER]) {
        await stores.accounts.add({ name: sn, passwordHash, scope: { kind: 'gateways', gateways: [sn] } });
      }
      const scope = { kind: 'service' as const, publish: ['#'], subscribe: ['#'] };
      await stores.accounts.add({ name: 'backend', passwordHash, scope });
      await stores.license.set({ appId: '1', appKey: 'test key', appLicense: 'test license' });
      await stores.close();
      const [port = 0] = await freePorts(1);
      address = `127.0.0.1:${port}`;
    });
    beforeEach(async () => {
      await serve();
      broker = await startMosquitto({ exhook: address });
      watcher = await connect('backend');
      await watcher.subscribe('thing/#');
    });
    afterEach(async () => {
      await dockhook.stop('SIGKILL');
      expect(await broker.stop(), broker.log()).to.equal(0);
    });
    after(() => database.drop());

    /** A dock that has published telemetry. */
    async function flyingDock(): Promise<TestClient> {
      const dock = await connect(SN);
      await dock.subscribe(`${requestsOf(SN)}_reply`);
      await sendTelemetry(dock, 1);
      // One that nobody answers, so that it may publish here too.
      await dock.publish(requestsOf(SN), '{"method":"storage_config_get"}', { qos: 1 });
      expect((await watcher.next()).topic).to.equal(requestsOf(SN));
      return dock;
    }
    async function sendTelemetry(dock: TestClient, count: number): Promise<void> {
      for (let i = 0; i < count; i += 1) {
        await dock.publish(osdOf(SN), String(i), { qos: 0 });
        expect((await watcher.next()).payload.toString()).to.equal(String(i));
      }
    }
    async function askForConfig(dock: TestClient): Promise<void> {
      await dock.publish(requestsOf(SN), '{"tid":"T","bid":"B","method":"config","data":{}}', { qos: 1 });
      const { topic, payload } = await dock.next();
      expect(topic).to.equal(`${requestsOf(SN)}_reply`);
      expect(payload.toString()).to.include('test license');
      expect((await watcher.next()).topic).to.equal(topic);
    }

    it('goes on without it when it is killed, and with it when it is back', async () => {
      const dock = await flyingDock();
      await dockhook.stop('SIGKILL');
      await broker.says('cannot be reached');
      await sendTelemetry(dock, 20);
      // As EMQX: what cannot be asked about passes.
      await dock.publish(requestsOf(SN), 'unanswered', { qos: 1 });
      expect((await watcher.next()).payload.toString()).to.equal('unanswered');
      expect(await code(NEWCOMER)).to.equal(REFUSED);
      expect(await connackCode(broker.url, { clientId: SN, username: SN, password: 'wrong' })).to.equal(
        REFUSED,
      );

      await serve();
      await broker.says(' serves');
      expect(await code(NEWCOMER)).to.equal(0);
      await askForConfig(dock);
    });

    it('lets a dock that it knows back in meanwhile, with its subscriptions', async () => {
      const dock = await flyingDock();
      await dockhook.stop('SIGKILL');
      await broker.says('cannot be reached');
      await dock.close();
      const again = await connect(SN);
      expect(await again.subscribe(`${requestsOf(SN)}_reply`)).to.deep.equal([2]);
      await sendTelemetry(again, 1);
      // Nobody said what it may do there.
      const closed = new Promise<void>((resolve) => {
        again.mqtt.once('close', () => {
          resolve();
        });
      });
      again.mqtt.subscribe('thing/product/other/osd');
      await closed;
    });

    it('passes telemetry on while it is frozen, and answers again when it is thawed', async () => {
      const dock = await flyingDock();
      process.kill(dockhook.pid, 'SIGSTOP');
      const noticed = broker.says('does not answer');
      expect(await code(NEWCOMER)).to.equal(REFUSED);
      await sendTelemetry(dock, 100);
      await noticed;
      await sendTelemetry(dock, 100);
      expect(await code(NEWCOMER)).to.equal(REFUSED);
      // Known, and nobody waits for anything.
      await dock.close();
      const again = await connect(SN);
      await sendTelemetry(again, 1);
      process.kill(dockhook.pid, 'SIGCONT');
      await broker.says(' serves');
      await untilLetIn(NEWCOMER);
      await again.subscribe(`${requestsOf(SN)}_reply`);
      await askForConfig(again);
    });

    it('keeps every session when it is reloaded (SIGHUP) meanwhile', async () => {
      const dock = await flyingDock();
      const kept = { clean: false };
      const away = await connect('away', { ...kept, username: 'backend' });
      await away.subscribe(osdOf(SN));
      await away.mqtt.endAsync();
      await dockhook.stop('SIGKILL');
      await broker.says('cannot be reached');
      broker.signal('SIGHUP');
      await broker.says('Reloading config');
      await sendTelemetry(dock, 1);
      expect(dock.mqtt.connected && watcher.mqtt.connected, broker.log()).to.be.true;
      await dock.publish(osdOf(SN), 'for who is away', { qos: 1 });
      const back = await connect('away', { ...kept, username: 'backend' });
      expect((await back.next()).payload.toString()).to.equal('for who is away');
    });
  });

  describe('of a scripted ExHook server', () => {
    let provider: ScriptedProvider;
    let broker: TestMosquitto;
    const { connect, code } = mqttClients(() => broker);

    async function start(
      handlers: Record<string, Handler> = {},
      more: Partial<Parameters<typeof startMosquitto>[0]> = {},
    ): Promise<void> {
      provider = await startProvider(handlers);
      broker = await startMosquitto({ exhook: provider.address, ...more });
    }
    afterEach(async () => {
      provider.stop();
      expect(await broker.stop(), broker.log()).to.equal(0);
    });

    it('asks nobody when it is reloaded (SIGHUP)', async () => {
      await start();
      const dock = await connect(SN);
      broker.signal('SIGHUP');
      await broker.says('Reloading config');
      await dock.publish(requestsOf(SN), '', { qos: 1 });
      await provider.once('OnMessagePublish');
      expect(provider.of('OnClientAuthenticate')).to.have.lengthOf(1);
    });

    it('calls OnProviderLoaded each time it is there', async () => {
      await start();
      const port = Number(provider.address.split(':')[1]);
      for (const round of [1, 2]) {
        expect(provider.of('OnProviderLoaded'), `round ${round}`).to.have.lengthOf(1);
        provider.stop();
        await broker.says('cannot be reached');
        provider = await startProvider({}, port);
        await broker.says(' serves');
      }
      expect(await code(SN)).to.equal(0);
    });

    it('does not take refusals that are held back for a fault, nor makes a dock pay that was in before', async () => {
      const held: (() => void)[] = [];
      await start({
        OnClientAuthenticate: async ({ clientinfo }) => {
          if (clientinfo.username === SN) return yes;
          // Until the test is over: later than any wait.
          await new Promise<void>((resolve) => held.push(resolve));
          return no;
        },
      });
      expect(await code(SN)).to.equal(0);
      for (let i = 0; i < 20; i += 1) expect(await code(`stranger${i}`)).to.equal(REFUSED);
      // Each is asked about.
      await reaches(held, 20);
      expect(await code(SN)).to.equal(0);
      expect(broker.log()).not.to.include('does not answer');
      for (const answer of held) answer();
    });

    it('asks about a dock that was in before, however many strangers wait for their answer', async () => {
      const held: (() => void)[] = [];
      await start(
        {
          OnClientAuthenticate: async ({ clientinfo }) => {
            if (clientinfo.username === SN) return yes;
            await new Promise<void>((resolve) => held.push(resolve));
            return no;
          },
        },
        LONG_WAIT,
      );
      expect(await code(SN)).to.equal(0);
      for (let i = 0; i < 260; i += 1) expect(await code(`stranger${i}`)).to.equal(REFUSED);
      await reaches(held, 256);
      expect(await code(SN)).to.equal(0);
      expect(held).to.have.lengthOf(256);
      for (const answer of held) answer();
    });

    it('has few questions under way about clients without a username', async () => {
      const held: (() => void)[] = [];
      await start(
        {
          OnClientAuthenticate: async () => {
            await new Promise<void>((resolve) => held.push(resolve));
            return no;
          },
        },
        LONG_WAIT,
      );
      for (let i = 0; i < 100; i += 1) {
        expect(await connackCode(broker.url, { clientId: `scanner${i}` })).to.equal(REFUSED);
      }
      await reaches(held, 32);
      expect(held).to.have.lengthOf(32);
      for (const answer of held) answer();
    });

    it('takes a call that failed late for no yes', async () => {
      let answer = (): object => yes;
      let fail = (): void => undefined;
      await start({
        OnClientAuthenticate: async () => {
          if (provider.of('OnClientAuthenticate').length !== 2) return answer();
          await new Promise<void>((resolve) => (fail = resolve));
          throw new Error('scripted');
        },
      });
      expect(await code(SN)).to.equal(0);
      answer = () => no;
      expect(await code(SN)).to.equal(REFUSED);
      fail();
      while (provider.of('OnClientAuthenticate').length < 3) expect(await code(SN)).to.equal(REFUSED);
    });

    it('gives a yes that came too late to the next attempt, once', async () => {
      let answer = (): void => undefined;
      const held = new Promise<void>((resolve) => (answer = resolve));
      await start({
        OnClientAuthenticate: async () => {
          await held;
          return yes;
        },
        OnMessagePublish: replyTo,
      });
      expect(await code(SN)).to.equal(REFUSED);
      answer();
      while ((await code(SN)) !== 0);
      expect(provider.of('OnClientAuthenticate')).to.have.lengthOf(1);
      expect(await code(SN)).to.equal(0);
      expect(provider.of('OnClientAuthenticate')).to.have.lengthOf(2);
    });

    it('asks once about the same wrong password in a short time', async () => {
      await start({ OnClientAuthenticate: () => no });
      for (let i = 0; i < 5; i += 1) expect(await code(SN)).to.equal(REFUSED);
      expect(provider.of('OnClientAuthenticate')).to.have.lengthOf(1);
    });

    const garbage: [what: string, answer: object][] = [
      ['nothing', {}],
      ['a type without a value', { type: 'STOP_AND_RETURN' }],
      ['a message', { type: 'STOP_AND_RETURN', message: { topic: 'a', headers: {} } }],
      ['a type that does not exist', { type: 7 }],
    ];
    for (const [what, answer] of garbage) {
      it(`lets nobody in on ${what}`, async () => {
        await start({ OnClientAuthenticate: () => answer });
        expect(await code(SN)).to.equal(REFUSED);
      });

      it(`lets nobody publish on ${what}`, async () => {
        await start({ OnClientAuthorize: ({ clientinfo }) => (clientinfo.username === SN ? answer : yes) });
        const watcher = await connect('watcher');
        await watcher.subscribe('#');
        const dock = await connect(SN);
        await dock.publish('thing/one', '', { qos: 1 });
        await watcher.publish('thing/marker', '', { qos: 1 });
        expect((await watcher.next()).topic).to.equal('thing/marker');
      });
    }

    it('passes a message on, once, when its call fails', async () => {
      await start({
        OnMessagePublish: (asked) => {
          if (asked.message.payload.toString() === 'fails') throw new Error('scripted');
          return asked.message.payload.toString() === 'odd' ? yes : replyTo(asked);
        },
      });
      const dock = await connect(SN);
      await dock.subscribe('thing/#');
      for (const payload of ['fails', 'odd', 'answered']) {
        await dock.publish(requestsOf(SN), payload, { qos: 1 });
      }
      for (const topic of [requestsOf(SN), requestsOf(SN), `${requestsOf(SN)}_reply`]) {
        expect((await dock.next()).topic).to.equal(topic);
      }
    });

    const unusable: [what: string, hooks: object[], said: string][] = [
      [
        'an unknown hook',
        [{ name: 'client.authenticate' }, { name: 'client.dance' }],
        'names an unknown hook',
      ],
      [
        'a filter that is none',
        [{ name: 'message.publish', topics: ['a/#/b'] }],
        'topic filter that is none',
      ],
    ];
    for (const [what, hooks, said] of unusable) {
      it(`lets nobody in when OnProviderLoaded names ${what}, and says so`, async () => {
        await start({ OnProviderLoaded: () => ({ hooks }) }, { alone: true });
        await broker.says(said);
        expect(await code(SN)).to.equal(REFUSED);
      });
    }

    it('lets nobody in when nobody serves, and says so', async () => {
      provider = await startProvider();
      provider.stop();
      broker = await startMosquitto({ exhook: provider.address, alone: true });
      await broker.says('cannot be reached');
      expect(await code(SN)).to.equal(REFUSED);
    });

    it('ends with calls in flight, and says good-bye', async () => {
      await start({ OnMessagePublish: () => new Promise(() => undefined) });
      const dock = await connect(SN);
      for (let i = 0; i < 5; i += 1) await dock.publish(requestsOf(SN), String(i), { qos: 1 });
      await provider.once('OnMessagePublish');
      expect(await broker.stop(), broker.log()).to.equal(0);
      await provider.once('OnProviderUnloaded');
    });

    it('publishes no last will when it ends that its client may not publish', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'dockhook-persistence-'));
      const settings = ['persistence true', `persistence_location ${directory}/`];
      try {
        const mayPublish: Handler = ({ type, topic }) =>
          type === 'PUBLISH' && topic === requestsOf(NEWCOMER) ? no : yes;
        await start({ OnClientAuthorize: mayPublish }, { settings });
        const retained = { payload: Buffer.from('last will'), qos: 1 as const, retain: true };
        await connect(SN, { will: { topic: requestsOf(NEWCOMER), ...retained } });
        await connect('other', { will: { topic: osdOf(SN), ...retained } });
        expect(await broker.stop(), broker.log()).to.equal(0);
        // What was retained is what it finds when it starts again.
        broker = await startMosquitto({ exhook: provider.address, settings });
        const watcher = await connect('watcher');
        await watcher.subscribe('thing/#', '$');
        await watcher.publish('thing/marker', '', { qos: 1 });
        expect([(await watcher.next()).topic, (await watcher.next()).topic]).to.deep.equal([
          osdOf(SN),
          'thing/marker',
        ]);
      } finally {
        rmSync(directory, { recursive: true });
      }
    });

    it('does not wait for a server that is gone when it ends', async () => {
      await start({ OnMessagePublish: () => new Promise(() => undefined) });
      const dock = await connect(SN);
      await dock.publish(requestsOf(SN), '', { qos: 1 });
      await provider.once('OnMessagePublish');
      provider.stop();
      expect(await broker.stop(), broker.log()).to.equal(0);
    });
  });
});
