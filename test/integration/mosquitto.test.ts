/** Mosquitto with the plugin: what it asks and tells, in what order, and what it makes of the answers. */
import { expect } from 'chai';
import { connectClient, connackCode, type TestClient } from '../support/mqtt.js';
import { describeWithMosquitto, startMosquitto, type TestMosquitto } from '../support/mosquitto.js';
import {
  ignore,
  no,
  rewritten,
  startProvider,
  yes,
  type Asked,
  type Handler,
  type ScriptedProvider,
} from '../support/scripted-provider.js';

const PASSWORD = 'p4ssword of the test';
const requestsOf = (sn: string): string => `thing/product/${sn}/requests`;
const replyTo = ({ message }: Asked): object => rewritten(message, { topic: `${message.topic}_reply` });

const closing = ({ mqtt }: TestClient): Promise<void> =>
  new Promise((resolve) => {
    mqtt.once('close', resolve);
  });

/** What an answer waits for, to be let go by hand. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

describeWithMosquitto('Mosquitto with the plugin', () => {
  let provider: ScriptedProvider;
  let broker: TestMosquitto;
  const clients: TestClient[] = [];

  async function start(
    handlers: Record<string, Handler> = {},
    options: Record<string, string | number> = {},
  ): Promise<void> {
    provider = await startProvider(handlers);
    broker = await startMosquitto({
      exhook: provider.address,
      options: { node: 'mosquitto@test', ...options },
    });
  }
  async function connect(
    clientId: string,
    more: Parameters<typeof connectClient>[1] = {},
  ): Promise<TestClient> {
    const client = await connectClient(broker.url, {
      clientId,
      username: clientId,
      password: PASSWORD,
      ...more,
    });
    clients.push(client);
    return client;
  }
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    provider.stop();
    expect(await broker.stop(), broker.log()).to.equal(0);
    expect(broker.log()).not.to.include(PASSWORD);
  });

  describe('asks', () => {
    const meta = { node: 'mosquitto@test', sysdescr: 'Mosquitto', cluster_name: 'mosquitto' };
    const dock = {
      node: 'mosquitto@test',
      clientid: 'SN1',
      username: 'SN1',
      password: '',
      peerhost: '127.0.0.1',
      sockport: 0,
      peerport: 0,
      protocol: 'mqtt',
      mountpoint: '',
      is_superuser: false,
      anonymous: true,
      cn: '',
      dn: '',
    };

    it('what EMQX asks, with its values', async () => {
      await start();
      const client = await connect('SN1');
      await client.subscribe(`${requestsOf('SN1')}_reply`);
      const before = Date.now();
      await client.publish(requestsOf('SN1'), Buffer.from([0, 255, 1]), { qos: 1 });
      await client.mqtt.endAsync();

      expect((await provider.once('OnProviderLoaded')).meta).to.deep.include(meta);
      const authenticate = await provider.once('OnClientAuthenticate');
      expect(authenticate.clientinfo).to.deep.equal({ ...dock, password: PASSWORD });
      expect(authenticate.meta).to.deep.include(meta);
      expect((await provider.once('OnClientConnected')).clientinfo).to.deep.equal(dock);
      expect(
        provider.of('OnClientAuthorize').map(({ clientinfo, type, topic }) => ({ clientinfo, type, topic })),
      ).to.deep.equal([
        { clientinfo: dock, type: 'SUBSCRIBE', topic: `${requestsOf('SN1')}_reply` },
        { clientinfo: dock, type: 'PUBLISH', topic: requestsOf('SN1') },
      ]);
      const { id, timestamp, ...message } = (await provider.once('OnMessagePublish'))
        .message as Asked['message'] & {
        timestamp: string;
      };
      expect(id).to.match(/^[0-9A-F]{32}$/);
      expect(Number(timestamp)).to.be.within(before - 1000, Date.now() + 1000);
      expect(message).to.deep.equal({
        node: 'mosquitto@test',
        qos: 1,
        from: 'SN1',
        topic: requestsOf('SN1'),
        payload: Buffer.from([0, 255, 1]),
        headers: { username: 'SN1', protocol: 'mqtt', peerhost: '127.0.0.1' },
      });
      expect((await provider.once('OnClientDisconnected')).clientinfo).to.deep.equal(dock);
    });

    it('about a topic once, and not about what is delivered or unsubscribed', async () => {
      await start();
      const watcher = await connect('watcher');
      await watcher.subscribe('thing/#');
      const client = await connect('SN1');
      for (let i = 0; i < 3; i += 1) await client.publish('thing/product/SN1/osd', String(i), { qos: 1 });
      for (let i = 0; i < 3; i += 1) expect((await watcher.next()).payload.toString()).to.equal(String(i));
      await watcher.mqtt.unsubscribeAsync('thing/#');
      expect(provider.of('OnClientAuthorize').map(({ topic }) => topic)).to.deep.equal([
        'thing/#',
        'thing/product/SN1/osd',
      ]);
    });

    it('about a shared subscription by its filter', async () => {
      await start();
      await (await connect('watcher')).subscribe('$share/group/thing/+/x');
      expect(provider.of('OnClientAuthorize').map(({ topic }) => topic)).to.deep.equal(['thing/+/x']);
    });

    it('again about a topic when its answer is old, and takes the new answer', async () => {
      let allowed = true;
      await start({ OnClientAuthorize: () => (allowed ? yes : no) }, { acl_seconds: 1 });
      const client = await connect('SN1', { protocolVersion: 5 });
      const publish = (): Promise<string> =>
        client.publish('thing/product/SN1/osd', '', { qos: 1 }).then(
          () => 'taken',
          () => 'refused',
        );
      expect(await publish()).to.equal('taken');
      allowed = false;
      while ((await publish()) === 'taken');
      expect(provider.of('OnClientAuthorize')).to.have.length.of.at.least(2);
    });

    it('nobody about a client that comes without a username, and refuses it', async () => {
      await start();
      expect(await connackCode(broker.url, { clientId: 'scanner' })).to.equal(5);
      // The server is told all the same.
      expect((await provider.once('OnClientAuthenticate')).clientinfo.clientid).to.equal('scanner');
    });

    it('nobody about a password that is not UTF-8, and refuses it', async () => {
      await start();
      const password = Buffer.from([0xff, 0xfe]);
      expect(await connackCode(broker.url, { clientId: 'SN1', username: 'SN1', password })).to.equal(5);
      expect(provider.of('OnClientAuthenticate')).to.be.empty;
    });
  });

  it('loses no request because the answer to "may it publish there?" takes long', async () => {
    const asked = gate();
    await start({
      OnClientAuthorize: async ({ type }) => {
        if (type === 'PUBLISH') await asked.opened;
        return yes;
      },
      OnMessagePublish: replyTo,
    });
    const client = await connect('SN1');
    await client.subscribe(`${requestsOf('SN1')}_reply`);
    for (const payload of ['first', 'second']) await client.publish(requestsOf('SN1'), payload, { qos: 1 });
    asked.open();
    for (const payload of ['first', 'second']) {
      expect((await client.next()).payload.toString()).to.equal(payload);
    }
  });

  for (const ending of ['is cut off', 'is taken over']) {
    it(`asks whether a last will may be published, when its session ${ending}`, async () => {
      await start({ OnClientAuthorize: ({ topic }) => (topic === requestsOf('SN2') ? no : yes) });
      const watcher = await connect('watcher');
      await watcher.subscribe('thing/+/+/+', 'test/#');
      const will = {
        topic: requestsOf('SN2'),
        payload: Buffer.from('forged'),
        qos: 2 as const,
        retain: false,
      };
      const client = await connect('SN1', { will });
      const closed = closing(client);
      if (ending === 'is cut off') client.mqtt.stream.destroy();
      else await connect('SN1');
      await closed;
      await provider.once('OnClientDisconnected');
      await watcher.publish('test/marker', '', { qos: 2 });
      expect((await watcher.next()).topic).to.equal('test/marker');
      expect(provider.of('OnClientAuthorize').map(({ topic }) => topic)).to.include(requestsOf('SN2'));
    });
  }

  describe('keeps the order of one client', () => {
    it('by one call at a time, while others are answered', async () => {
      const first = gate();
      await start({
        OnMessagePublish: async (asked) => {
          if (asked.message.payload.toString() === 'first') await first.opened;
          return replyTo(asked);
        },
      });
      const slow = await connect('SN1');
      const other = await connect('SN2');
      await slow.subscribe(`${requestsOf('SN1')}_reply`);
      await other.subscribe(`${requestsOf('SN2')}_reply`);
      for (const payload of ['first', 'second', 'third']) {
        await slow.publish(requestsOf('SN1'), payload, { qos: 1 });
      }
      await other.publish(requestsOf('SN2'), 'other', { qos: 1 });
      expect((await other.next()).payload.toString()).to.equal('other');
      const asked = provider.of('OnMessagePublish').map(({ message }) => message.payload.toString());
      expect(asked).to.deep.equal(['first', 'other']);
      first.open();
      for (const payload of ['first', 'second', 'third']) {
        expect((await slow.next()).payload.toString()).to.equal(payload);
      }
    });

    it('and tells of a session taken over after the login, the old one first', async () => {
      await start();
      const old = await connect('SN1');
      const closed = closing(old);
      await provider.once('OnClientConnected');
      const client = await connect('SN1');
      await closed;
      await client.publish(requestsOf('SN1'), '', { qos: 1 });
      await provider.once('OnMessagePublish');
      const story = provider.asked
        .filter(({ method }) => /Connected|Disconnected|Authenticate/.test(method))
        .map(({ method, reason }) => (method === 'OnClientDisconnected' ? `${method} ${reason}` : method));
      expect(story).to.deep.equal([
        'OnClientAuthenticate',
        'OnClientConnected',
        'OnClientAuthenticate',
        'OnClientDisconnected discarded',
        'OnClientConnected',
      ]);
    });
  });

  describe('applies an answer as EMQX does', () => {
    for (const qos of [0, 1, 2] as const) {
      it(`with the QoS it has (${qos}), to the topic it has`, async () => {
        await start({
          OnMessagePublish: ({ message }) =>
            rewritten(message, { topic: 'some/where', payload: Buffer.from('else'), qos }),
        });
        const client = await connect('SN1');
        await client.subscribe('some/where');
        await client.publish(requestsOf('SN1'), 'request', { qos: 1 });
        expect(await client.next()).to.deep.equal({ topic: 'some/where', payload: Buffer.from('else'), qos });
      });
    }

    it('and keeps nothing on topics that are asked for, answered, passed on or passed without it', async () => {
      await start({
        OnMessagePublish: (asked) => (asked.message.payload.toString() === 'pass' ? ignore : replyTo(asked)),
      });
      const client = await connect('SN1');
      await client.subscribe('test/#', 'thing/#');
      const publish = (payload: string, topic = requestsOf('SN1')): Promise<void> =>
        client.publish(topic, payload, { qos: 1, retain: true });
      for (const payload of ['pass', 'answer']) {
        await publish(payload);
        expect((await client.next()).payload.toString()).to.equal(payload);
      }
      // May be asked about on the other topics when it is not there.
      for (const topic of ['thing/other', 'thing/marker']) {
        await publish('', topic);
        await client.next();
      }
      provider.stop();
      await broker.says('cannot be reached');
      for (const topic of [requestsOf('SN1'), 'thing/other']) {
        await publish('without', topic);
        expect((await client.next()).payload.toString()).to.equal('without');
      }
      provider = await startProvider({}, Number(provider.address.split(':')[1]));
      await broker.says(' serves');
      const late = await connect('late');
      await late.subscribe('thing/#');
      await publish('', 'thing/marker');
      expect([(await late.next()).topic, (await late.next()).topic]).to.deep.equal([
        'thing/other',
        'thing/marker',
      ]);
    });

    it('and tells an MQTT 5 client of a request that is answered no error', async () => {
      await start({ OnMessagePublish: replyTo });
      const client = await connect('SN1', { protocolVersion: 5 });
      // Rejects for reason codes of 128 and above; 16, "no matching subscribers", is what EMQX may say too.
      await client.publish(requestsOf('SN1'), 'request', { qos: 1 });
      await client.publish(requestsOf('SN1'), 'request', { qos: 2 });
    });

    const bad: [what: string, change: object][] = [
      ['a wildcard in its topic', { topic: 'a/+/b' }],
      ['no topic', { topic: '' }],
      ['a NUL in its topic', { topic: 'a\0b' }],
      ['QoS 3', { qos: 3 }],
    ];
    for (const [what, change] of bad) {
      it(`but one with ${what} reaches nobody, and is logged`, async () => {
        await start({ OnMessagePublish: ({ message }) => rewritten(message, change) });
        const client = await connect('SN1');
        await client.subscribe('#');
        await client.publish(requestsOf('SN1'), 'request', { qos: 1 });
        await broker.says('cannot be published');
        await client.publish('test/marker', '', { qos: 1 });
        expect((await client.next()).topic).to.equal('test/marker');
      });
    }
  });

  it('shows nobody a suppressed message, however it is asked for', async () => {
    await start({
      OnMessagePublish: ({ message }) => ({ ...rewritten(message, { headers: { allow_publish: 'false' } }) }),
    });
    const watcher = await connect('watcher');
    await watcher.subscribe('#', '$', '$/#', '+/#');
    const client = await connect('SN1');
    for (const qos of [0, 1, 2] as const)
      await client.publish(requestsOf('SN1'), 'secret', { qos, retain: true });
    await client.publish('test/marker', '', { qos: 2 });
    expect((await watcher.next()).topic).to.equal('test/marker');
    const late = await connect('late');
    await late.subscribe('#', '$');
    await client.publish('test/marker', '', { qos: 2 });
    expect((await late.next()).topic).to.equal('test/marker');
  });

  it('delivers nothing of a session to another account that takes its client id', async () => {
    const owner = 'owner';
    await start({ OnClientAuthorize: ({ clientinfo }) => (clientinfo.username === owner ? yes : no) });
    const kept = { clean: false };
    const first = await connect('backend', { ...kept, username: owner });
    await first.subscribe('thing/#');
    const closed = closing(first);
    // Comes without subscribing: the broker has kept the other's subscription.
    const stranger = await connect('backend', { ...kept, username: 'stranger' });
    await closed;
    const source = await connect('source', { username: owner });
    await source.publish('thing/one', 'secret', { qos: 1 });
    await stranger.mqtt.endAsync();
    const again = await connect('backend', { ...kept, username: owner });
    await source.publish('thing/two', '', { qos: 1 });
    expect((await again.next()).topic).to.equal('thing/two');
    expect(stranger.received).to.be.empty;
  });

  it('refuses what would wait beyond the limit, and answers the rest', async () => {
    const first = gate();
    await start(
      {
        OnMessagePublish: async (asked) => {
          await first.opened;
          return replyTo(asked);
        },
      },
      { queue_per_client: 3 },
    );
    const client = await connect('SN1', { protocolVersion: 5 });
    await client.subscribe(`${requestsOf('SN1')}_reply`);
    // The news of its coming has its turn too.
    await provider.once('OnClientConnected');
    const publish = (payload: string): Promise<unknown> =>
      client.publish(requestsOf('SN1'), payload, { qos: 1 }).then(
        () => 'taken',
        (error: unknown) => (error as { code: number }).code,
      );
    expect([await publish('1'), await publish('2'), await publish('3'), await publish('4')]).to.deep.equal([
      'taken',
      'taken',
      'taken',
      135,
    ]);
    first.open();
    for (const payload of ['1', '2', '3']) expect((await client.next()).payload.toString()).to.equal(payload);
    expect(await publish('5')).to.equal('taken');
    expect((await client.next()).payload.toString()).to.equal('5');
  });

  it('lets what is no request go on unasked beyond the limit, so that none is lost', async () => {
    let waits = gate();
    waits.open();
    const topic = 'sys/product/SN1/status';
    await start(
      {
        OnProviderLoaded: () => ({
          hooks: [
            { name: 'client.authenticate' },
            { name: 'client.authorize' },
            { name: 'message.publish', topics: [topic] },
          ],
        }),
        OnMessagePublish: () => waits.opened.then(() => ignore),
      },
      { queue_per_client: 3 },
    );
    const backend = await connect('backend');
    await backend.subscribe(topic);
    const dock = await connect('SN1');
    // From now on, the broker knows that it may.
    await dock.publish(topic, 'first', { qos: 1 });
    expect((await backend.next()).payload.toString()).to.equal('first');
    waits = gate();
    for (let sent = 1; sent <= 5; sent += 1) await dock.publish(topic, String(sent), { qos: 1 });
    const beyond = [await backend.next(), await backend.next()];
    waits.open();
    const waited = [await backend.next(), await backend.next(), await backend.next()];
    expect(beyond.map(({ payload }) => payload.toString())).to.deep.equal(['4', '5']);
    expect(waited.map(({ payload }) => payload.toString())).to.deep.equal(['1', '2', '3']);
  });

  it('answers each of 10,000 requests of 50 docks once, and no telemetry leaves the broker', async function () {
    this.timeout(120_000);
    const [docks, each, window] = [50, 200, 5];
    await start({ OnMessagePublish: replyTo });
    /** Fifty at once may be too many to wait for: then one is refused, and let in when it comes again. */
    const connectAsDock = async (sn: string): Promise<TestClient> => {
      for (;;) {
        const client = await connect(sn).catch(() => undefined);
        if (client) return client;
      }
    };
    const walk = async (number: number): Promise<void> => {
      const sn = `SN${number}`;
      const dock = await connectAsDock(sn);
      await dock.subscribe(`${requestsOf(sn)}_reply`);
      for (let sent = 0; sent < each; sent += window) {
        for (let i = sent; i < sent + window; i += 1) {
          await dock.publish(`thing/product/${sn}/osd`, 'telemetry', { qos: 0 });
          await dock.publish(requestsOf(sn), String(i), { qos: 1 });
        }
        for (let i = sent; i < sent + window; i += 1) {
          expect((await dock.next()).payload.toString()).to.equal(String(i));
        }
      }
      expect(dock.received).to.have.lengthOf(each);
    };
    await Promise.all(Array.from({ length: docks }, (_, number) => walk(number)));
    const asked = provider.of('OnMessagePublish');
    expect(asked).to.have.lengthOf(docks * each);
    expect(asked.filter(({ message }) => !message.topic.endsWith('/requests'))).to.be.empty;
    // Once for each dock and topic, however many messages.
    expect(provider.of('OnClientAuthorize')).to.have.lengthOf(docks * 3);
  });
});
