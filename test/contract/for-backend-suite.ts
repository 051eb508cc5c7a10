/** A site without a backend: what a dock gets from a broker with dockhook behind it, and what others still see. */
import { expect } from 'chai';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { connectClient, type Received, type TestClient } from '../support/mqtt.js';
import { bindOne } from './store-suite.js';
import { publishCalls, type BrokerUnderTest, type Capabilities } from './broker-suite.js';

const PASSWORD = 'a password of the yard';
const GATEWAY = '7CTDTEST00000A';
const DRONE = '1581FTEST000000000AA';
/** Bound to another organization. */
const FOREIGN_DRONE = '1581FTEST000000000BB';

/** @param start starts the broker on this ExHook server (`host:port`), and resolves when it asks it */
export function describeForBackend(
  name: string,
  { mqtt5 }: Pick<Capabilities, 'mqtt5'>,
  start: (exhook: string) => Promise<BrokerUnderTest>,
): void {
  describe(`${name} at a site without a backend`, () => {
    let dockhook: TestDockhook;
    let broker: BrokerUnderTest;

    before(async () => {
      dockhook = await startDockhook({
        environment: { DOCKHOOK_ANSWER_FOR_BACKEND: 'update_topo,events,offline_map_get,flight_areas_get' },
      });
      await dockhook.ready;
      const { stores } = dockhook;
      await dockhook.addAccount('yard', PASSWORD, { kind: 'gateways', gateways: [GATEWAY] });
      await dockhook.addAccount('watcher', PASSWORD, { kind: 'service', publish: ['#'], subscribe: ['#'] });
      await stores.organizations.add({ id: 'north', name: 'North yard', bindingCode: 'north-code' });
      await stores.organizations.add({ id: 'south', name: 'South yard', bindingCode: 'south-code' });
      const bind = async (sn: string, organizationId: string): Promise<void> => {
        const more = { callsign: '', modelKey: '', boundAt: '2026-01-01T00:00:00Z' };
        expect(await bindOne(stores, { sn, organizationId, gateway: GATEWAY, ...more })).to.equal('bound');
      };
      await bind(GATEWAY, 'north');
      await bind(DRONE, 'north');
      await bind(FOREIGN_DRONE, 'south');
      broker = await start(dockhook.grpc);
    });

    after(async () => {
      await broker.stop();
      await dockhook.stop(0);
    });

    for (const version of mqtt5 ? ([4, 5] as const) : ([4] as const)) {
      describe(`to MQTT ${version === 4 ? '3.1.1' : '5'} clients`, () => {
        describeVersion(version, () => ({ dockhook, broker }));
      });
    }
  });
}

