/** A broker in front of docks, bridged to one with dockhook under an account of any gateway. */
import { expect } from 'chai';
import { startDockhook, type TestDockhook } from '../support/dockhook.js';
import { freePorts } from '../support/haproxy.js';
import { connectClient, type TestClient } from '../support/mqtt.js';
import {
  describeWithMosquitto,
  runMosquitto,
  startMosquitto,
  type TestMosquitto,
} from '../support/mosquitto.js';

const PASSWORD = 'p4ssword of the test';

describeWithMosquitto('a bridge in front of docks', function () {
  this.timeout(30_000);
  let server: TestDockhook;
  let broker: TestMosquitto;
  let front: ReturnType<typeof runMosquitto>;
  let url: string;
  const clients: TestClient[] = [];

  before(async () => {
    server = await startDockhook();
    await server.stores.license.set({ appId: '1', appKey: 'the-app-key', appLicense: 'the-license' });
    await server.addAccount('bridge', PASSWORD, { kind: 'any-gateway' });
    await server.addAccount('backend', PASSWORD, { kind: 'service', publish: ['#'], subscribe: ['#'] });
    broker = await startMosquitto({ exhook: server.grpc });
    const [port = 0] = await freePorts(1);
    url = `mqtt://127.0.0.1:${port}`;
    front = runMosquitto([
      'allow_anonymous true',
      ...(process.getuid?.() === 0 ? ['user root'] : []),
      `listener ${port} 127.0.0.1`,
      'connection cloud',
      `address 127.0.0.1:${broker.port}`,
      'remote_username bridge',
      `remote_password ${PASSWORD}`,
      'remote_clientid bridge-1',
      'cleansession true',
      'notifications false',
      'try_private false',
      'topic thing/product/+/requests out 1',
      'topic thing/product/+/requests_reply in 1',
      'topic thing/product/+/services in 1',
    ]);
    for (let granted = 0; granted < 2; granted += 1) await front.says('Received SUBACK');
  });
  after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await front.stop();
    await broker.stop();
    await server.stop();
  });

  async function connect(to: string, clientId: string, username?: string): Promise<TestClient> {
    const client = await connectClient(to, { clientId, ...(username && { username, password: PASSWORD }) });
    clients.push(client);
    return client;
  }

  it('brings each dock its own reply, and its commands', async () => {
    const docks = [];
    for (const sn of ['7CTDTEST00000A', '7CTDTEST00000B']) {
      const dock = await connect(url, sn);
      await dock.subscribe(`thing/product/${sn}/requests_reply`, `thing/product/${sn}/services`);
      docks.push({ sn, dock });
    }
    for (const { sn, dock } of docks) {
      const request = { tid: `t-${sn}`, bid: 'b', timestamp: 1, method: 'config', data: {} };
      await dock.publish(`thing/product/${sn}/requests`, JSON.stringify(request), { qos: 1 });
      const reply = await dock.next();
      expect(reply.topic).to.equal(`thing/product/${sn}/requests_reply`);
      expect(JSON.parse(reply.payload.toString())).to.deep.include({ tid: `t-${sn}`, method: 'config' });
    }
    const backend = await connect(broker.url, 'backend-1', 'backend');
    for (const { sn, dock } of docks) {
      await backend.publish(`thing/product/${sn}/services`, sn, { qos: 1 });
      expect((await dock.next()).payload.toString()).to.equal(sn);
    }
  });

  it('may not listen to what other docks send', async () => {
    const listener = await connect(broker.url, 'bridge-2', 'bridge');
    const refused = ['thing/product/#', 'thing/product/+/osd', 'thing/product/+/requests', '#'];
    const granted = await listener.subscribe('thing/product/+/requests_reply', ...refused);
    expect(granted).to.deep.equal([2, ...refused.map(() => 128)]);
  });
});
