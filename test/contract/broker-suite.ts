/**
 * What a dock may rely on from a broker with dockhook behind it, whichever broker that is. Written over an
 * MQTT URL; what brokers differ in stands in {@link Capabilities}, and nothing else may differ.
 */
import { expect } from 'chai';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { connackCode, connectClient, type Received, type TestClient } from '../support/mqtt.js';

export interface Capabilities {
  /** Whether MQTT 5 clients are served besides 3.1.1. */
  mqtt5: boolean;
  /** What a client meets that publishes what it may not: an ordinary acknowledgement, or the end of its connection. */
  refusedPublish: 'acked' | 'closes';
}

export interface BrokerUnderTest {
  /** `mqtt://host:port` */
  url: string;
  stop(): Promise<unknown>;
}

type Data = Record<string, unknown>;

const QOS = [0, 1, 2] as const;
const PASSWORD = 'a password of the yard';
const CODE = 'K7Q2-M4TX';
const LICENSE = { appId: '166400', appKey: 'key-of-the-app', appLicense: 'license-of-the-app' };
const FOREIGN = '7CTDTEST00000Z';
const CONTROLLER = '9N9CNTEST00RC2';

/** Each test has a dock of its own, so that none depends on what another bound. */
const gatewayOf = (version: number, qos: number): string => `7CTDTEST0V${version}Q${qos}`;
const droneOf = (gateway: string): string => `1581F${gateway}`;
const requestsOf = (gateway: string): string => `thing/product/${gateway}/requests`;

/** @param start starts the broker on this ExHook server (`host:port`), and resolves when it asks it */
export function describeBroker(
  name: string,
  capabilities: Capabilities,
  start: (exhook: string) => Promise<BrokerUnderTest>,
): void {
  const versions = capabilities.mqtt5 ? ([4, 5] as const) : ([4] as const);
  describe(`${name} as a broker`, () => {
    let dockhook: TestDockhook;
    let broker: BrokerUnderTest;

    before(async () => {
      dockhook = await startDockhook();
      await dockhook.ready;
      const gateways = versions.flatMap((version) => QOS.map((qos) => gatewayOf(version, qos)));
      await dockhook.addAccount('yard', PASSWORD, { kind: 'gateways', gateways });
      await dockhook.addAccount('elsewhere', PASSWORD, { kind: 'gateways', gateways: [FOREIGN] });
      const controllers = { kind: 'gateways' as const, gateways: [CONTROLLER] };
      await dockhook.addAccount('controller', PASSWORD, controllers, { organizationId: 'org-7' });
      await dockhook.addAccount('backend', PASSWORD, { kind: 'service', publish: ['#'], subscribe: ['#'] });
      await dockhook.stores.organizations.add({ id: 'org-7', name: 'North yard', bindingCode: CODE });
      await dockhook.stores.license.set(LICENSE);
      broker = await start(dockhook.grpc);
    });

    after(async () => {
      await broker.stop();
      await dockhook.stop(0);
    });

    for (const version of versions) {
      describe(`to MQTT ${version === 4 ? '3.1.1' : '5'} clients`, () => {
        describeVersion(version, capabilities, () => ({ dockhook, broker }));
      });
    }
  });
}

