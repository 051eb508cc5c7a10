import { createServer, type AddressInfo } from 'node:net';
import { expect } from 'chai';
import fc from 'fast-check';
import { startBroker, type Broker } from '../../../src/trial-broker/broker.js';
import type { ClientInfo } from '../../../src/trial-broker/exhook-client.js';
import { hasCode } from '../../../src/errors.js';
import { connackCode, connectClient, type TestClient } from '../../support/mqtt.js';
import {
  ignore,
  no,
  rewritten,
  startProvider,
  yes,
  type Handler,
  type ScriptedProvider,
} from '../../support/scripted-provider.js';

const DOCK = '7CTDTEST00000A';
const REQUESTS = `thing/product/${DOCK}/requests`;
const REPLIES = `thing/product/${DOCK}/requests_reply`;
const OSD = `thing/product/${DOCK}/osd`;

describe('embedded broker', () => {
  let provider: ScriptedProvider;
  let broker: Broker;
  let errors: Error[];
  let mqtt5: ClientInfo[];
  const clients: TestClient[] = [];

  async function start(handlers: Record<string, Handler> = {}): Promise<void> {
    provider = await startProvider(handlers);
    errors = [];
    mqtt5 = [];
    broker = await startBroker({
      listen: { host: '127.0.0.1', port: 0 },
      exhook: provider.address,
      node: 'test@127.0.0.1',
      onError: (error) => errors.push(error),
      onMqtt5: (client) => mqtt5.push(client),
    });
  }

  const url = () => `mqtt://127.0.0.1:${broker.port}`;

  async function connect(clientId: string, username = 'yard'): Promise<TestClient> {
    const client = await connectClient(url(), { clientId, username, password: 'secret' });
    clients.push(client);
    return client;
  }

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await broker.close();
    provider.stop();
  });

  describe('connect', () => {
    it('lets a client in that the provider accepts, and tells of it what EMQX tells', async () => {
      await start();
      const client = await connect(DOCK);
      const { localPort } = client.mqtt.stream as unknown as { localPort: number };
      const [asked] = provider.of('OnClientAuthenticate');
      expect(asked?.clientinfo).to.deep.include({
        node: 'test@127.0.0.1',
        clientid: DOCK,
        username: 'yard',
        password: 'secret',
        peerhost: '127.0.0.1',
        peerport: localPort,
        sockport: broker.port,
        protocol: 'mqtt',
        mountpoint: '',
        anonymous: true,
        is_superuser: false,
        cn: '',
        dn: '',
      });
      expect(asked?.meta.node).to.equal('test@127.0.0.1');
    });

    it('tells the password to OnClientAuthenticate only', async () => {
      await start();
      const client = await connect(DOCK);
      await client.subscribe(REPLIES);
      const others = provider.asked.filter((call) => call.method !== 'OnClientAuthenticate');
      expect(others).to.have.length.above(1);
      expect(JSON.stringify(others)).not.to.contain('secret');
    });

    it('sends an empty username and password for none', async () => {
      await start();
      expect(await connackCode(url(), { clientId: DOCK })).to.equal(0);
      expect(provider.of('OnClientAuthenticate')[0]?.clientinfo).to.include({ username: '', password: '' });
    });

    it('refuses MQTT 5 with return code 1, asks nobody, and tells who it was', async () => {
      await start();
      const options = { clientId: DOCK, username: 'yard', password: 'secret' };
      expect(await connackCode(url(), { ...options, protocolVersion: 5 })).to.equal(1);
      expect(mqtt5).to.have.length(1);
      expect(mqtt5[0]).to.include({ clientid: DOCK, username: 'yard', peerhost: '127.0.0.1' });
      expect(JSON.stringify(mqtt5)).to.not.include('secret');
      // A broker that gives it an id would only now make one.
      expect(await connackCode(url(), { clientId: '', protocolVersion: 5 })).to.equal(1);
      expect(mqtt5[1]).to.include({ clientid: '', username: '' });
      expect(await connackCode(url(), options), 'MQTT 3.1.1').to.equal(0);
      expect(await connackCode(url(), { ...options, protocolVersion: 3, protocolId: 'MQIsdp' })).to.equal(0);
      expect(provider.of('OnClientAuthenticate')).to.have.length(2);
      expect(mqtt5).to.have.length(2);
    });

    const refusals: [string, Handler][] = [
      ['says no', () => no],
      ['answers IGNORE', () => ignore],
      ['answers without a value', () => ({ type: 'STOP_AND_RETURN' })],
      [
        'fails',
        () => {
          throw new Error('scripted');
        },
      ],
    ];
    for (const [what, handler] of refusals) {
      it(`refuses a client with return code 5 if the provider ${what}`, async () => {
        await start({ OnClientAuthenticate: handler });
        expect(await connackCode(url(), { clientId: DOCK, username: 'yard', password: 'x' })).to.equal(5);
        expect(provider.of('OnClientConnected')).to.be.empty;
      });
    }

    it('refuses a password that is not UTF-8 without asking, as a gRPC string cannot hold it', async () => {
      await start();
      const password = Buffer.from([0xff, 0xfe]);
      expect(await connackCode(url(), { clientId: DOCK, username: 'yard', password })).to.equal(5);
      expect(provider.of('OnClientAuthenticate')).to.be.empty;
    });

    it('refuses everybody if the provider does not mount client.authenticate', async () => {
      await start({ OnProviderLoaded: () => ({ hooks: [{ name: 'message.publish' }] }) });
      expect(await connackCode(url(), { clientId: DOCK, username: 'yard', password: 'x' })).to.equal(5);
    });

    it('refuses everybody if the provider names a hook that EMQX does not have', async () => {
      await start({
        OnProviderLoaded: () => ({ hooks: [{ name: 'client.authenticate' }, { name: 'client.check_acl' }] }),
      });
      expect(await connackCode(url(), { clientId: DOCK, username: 'yard', password: 'x' })).to.equal(5);
      expect(errors[0]?.message).to.contain('unknown hook "client.check_acl"');
    });

    it('tells of connects and of disconnects with their reason', async () => {
      await start();
      const polite = await connect('polite');
      await polite.mqtt.endAsync(false);
      expect((await provider.once('OnClientDisconnected')).reason).to.equal('normal');
      expect(provider.of('OnClientConnected')[0]?.clientinfo.clientid).to.equal('polite');
    });

    it('calls a connection that breaks tcp_closed', async () => {
      await start();
      const client = await connect(DOCK);
      client.mqtt.stream.destroy();
      expect((await provider.once('OnClientDisconnected')).reason).to.equal('tcp_closed');
    });

    it('closes the older of two connections with one client id, and tells of it in that order', async () => {
      await start();
      const older = await connect(DOCK);
      const closed = new Promise<void>((resolve) =>
        older.mqtt.once('close', () => {
          resolve();
        }),
      );
      const newer = await connect(DOCK);
      await closed;
      expect((await provider.once('OnClientDisconnected')).reason).to.equal('discarded');
      expect(await newer.subscribe(REPLIES)).to.deep.equal([2]);
      const events = provider.asked.map((call) => call.method).filter((method) => /nected$/.test(method));
      expect(events).to.deep.equal(['OnClientConnected', 'OnClientDisconnected', 'OnClientConnected']);
    });
  });

  describe('subscribe', () => {
    it('refuses one filter with 128 and grants the others', async () => {
      await start({ OnClientAuthorize: ({ topic }) => (topic.includes('OTHER') ? no : yes) });
      const client = await connect(DOCK);
      const granted = await client.subscribe(REPLIES, 'thing/product/OTHER/requests_reply', `${OSD}/#`);
      expect(granted).to.deep.equal([2, 128, 2]);
      expect(provider.of('OnClientAuthorize').map(({ type, topic }) => [type, topic])).to.deep.equal([
        ['SUBSCRIBE', REPLIES],
        ['SUBSCRIBE', 'thing/product/OTHER/requests_reply'],
        ['SUBSCRIBE', `${OSD}/#`],
      ]);
    });

    it('does not deliver what a refused filter would match', async () => {
      await start({
        OnClientAuthorize: ({ type, topic }) => (type === 'SUBSCRIBE' && topic === OSD ? no : yes),
      });
      const client = await connect(DOCK);
      await client.subscribe(OSD, REPLIES);
      await client.publish(OSD, 'not for you', { qos: 1 });
      await client.publish(REPLIES, 'for you', { qos: 1 });
      expect((await client.next()).payload.toString()).to.equal('for you');
    });

    it('refuses $ topics without asking', async () => {
      await start();
      const client = await connect(DOCK);
      expect(await client.subscribe('$SYS/#', '$nowhere', '$share/g/t')).to.deep.equal([128, 128, 128]);
      expect(provider.of('OnClientAuthorize')).to.be.empty;
    });
  });

  describe('publish', () => {
    const reply: Handler = ({ message }) =>
      rewritten(message, {
        topic: REPLIES,
        payload: Buffer.from([0, 1, 0xff]),
        qos: Math.max(1, message.qos),
      });

    for (const qos of [0, 1, 2] as const) {
      it(`brings a rewritten QoS ${qos} message to its publisher and to others, and nobody the original`, async () => {
        await start({ OnMessagePublish: reply });
        const dock = await connect(DOCK);
        const backend = await connect('backend');
        await dock.subscribe(REPLIES);
        await backend.subscribe('thing/product/+/+');
        await dock.publish(REQUESTS, 'request', { qos });
        for (const client of [dock, backend]) {
          const { topic, payload, qos: delivered } = await client.next();
          expect([topic, delivered]).to.deep.equal([REPLIES, Math.max(1, qos)]);
          expect(payload).to.deep.equal(Buffer.from([0, 1, 0xff]));
        }
        await dock.publish(OSD, 'marker', { qos: 1 });
        expect((await backend.next()).payload.toString()).to.equal('marker');
      });

      it(`drops a QoS ${qos} message with allow_publish=false, acknowledges it and keeps the connection`, async () => {
        await start({
          OnMessagePublish: ({ message }) => rewritten(message, { headers: { allow_publish: 'false' } }),
        });
        const dock = await connect(DOCK);
        await dock.subscribe('#');
        await dock.publish(REQUESTS, 'request', { qos });
        await dock.publish(OSD, 'marker', { qos: 1 });
        expect((await dock.next()).topic).to.equal(OSD);
      });

      it(`drops a QoS ${qos} message that is not authorized, acknowledges it and keeps the connection`, async () => {
        await start({ OnClientAuthorize: ({ topic }) => (topic === REQUESTS ? no : yes) });
        const dock = await connect(DOCK);
        await dock.subscribe('#');
        await dock.publish(REQUESTS, 'request', { qos });
        await dock.publish(OSD, 'marker', { qos: 1 });
        expect((await dock.next()).topic).to.equal(OSD);
        expect(provider.of('OnMessagePublish')).to.be.empty;
      });
    }

    it('passes on untouched bytes for IGNORE', async () => {
      await start();
      const dock = await connect(DOCK);
      await dock.subscribe(REQUESTS);
      const bytes = Buffer.from([0x7b, 0, 0xff, 0xfe, 0x0a, 0xc3]);
      await dock.publish(REQUESTS, bytes, { qos: 1 });
      expect((await dock.next()).payload).to.deep.equal(bytes);
    });

    it('tells of a message what EMQX tells', async () => {
      await start();
      const dock = await connect(DOCK);
      await dock.publish(REQUESTS, 'hello', { qos: 1 });
      const { message } = await provider.once('OnMessagePublish');
      expect(message.id).to.match(/^[0-9A-F]{32}$/);
      expect({ ...message, payload: message.payload.toString() }).to.deep.include({
        node: 'test@127.0.0.1',
        from: DOCK,
        topic: REQUESTS,
        qos: 1,
        payload: 'hello',
        headers: { username: 'yard', protocol: 'mqtt', peerhost: '127.0.0.1' },
      });
    });

    it('makes no publish call for topics outside the filter: telemetry is free', async () => {
      await start();
      const dock = await connect(DOCK);
      await dock.subscribe(OSD);
      for (let i = 0; i < 20; i++) await dock.publish(OSD, `osd ${i}`);
      for (let i = 0; i < 20; i++) expect((await dock.next()).payload.toString()).to.equal(`osd ${i}`);
      expect(provider.of('OnMessagePublish')).to.be.empty;
    });

    it('asks to authorize a topic once per client, denials included', async () => {
      await start({ OnClientAuthorize: ({ topic }) => (topic === OSD ? yes : no) });
      const [one, two] = [await connect('one'), await connect('two')];
      for (const client of [one, one, one, two]) {
        await client.publish(OSD, 'x', { qos: 1 });
        await client.publish('elsewhere', 'x', { qos: 1 });
      }
      const asked = provider
        .of('OnClientAuthorize')
        .map((call) => `${call.clientinfo.clientid} ${call.topic}`);
      expect(asked).to.deep.equal([`one ${OSD}`, 'one elsewhere', `two ${OSD}`, 'two elsewhere']);
    });

    it('keeps $ topics to itself without asking', async () => {
      await start();
      const dock = await connect(DOCK);
      await dock.publish('$SYS/other-broker/new/clients', DOCK, { qos: 1 });
      expect(await dock.subscribe(REPLIES)).to.deep.equal([2]);
      expect(provider.of('OnClientAuthorize').map((call) => call.topic)).to.deep.equal([REPLIES]);
    });

    it('drops and reports a rewrite to a topic that cannot be published to', async () => {
      await start({ OnMessagePublish: ({ message }) => rewritten(message, { topic: 'a/+/b' }) });
      const dock = await connect(DOCK);
      await dock.subscribe('#');
      await dock.publish(REQUESTS, 'request', { qos: 1 });
      await dock.publish(OSD, 'marker', { qos: 1 });
      expect((await dock.next()).topic).to.equal(OSD);
      expect(errors.map((error) => error.message).join()).to.contain('topic "a/+/b"');
    });

    it('does not keep a rewritten message for later subscribers, though it was sent as retained', async () => {
      await start({ OnMessagePublish: reply });
      const dock = await connect(DOCK);
      await dock.subscribe(REPLIES);
      await dock.publish(REQUESTS, 'request', { qos: 1, retain: true });
      await dock.next();
      const later = await connect('later');
      await later.subscribe('#');
      await dock.publish(OSD, 'marker', { qos: 1 });
      expect((await later.next()).topic).to.equal(OSD);
    });

    it('asks about a last will, of whose origin it tells the username only', async () => {
      await start();
      const dock = await connectClient(url(), {
        clientId: DOCK,
        username: 'yard',
        will: { topic: REQUESTS, payload: Buffer.from('gone'), qos: 1 },
      });
      clients.push(dock);
      const watcher = await connect('watcher');
      await watcher.subscribe('#');
      dock.mqtt.stream.destroy();
      expect((await watcher.next()).payload.toString()).to.equal('gone');
      expect(provider.of('OnMessagePublish')[0]?.message.headers).to.deep.equal({ username: 'yard' });
    });

    it('keeps the order of one client, asking about its messages one at a time', async () => {
      let underWay = 0;
      let most = 0;
      await start({
        OnMessagePublish: async (asked) => {
          most = Math.max(most, ++underWay);
          await new Promise((resolve) => setImmediate(resolve));
          underWay--;
          return rewritten(asked.message, { topic: REPLIES, qos: 1 });
        },
      });
      const dock = await connect(DOCK);
      await dock.subscribe(REPLIES);
      const sent = Array.from({ length: 30 }, (_, i) => `request ${i}`);
      await Promise.all(sent.map((payload) => dock.publish(REQUESTS, payload, { qos: 1 })));
      const got: string[] = [];
      while (got.length < sent.length) got.push((await dock.next()).payload.toString());
      expect(got).to.deep.equal(sent);
      expect(most).to.equal(1);
    });

    it('lets one client go on while the provider thinks about another', async () => {
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      await start({
        OnMessagePublish: async ({ message }) => {
          if (message.from === 'slow') await held;
          return rewritten(message, { topic: `${message.from}/reply`, qos: 1 });
        },
      });
      const [slow, quick] = [await connect('slow'), await connect('quick')];
      for (const client of [slow, quick]) await client.subscribe('+/reply');
      const waiting = slow.publish(REQUESTS, 'x', { qos: 1 });
      await provider.once('OnMessagePublish');
      await quick.publish(REQUESTS, 'x', { qos: 1 });
      expect((await slow.next()).topic).to.equal('quick/reply');
      release();
      await waiting;
      expect((await slow.next()).topic).to.equal('slow/reply');
    });

    it('loses nothing of a mix of telemetry and requests at any QoS', async () => {
      await start({ OnMessagePublish: ({ message }) => rewritten(message, { topic: REPLIES, qos: 1 }) });
      const dock = await connect(DOCK);
      const backend = await connect('backend');
      await backend.subscribe('thing/product/+/+');
      const message = fc.record({ topic: fc.constantFrom(OSD, REQUESTS), qos: fc.constantFrom(0, 1, 2) });
      const mix = fc.array(message, { minLength: 1, maxLength: 40 });
      await fc.assert(
        fc.asyncProperty(mix, async (messages) => {
          const sent = messages.map(({ topic, qos }, i) => dock.publish(topic, `${i}`, { qos: qos }));
          await Promise.all(sent);
          const got: string[] = [];
          while (got.length < messages.length) got.push((await backend.next()).payload.toString());
          expect(got.map(Number).sort((a, b) => a - b)).to.deep.equal(messages.map((_, i) => i));
        }),
        { numRuns: 40 },
      );
    });
  });

  describe('without its provider', () => {
    it('refuses new clients, and reports which call failed', async () => {
      await start();
      provider.stop();
      expect(await connackCode(url(), { clientId: DOCK, username: 'yard', password: 'secret' })).to.equal(5);
      expect(errors[0]?.message).to.contain(provider.address).and.to.contain('OnClientAuthenticate');
      expect(errors[0]?.message).not.to.contain('secret');
    });

    it('passes on the original of a message the provider fails to answer for', async () => {
      await start({
        OnMessagePublish: () => {
          throw new Error('scripted');
        },
      });
      const dock = await connect(DOCK);
      await dock.subscribe('#');
      await dock.publish(REQUESTS, 'request', { qos: 1 });
      expect(await dock.next()).to.deep.include({ topic: REQUESTS, payload: Buffer.from('request') });
    });

    it('refuses subscriptions and drops messages that are not in the cache', async () => {
      await start();
      const dock = await connect(DOCK);
      await dock.subscribe(OSD);
      await dock.publish(OSD, 'first', { qos: 1 });
      provider.stop();
      expect(await dock.subscribe(REPLIES)).to.deep.equal([128]);
      await dock.publish(REPLIES, 'unknown', { qos: 1 });
      await dock.publish(OSD, 'second', { qos: 1 });
      expect((await dock.next()).payload.toString()).to.equal('first');
      expect((await dock.next()).payload.toString()).to.equal('second');
    });

    it('refuses everybody until the provider has been loaded, and asks it again', async () => {
      await start({ OnProviderLoaded: () => Promise.reject(new Error('scripted')) });
      const first = provider;
      expect(await connackCode(url(), { clientId: DOCK, username: 'yard', password: 'x' })).to.equal(5);
      first.stop();
      provider = await startProvider({}, Number(first.address.split(':')[1]));
      await provider.once('OnProviderLoaded');
      expect(await connackCode(url(), { clientId: DOCK, username: 'yard', password: 'x' })).to.equal(0);
    });
  });

  it('says what to do about a port that is taken', async () => {
    await start();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    try {
      const error: unknown = await startBroker({
        listen: { host: '127.0.0.1', port },
        exhook: provider.address,
      }).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(hasCode(error, 'usage')).to.be.true;
      expect((error as Error).message)
        .to.contain(`127.0.0.1:${port}`)
        .and.to.contain('DOCKHOOK_MQTT_LISTEN');
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
  });

  it('closes its connections, also those whose CONNECT is still being decided', async () => {
    await start({ OnClientAuthenticate: () => new Promise(() => undefined) });
    const pending = connackCode(url(), { clientId: DOCK, username: 'yard', password: 'x' }).catch(
      () => 'closed',
    );
    await provider.once('OnClientAuthenticate');
    await broker.close();
    expect(await pending).to.equal('closed');
  });
});
