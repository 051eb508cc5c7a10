/** Mosquitto with the plugin: what one client or one account cannot take from the others. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { connackCode, connectClient, type TestClient } from '../support/mqtt.js';
import { describeWithMosquitto, startMosquitto, type TestMosquitto } from '../support/mosquitto.js';
import { startProvider, yes, type Handler, type ScriptedProvider } from '../support/scripted-provider.js';

const PASSWORD = 'p4ssword of the test';
const NOT_AUTHORIZED = 135;
const requestsOf = (sn: string): string => `thing/product/${sn}/requests`;
const osdOf = (sn: string): string => `thing/product/${sn}/osd`;

describeWithMosquitto('Mosquitto with the plugin, and who wants too much', function () {
  this.timeout(60_000);
  let provider: ScriptedProvider;
  let broker: TestMosquitto;
  const clients: TestClient[] = [];

  async function start(
    handlers: Record<string, Handler> = {},
    options: Record<string, string | number> = {},
    settings: string[] = [],
  ): Promise<void> {
    provider = await startProvider(handlers);
    broker = await startMosquitto({ exhook: provider.address, options, settings });
  }
  async function connect(clientId: string, username = clientId): Promise<TestClient> {
    const client = await connectClient(broker.url, {
      protocolVersion: 5,
      clientId,
      username,
      password: PASSWORD,
    });
    clients.push(client);
    return client;
  }
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    provider.stop();
    expect(await broker.stop(), broker.log()).to.equal(0);
  });

  /** `taken`, or the code of the refusal. */
  const publish = (client: TestClient, topic: string): Promise<unknown> =>
    client.publish(topic, '', { qos: 1 }).then(
      () => 'taken',
      (error: unknown) => (error as { code: number }).code,
    );
  const askedAbout = (topic: string): number =>
    provider.of('OnClientAuthorize').filter((asked) => asked.topic === topic).length;

  it('grants filters whose wildcards stand in 32 different places, and says that it refuses more', async () => {
    await start();
    const client = await connect('SN1');
    const filters = Array.from({ length: 33 }, (_, number) =>
      ['thing', ...[1, 2, 4, 8, 16, 32].map((bit) => ((number + 1) & bit ? '+' : 'a'))].join('/'),
    );
    const codes = await client.subscribe(...filters);
    expect(codes.slice(0, 32).every((code) => code <= 2)).to.be.true;
    expect(codes[32]).to.equal(NOT_AUTHORIZED);
    await broker.says('client SN1 of SN1 has too many topic filters');
    // Others of the same kind are none too many, and what was granted delivers.
    expect(await client.subscribe('other/a/a/a/a/a/+')).to.deep.equal([2]);
    await client.publish('other/a/a/a/a/a/1', '', { qos: 1 });
    expect((await client.next()).topic).to.equal('other/a/a/a/a/a/1');
  });

  it('asks about no topic or name of more than 1 KiB, and refuses it', async () => {
    await start();
    const long = 'x'.repeat(1025);
    expect(await connackCode(broker.url, { clientId: long, username: 'a', password: PASSWORD })).to.equal(5);
    expect(await connackCode(broker.url, { clientId: 'a', username: long, password: PASSWORD })).to.equal(5);
    expect(provider.of('OnClientAuthenticate')).to.be.empty;
    const client = await connect('SN1');
    expect(await client.subscribe(long)).to.deep.equal([NOT_AUTHORIZED]);
    for (const topic of [long, requestsOf(long)])
      expect(await publish(client, topic)).to.equal(NOT_AUTHORIZED);
    expect(provider.of('OnClientAuthorize')).to.be.empty;
    expect(provider.of('OnMessagePublish')).to.be.empty;
    await broker.says('is refused unasked to client SN1 of SN1');
  });

  it('forgets topics of an account that names ever more of them, and none of another', async () => {
    await start();
    const greedy = await connect('SN1');
    const other = await connect('SN2');
    await publish(greedy, osdOf('SN1'));
    await publish(other, osdOf('SN2'));
    // 2 MiB; nobody waits for an answer about these.
    for (let i = 0; i < 2000; i += 1) await publish(greedy, requestsOf(`${'x'.repeat(950)}${i}`));
    await publish(greedy, osdOf('SN1'));
    await publish(other, osdOf('SN2'));
    expect(askedAbout(osdOf('SN1'))).to.equal(2);
    expect(askedAbout(osdOf('SN2'))).to.equal(1);
  });

  it('stops waiting for one account that names ever new topics, however quick the answers are', async () => {
    await start({
      OnClientAuthorize: async ({ clientinfo }) => {
        if (clientinfo.username === 'greedy') await delay(20);
        return yes;
      },
    });
    const greedy = await connect('SN1', 'greedy');
    const other = await connect('SN2');
    let number = 0;
    while ((await publish(greedy, `thing/${number}`)) === 'taken') number += 1;
    expect(await publish(other, osdOf('SN2'))).to.equal('taken');
    // It was asked all the same, and is answered by now, or soon.
    while ((await publish(greedy, `thing/${number}`)) !== 'taken');
    expect(askedAbout(`thing/${number}`)).to.equal(1);
  });

  it('waits for others while one account asks about all its topics each time it connects', async () => {
    await start();
    const filters = Array.from({ length: 400 }, (_, number) => `thing/${number}`);
    for (let time = 0; time < 60; time += 1) {
      // The broker may end the connection, or refuse a login, of whom it has waited for enough.
      const client = await connect('SN1', 'greedy').catch(() => undefined);
      await client?.subscribe(...filters).catch(() => undefined);
      await client?.close();
    }
    const other = await connect('SN2');
    expect(await publish(other, osdOf('SN2'))).to.equal('taken');
  });

  describe('leaves room in the queue', () => {
    const held: (() => void)[] = [];
    const hold: Handler = async ({ message }) => {
      if (message.from.startsWith('greedy')) await new Promise<void>((resolve) => held.push(resolve));
      return yes;
    };
    afterEach(() => {
      for (const answer of held.splice(0)) answer();
    });

    it('for the messages of other accounts', async () => {
      await start({ OnMessagePublish: hold }, { queue_total: 20 });
      const taken = [];
      for (const clientId of ['greedy1', 'greedy2', 'greedy3']) {
        taken.push(await publish(await connect(clientId, 'greedy'), requestsOf('SN1')));
      }
      expect(taken).to.deep.equal(['taken', 'taken', NOT_AUTHORIZED]);
      await broker.says('of username greedy');
      expect(await publish(await connect('SN2'), requestsOf('SN2'))).to.equal('taken');
    });

    it('in bytes too', async () => {
      // Mosquitto 2.1 takes no more than 2 MB otherwise.
      await start({ OnMessagePublish: hold }, {}, ['max_packet_size 10000000']);
      const payload = Buffer.alloc(4 * 1024 * 1024);
      const [first, second] = [await connect('greedy1', 'greedy'), await connect('greedy2', 'greedy')];
      await first.publish(requestsOf('SN1'), payload, { qos: 1 });
      const refused = await second.publish(requestsOf('SN1'), payload, { qos: 1 }).then(
        () => undefined,
        (error: unknown) => (error as { code: number }).code,
      );
      expect(refused).to.equal(NOT_AUTHORIZED);
      expect(await publish(await connect('SN2'), requestsOf('SN2'))).to.equal('taken');
    });

    it('for the news of who came and went', async () => {
      await start({ OnMessagePublish: hold }, { queue_total: 20 });
      const greedy = await connect('greedy1', 'greedy');
      for (let i = 0; i < 20; i += 1) await publish(greedy, requestsOf('SN1'));
      await connect('greedy2', 'greedy');
      await (await connect('SN2')).mqtt.endAsync();
      expect((await provider.once('OnClientDisconnected')).clientinfo.clientid).to.equal('SN2');
      expect(
        provider.of('OnClientConnected').map(({ clientinfo }) => clientinfo.clientid),
      ).to.include.members(['greedy2', 'SN2']);
    });
  });
});