function describeVersion(
  protocolVersion: 4 | 5,
  capabilities: Capabilities,
  world: () => { dockhook: TestDockhook; broker: BrokerUnderTest },
): void {
  const refused = protocolVersion === 4 ? { connack: 5, suback: 128 } : { connack: 135, suback: 135 };
  const clients: TestClient[] = [];
  const gateway = gatewayOf(protocolVersion, 0);

  async function connect(username: string, clientId: string): Promise<TestClient> {
    const client = await connectClient(world().broker.url, {
      protocolVersion,
      clientId,
      username,
      password: PASSWORD,
    });
    clients.push(client);
    return client;
  }

  const backend = async (...filters: string[]): Promise<TestClient> => {
    const client = await connect('backend', `backend-${protocolVersion}`);
    await client.subscribe(...filters);
    return client;
  };

  /** Whatever was to come before has come once the marker is there. */
  async function untilMarker(watcher: TestClient): Promise<Received[]> {
    const marker = 'test/marker';
    // QoS 2: a message of QoS 2 takes more packets, and would be overtaken by another.
    await watcher.publish(marker, 'here', { qos: 2 });
    const before: Received[] = [];
    for (;;) {
      const message = await watcher.next();
      if (message.topic === marker) return before;
      before.push(message);
    }
  }

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });

  describe('connect', () => {
    const cases: [string, { username?: string; password?: string }, boolean][] = [
      ['lets an account with its password in', { username: 'yard', password: PASSWORD }, true],
      ['refuses a wrong password', { username: 'yard', password: `${PASSWORD} ` }, false],
      ['refuses an unknown account', { username: 'nobody', password: PASSWORD }, false],
      ['refuses a client without a username', {}, false],
    ];
    for (const [what, credentials, allowed] of cases) {
      it(what, async () => {
        const code = await connackCode(world().broker.url, {
          protocolVersion,
          clientId: gateway,
          ...credentials,
        });
        expect(code).to.equal(allowed ? 0 : refused.connack);
      });
    }
  });

  describe('the four methods', () => {
    for (const qos of QOS) {
      it(`are answered at QoS ${qos}, to the dock and to whoever listens`, async () => {
        const sn = gatewayOf(protocolVersion, qos);
        const drone = droneOf(sn);
        const dock = await connect('yard', sn);
        await dock.subscribe(`${requestsOf(sn)}_reply`);
        const watcher = await backend(`thing/product/${sn}/+`, 'test/#');
        const replies: Received[] = [];

        async function ask(method: string, data: Data): Promise<Data> {
          const request = { tid: `T-${method}`, bid: `B-${method}`, timestamp: 1, gateway: sn, method, data };
          await dock.publish(requestsOf(sn), JSON.stringify(request), { qos });
          const reply = await dock.next();
          replies.push(reply);
          expect(reply.topic).to.equal(`${requestsOf(sn)}_reply`);
          expect(reply.qos).to.equal(Math.max(1, qos));
          const { data: answer, timestamp, ...envelope } = JSON.parse(reply.payload.toString()) as Data;
          expect(envelope).to.deep.equal({ tid: `T-${method}`, bid: `B-${method}`, gateway: sn, method });
          expect(timestamp).to.be.a('number').above(1);
          return answer as Data;
        }

        const status = async (): Promise<boolean[]> => {
          const answer = await ask('airport_bind_status', { devices: [{ sn: drone }, { sn }] });
          const { bind_status } = answer['output'] as {
            bind_status: { is_device_bind_organization: boolean }[];
          };
          return bind_status.map((device) => device.is_device_bind_organization);
        };

        expect(await ask('config', { config_type: 'json', config_scope: 'product' })).to.include({
          app_id: LICENSE.appId,
          app_key: LICENSE.appKey,
          app_license: LICENSE.appLicense,
        });
        expect(await status()).to.deep.equal([false, false]);
        const credentials = { device_binding_code: CODE, organization_id: 'org-7' };
        expect(await ask('airport_organization_get', credentials)).to.deep.equal({
          result: 0,
          output: { organization_name: 'North yard' },
        });
        const devices = [
          { ...credentials, sn, device_callsign: 'Dock', device_model_key: '3-3-0' },
          { ...credentials, sn: drone, device_callsign: 'Drone', device_model_key: '0-100-1' },
        ];
        expect(await ask('airport_organization_bind', { bind_devices: devices })).to.deep.equal({
          result: 0,
          output: {
            err_infos: [
              { sn, err_code: 0 },
              { sn: drone, err_code: 0 },
            ],
          },
        });
        expect(await status()).to.deep.equal([true, true]);

        const seen = await untilMarker(watcher);
        expect(seen).to.deep.equal(replies, 'a listener sees the replies and no request');
      });
    }
  });

  describe('a dock that names its drone by an empty SN', () => {
    it('is bound, and told so of itself alone', async () => {
      const dock = await connect('yard', gateway);
      await dock.subscribe(`${requestsOf(gateway)}_reply`);
      async function ask(method: string, data: Data): Promise<unknown> {
        const request = { tid: 'T', bid: 'B', timestamp: 1, method, data };
        await dock.publish(requestsOf(gateway), JSON.stringify(request), { qos: 1 });
        return (JSON.parse((await dock.next()).payload.toString()) as { data: unknown }).data;
      }
      const device = { device_binding_code: CODE, organization_id: 'org-7' };
      const names = { device_callsign: 'Dock', device_model_key: '3-2-0' };
      const bind_devices = [
        { ...device, ...names, sn: gateway },
        { ...device, sn: '', device_callsign: '', device_model_key: '' },
      ];
      expect(await ask('airport_organization_bind', { bind_devices })).to.deep.equal({
        result: 0,
        output: {
          err_infos: [
            { sn: gateway, err_code: 0 },
            { sn: '', err_code: 200001 },
          ],
        },
      });
      const status = await ask('airport_bind_status', { devices: [{ sn: '' }, { sn: gateway }] });
      expect(status).to.have.nested.property('output.bind_status[0].is_device_bind_organization', false);
      expect(status).to.have.nested.property('output.bind_status[1].is_device_bind_organization', true);
    });
  });

  describe('publish', () => {
    for (const qos of QOS) {
      it(`passes a QoS ${qos} request of an unknown method on, byte for byte`, async () => {
        const sn = gatewayOf(protocolVersion, qos);
        const dock = await connect('yard', sn);
        const watcher = await backend(`thing/product/${sn}/+`);
        const payload = Buffer.from(
          ` {"method" : "storage_config_get", "tid":"ü\\u0000", "data":{"module":0}}\n`,
        );
        await dock.publish(requestsOf(sn), payload, { qos });
        expect(await watcher.next()).to.deep.equal({ topic: requestsOf(sn), payload, qos });
      });

      it(`lets nobody see a QoS ${qos} request in another dock's name`, async () => {
        const watcher = await backend('thing/product/+/+', 'test/#');
        const intruder = await connect('elsewhere', FOREIGN);
        const ended = new Promise<string>((resolve) => {
          intruder.mqtt.once('close', () => {
            resolve('closes');
          });
        });
        const request = JSON.stringify({ tid: 'T', bid: 'B', method: 'config', data: {} });
        const published = intruder.publish(requestsOf(gateway), request, { qos }).then(
          () => 'acked',
          // MQTT 5 has a reason code for it.
          () => 'acked',
        );
        const { refusedPublish } = capabilities;
        const outcome = refusedPublish === 'closes' ? await ended : await published;
        expect(outcome).to.equal(refusedPublish);
        if (refusedPublish === 'acked') {
          // Handled after the refused one, on the same connection.
          await intruder.subscribe(`${requestsOf(FOREIGN)}_reply`);
          expect(intruder.mqtt.connected).to.be.true;
        }
        expect(await untilMarker(watcher)).to.be.empty;
      });
    }

    it('lets telemetry of dock and drone through without a publish call', async () => {
      const dock = await connect('yard', gateway);
      const watcher = await backend('thing/product/+/+');
      // One call to count at least, else the count proves nothing.
      await dock.publish(requestsOf(gateway), '{"method":"storage_config_get"}', { qos: 1 });
      expect((await watcher.next()).topic).to.equal(requestsOf(gateway));
      const before = await publishCalls(world().dockhook);
      for (const sn of [gateway, droneOf(gateway)]) {
        await dock.publish(`thing/product/${sn}/osd`, `osd of ${sn}`, { qos: 0 });
        expect((await watcher.next()).payload.toString()).to.equal(`osd of ${sn}`);
      }
      expect(await publishCalls(world().dockhook)).to.equal(before);
    });
  });

  describe('subscribe', () => {
    it("refuses another dock's replies and grants a dock's own, in one packet", async () => {
      const dock = await connect('elsewhere', FOREIGN);
      const granted = await dock.subscribe(
        `${requestsOf(gateway)}_reply`,
        `${requestsOf(FOREIGN)}_reply`,
        'thing/product/+/requests_reply',
      );
      expect(granted).to.deep.equal([refused.suback, 2, refused.suback]);
    });

    it('brings commands for a drone to each gateway of its organization, one after the other, and to no other', async () => {
      const drone = `1581FSHARED${protocolVersion}`;
      const bound = { organizationId: 'org-7', callsign: '', modelKey: '', boundAt: '2026-01-01T00:00:00Z' };
      await world().dockhook.stores.bindings.bind([gateway, drone].map((sn) => ({ ...bound, sn, gateway })));
      const topics = ['services', 'property/set'].map((topic) => `thing/product/${drone}/${topic}`);
      const cloud = await backend(`thing/product/${drone}/property/set_reply`);
      for (const [account, sn] of [
        ['yard', gateway],
        ['controller', CONTROLLER],
      ] as const) {
        const carrier = await connect(account, sn);
        expect(await carrier.subscribe(...topics), sn).to.deep.equal([2, 2]);
        for (const topic of topics) {
          await cloud.publish(topic, sn, { qos: 1 });
          expect((await carrier.next()).topic).to.equal(topic);
        }
        await carrier.publish(`thing/product/${drone}/property/set_reply`, sn, { qos: 1 });
        expect((await cloud.next()).payload.toString()).to.equal(sn);
        await carrier.close();
      }
      const stranger = await connect('elsewhere', FOREIGN);
      expect(await stranger.subscribe(...topics)).to.deep.equal([refused.suback, refused.suback]);
      const dock = await connect('yard', gateway);
      expect(await dock.subscribe('thing/product/1581FUNBOUND/services')).to.deep.equal([refused.suback]);
    });

    it("does not deliver another dock's replies", async () => {
      const eavesdropper = await connect('elsewhere', FOREIGN);
      await eavesdropper.subscribe(`${requestsOf(gateway)}_reply`, `${requestsOf(FOREIGN)}_reply`);
      const dock = await connect('yard', gateway);
      await dock.subscribe(`${requestsOf(gateway)}_reply`);
      const ask = async (client: TestClient, sn: string): Promise<void> => {
        const request = { tid: sn, bid: sn, method: 'config', data: {} };
        await client.publish(requestsOf(sn), JSON.stringify(request), { qos: 1 });
      };
      await ask(dock, gateway);
      await dock.next();
      await ask(eavesdropper, FOREIGN);
      expect((await eavesdropper.next()).topic).to.equal(`${requestsOf(FOREIGN)}_reply`);
    });
  });
}

/** How often dockhook was asked about a message, from its metrics. */
export async function publishCalls({ http }: TestDockhook): Promise<number> {
  const text = await (await fetch(`http://${http}/metrics`)).text();
  const lines = text
    .split('\n')
    .filter((line) => /^dockhook_calls_total\{.*hook="message\.publish"/.test(line));
  expect(lines, 'message.publish in the metrics').not.to.be.empty;
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
