/**
 * Mosquitto with the plugin: sessions that come, go, are kept and are fought over, and what may happen before dockhook
 * is there. Versions of Mosquitto differ here more than anywhere else.
 */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../support/haproxy.js';
import { connackCode, connectClient, type TestClient } from '../support/mqtt.js';
import { describeWithMosquitto, startMosquitto, type TestMosquitto } from '../support/mosquitto.js';
import { no, startProvider, yes, type Handler, type ScriptedProvider } from '../support/scripted-provider.js';

const PASSWORD = 'p4ssword of the test';
const SN = '7CTDTEST00000A';
const requestsOf = (sn: string): string => `thing/product/${sn}/requests`;
const REFUSED = 5;
/** How a session is kept when its client goes, by protocol version. */
const KEPT = [
  { protocolVersion: 4, clean: false },
  { protocolVersion: 5, clean: false, properties: { sessionExpiryInterval: 3600 } },
] as const;

describeWithMosquitto('Mosquitto with the plugin, and sessions', function () {
  this.timeout(30_000);
  let provider: ScriptedProvider;
  let broker: TestMosquitto;
  const clients: TestClient[] = [];

  async function start(
    handlers: Record<string, Handler> = {},
    more: Partial<Parameters<typeof startMosquitto>[0]> = {},
  ): Promise<void> {
    provider = await startProvider(handlers);
    broker = await startMosquitto({ exhook: provider.address, ...more });
  }
  async function connect(
    clientId: string,
    more: Parameters<typeof connectClient>[1] = {},
  ): Promise<TestClient> {
    const options = { clientId, username: clientId, password: PASSWORD, ...more };
    const client = await connectClient(broker.url, options);
    clients.push(client);
    return client;
  }
  const isMosquitto20 = (): boolean => broker.log().includes('mosquitto version 2.0.');
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    provider.stop();
    expect(await broker.stop(), broker.log()).to.equal(0);
  });

  describe('tells that a client has gone', () => {
    for (const kept of KEPT) {
      it(`whose session is kept (MQTT ${kept.protocolVersion === 4 ? '3.1.1' : '5'})`, async () => {
        await start();
        await (await connect(SN, kept)).mqtt.endAsync();
        expect((await provider.once('OnClientDisconnected')).clientinfo.clientid).to.equal(SN);
        await connect(SN, kept);
        expect(provider.of('OnClientDisconnected')).to.have.lengthOf(1);
      });
    }

    const ends: [what: string, end: (client: TestClient) => unknown, reason: string][] = [
      ['that says goodbye', ({ mqtt }) => mqtt.endAsync(), 'normal'],
      ['that is cut off', ({ mqtt }) => mqtt.stream.destroy(), 'tcp_closed'],
      [
        'that says what makes no sense',
        ({ mqtt }) => mqtt.stream.write(Buffer.from([0xf0, 0])),
        'protocol_error',
      ],
    ];
    for (const [what, end, reason] of ends) {
      it(`and why, ${what}, if the broker knows it`, async () => {
        await start();
        await end(await connect(SN));
        const told = (await provider.once('OnClientDisconnected')).reason;
        expect(told).to.equal(isMosquitto20() ? 'unknown' : reason);
      });
    }
  });

  for (const kept of [{ clean: true }, ...KEPT]) {
    it(`publishes the last will of who is cut off, where dockhook asks for messages: ${JSON.stringify(kept)}`, async () => {
      await start();
      const watcher = await connect('watcher');
      await watcher.subscribe('thing/#');
      const will = {
        topic: requestsOf(SN),
        payload: Buffer.from('last will'),
        qos: 1 as const,
        retain: false,
      };
      const dock = await connect(SN, { ...kept, will });
      dock.mqtt.stream.destroy();
      expect(await watcher.next()).to.deep.include({ topic: will.topic, payload: will.payload });
    });
  }

  describe('decides before the broker looks who else has the client id', () => {
    for (const kept of [{ clean: true }, ...KEPT]) {
      it(`who is refused ends, takes and wakes no session: ${JSON.stringify(kept)}`, async () => {
        await start({
          OnClientAuthenticate: ({ clientinfo: { username, password } }) =>
            username === SN && password === PASSWORD ? yes : no,
        });
        const will = {
          topic: 'thing/will',
          payload: Buffer.from('last will'),
          qos: 1 as const,
          retain: false,
        };
        const dock = await connect(SN, { ...kept, will });
        await dock.subscribe('thing/#');
        const strangers = [
          { username: 'stranger', password: 'wrong' },
          { username: SN, password: 'wrong', clean: true },
          {},
        ];
        for (const stranger of strangers) {
          const code = await connackCode(broker.url, { ...kept, clientId: SN, ...stranger });
          expect(code).to.be.oneOf([REFUSED, 135]);
        }
        await dock.publish('thing/still', 'here', { qos: 1 });
        expect((await dock.next()).topic).to.equal('thing/still');
        expect(provider.of('OnClientDisconnected')).to.be.empty;
      });
    }
  });

  it('lets nobody in by an authentication method of MQTT 5', async () => {
    await start();
    const code = await connackCode(broker.url, {
      protocolVersion: 5,
      clientId: SN,
      username: SN,
      password: PASSWORD,
      properties: { authenticationMethod: 'PLAIN', authenticationData: Buffer.from('x') },
    });
    expect(code).to.be.oneOf([135, 140]);
  });

  it('asks about topics with the mount_point in front of them, which are none of a dock’s', async () => {
    await start(
      { OnClientAuthorize: ({ topic }) => (topic.startsWith('thing/') ? yes : no) },
      { listener: (port) => [`listener ${port} 127.0.0.1`, 'mount_point fleet/'] },
    );
    const dock = await connect(SN);
    expect(await dock.subscribe(`${requestsOf(SN)}_reply`)).to.deep.equal([128]);
    await dock.publish(requestsOf(SN), '', { qos: 1 });
    const asked = provider.of('OnClientAuthorize').map(({ topic }) => topic);
    expect(asked).to.deep.equal([`fleet/${requestsOf(SN)}_reply`, `fleet/${requestsOf(SN)}`]);
    expect(provider.of('OnMessagePublish')).to.be.empty;
  });

  describe('before dockhook is there', () => {
    let directory: string;
    let silent: Server | undefined;
    const open = new Set<Socket>();
    async function endSilent(): Promise<void> {
      for (const socket of open) socket.destroy();
      const ended = silent;
      silent = undefined;
      if (ended) await new Promise((resolve) => ended.close(resolve));
    }
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'dockhook-persistence-'));
    });
    afterEach(async () => {
      await endSilent();
      rmSync(directory, { recursive: true });
    });

    const absences: [what: string, arrange: (port: number) => Promise<void>][] = [
      ['nobody listens on its port', () => Promise.resolve()],
      [
        'its port takes connections and says nothing',
        async (port) => {
          const server = createServer((socket) => open.add(socket));
          silent = server;
          await new Promise<void>((resolve) => {
            server.listen(port, '127.0.0.1', resolve);
          });
        },
      ],
      [
        'it does not answer which hooks it wants',
        async (port) => {
          provider = await startProvider({ OnProviderLoaded: () => new Promise(() => undefined) }, port);
        },
      ],
      [
        'it wants to be asked nothing',
        async (port) => {
          provider = await startProvider({ OnProviderLoaded: () => ({ hooks: [] }) }, port);
        },
      ],
    ];
    for (const [what, arrange] of absences) {
      it(`a broker that starts again lets nobody in, and nobody hears anything: ${what}`, async () => {
        const [port = 0, listen = 0] = await freePorts(2);
        const more = {
          exhook: `127.0.0.1:${port}`,
          listener: () => [`listener ${listen} 127.0.0.1`],
          settings: ['persistence true', `persistence_location ${directory}/`],
        };
        const url = `mqtt://127.0.0.1:${listen}`;
        const backend = { clientId: 'backend', username: 'backend', password: PASSWORD, clean: false };
        provider = await startProvider({}, port);
        broker = await startMosquitto(more);
        const before = await connectClient(url, backend);
        await before.subscribe('thing/#');
        await before.mqtt.endAsync();
        const source = await connectClient(url, { ...backend, clientId: SN, clean: true });
        await source.publish('thing/kept', 'for the backend', { qos: 1, retain: true });
        await source.mqtt.endAsync();
        provider.stop();
        expect(await broker.stop(), broker.log()).to.equal(0);

        await arrange(port);
        const seen = { running: false, refused: 0 };
        const starting = startMosquitto({ ...more, alone: true }).finally(() => (seen.running = true));
        // From the first moment in which the port is open.
        while (!seen.running || seen.refused < 40) {
          for (const options of [backend, { ...backend, clientId: 'stranger', username: 'stranger' }]) {
            const code = await connackCode(url, options).catch(() => undefined);
            expect(code).not.to.equal(0);
            if (code === REFUSED) seen.refused += 1;
          }
        }
        broker = await starting;
        // And it was there, all the time.
        await endSilent();
        provider.stop();
        provider = await startProvider({}, port);
        await broker.says(' serves');
        while ((await connackCode(url, { ...backend, clientId: 'other', clean: true })) !== 0);
        const again = await connectClient(url, backend);
        clients.push(again);
        expect((await again.next()).payload.toString()).to.equal('for the backend');
      });
    }
  });
});