function describeVersion(
  protocolVersion: 4 | 5,
  world: () => { dockhook: TestDockhook; broker: BrokerUnderTest },
): void {
  let dock: TestClient;
  let watcher: TestClient;

  const connect = (username: string, clientId: string): Promise<TestClient> =>
    connectClient(world().broker.url, { protocolVersion, clientId, username, password: PASSWORD });

  beforeEach(async () => {
    dock = await connect('yard', GATEWAY);
    await dock.subscribe(
      `sys/product/${GATEWAY}/status_reply`,
      `thing/product/${GATEWAY}/+`,
      `thing/product/${DRONE}/events_reply`,
    );
    watcher = await connect('watcher', 'watcher');
    await watcher.subscribe('sys/product/+/+', 'thing/product/+/+', 'test/#');
  });
  afterEach(() => Promise.all([dock.close(), watcher.close()]));

  /** What the watcher saw until now. */
  async function seen(): Promise<Received[]> {
    await watcher.publish('test/marker', 'here', { qos: 2 });
    const before: Received[] = [];
    for (;;) {
      const message = await watcher.next();
      if (message.topic === 'test/marker') return before;
      before.push(message);
    }
  }

  const message = (method: string, more: object = {}): string =>
    JSON.stringify({ tid: `T-${method}`, bid: 'B', timestamp: 1790000000000, method, data: {}, ...more });

  const answered: [topic: string, payload: string, method: string, data: object][] = [
    [`sys/product/${GATEWAY}/status`, message('update_topo'), 'update_topo', { result: 0 }],
    [`thing/product/${GATEWAY}/status`, message('update_topo'), 'update_topo', { result: 0 }],
    ...[GATEWAY, DRONE].map((sn): [string, string, string, object] => [
      `thing/product/${sn}/events`,
      message('fly_to_point_progress', { need_reply: 1 }),
      'fly_to_point_progress',
      { result: 0 },
    ]),
    [
      `thing/product/${GATEWAY}/requests`,
      message('flight_areas_get', { data: null }),
      'flight_areas_get',
      { result: 0, output: { files: [] } },
    ],
    [`thing/product/${GATEWAY}/requests`, message('offline_map_get'), 'offline_map_get', { result: 0 }],
  ];

  for (const [topic, payload, method, data] of answered) {
    for (const qos of [0, 1, 2] as const) {
      it(`answers ${method} on ${topic} at QoS ${qos}, and nobody sees the message itself`, async () => {
        await dock.publish(topic, payload, { qos });
        const reply = await dock.next();
        expect(reply.topic).to.equal(`${topic}_reply`);
        expect(reply.qos).to.equal(Math.max(1, qos));
        const text = reply.payload.toString();
        const { timestamp } = JSON.parse(text) as { timestamp: number };
        expect(timestamp).to.be.above(1790000000000);
        expect(text).to.equal(JSON.stringify({ tid: `T-${method}`, bid: 'B', timestamp, method, data }));
        expect(await seen()).to.deep.equal([reply]);
      });
    }
  }

  for (const [what, topic, payload] of [
    [
      'a file that was uploaded',
      `thing/product/${GATEWAY}/events`,
      message('file_upload_callback', { need_reply: 1 }),
    ],
    [
      'a file that is to come first',
      `thing/product/${GATEWAY}/events`,
      message('highest_priority_upload_flighttask_media', { need_reply: 1 }),
    ],
    ['an event that wants no reply', `thing/product/${GATEWAY}/events`, message('hms', { need_reply: 0 })],
    [
      'an event of more than 16 KiB',
      `thing/product/${GATEWAY}/events`,
      message('hms', { need_reply: 1, data: 'x'.repeat(16 * 1024) }),
    ],
    ['an event that is no JSON', `thing/product/${GATEWAY}/events`, '{"method":"hms","need_reply":1'],
    ['another method on status', `sys/product/${GATEWAY}/status`, message('update_everything')],
    ['a status that is no JSON', `thing/product/${GATEWAY}/status`, 'online'],
    ['a request for a storage', `thing/product/${GATEWAY}/requests`, message('storage_config_get')],
  ] as const) {
    it(`lets ${what} pass byte for byte`, async () => {
      await dock.publish(topic, payload, { qos: 1 });
      expect(await watcher.next()).to.deep.equal({ topic, payload: Buffer.from(payload), qos: 1 });
      expect(await seen(), 'no reply').to.deep.equal([]);
    });
  }

  it("lets a backend's own messages on these topics pass", async () => {
    for (const topic of [`sys/product/${GATEWAY}/status`, `thing/product/${GATEWAY}/events`]) {
      const payload = message('update_topo', { need_reply: 1 });
      await watcher.publish(topic, payload, { qos: 1 });
      expect(await watcher.next()).to.deep.equal({ topic, payload: Buffer.from(payload), qos: 1 });
      expect(await seen(), 'no reply').to.deep.equal([]);
    }
  });

  it('answers no event of a drone that is bound to another organization', async () => {
    const foreign = `thing/product/${FOREIGN_DRONE}/events`;
    await dock.publish(foreign, message('hms', { need_reply: 1 }), { qos: 1 });
    // Messages of one client are taken in order.
    await dock.publish(`thing/product/${GATEWAY}/events`, message('last'), { qos: 1 });
    const topics: string[] = [];
    while (topics.at(-1) !== `thing/product/${GATEWAY}/events`) topics.push((await watcher.next()).topic);
    expect(topics).not.to.include(`${foreign}_reply`);
  });

  it('asks nothing about telemetry', async () => {
    const before = await publishCalls(world().dockhook);
    for (const topic of [`thing/product/${GATEWAY}/osd`, `thing/product/${DRONE}/state`]) {
      await dock.publish(topic, 'telemetry', { qos: 0 });
      await watcher.next();
    }
    expect(await publishCalls(world().dockhook)).to.equal(before);
  });
}
