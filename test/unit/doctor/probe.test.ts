import { expect } from 'chai';
import type { AedesOptions } from 'aedes';
import { EMQX } from '../../../src/doctor/brokers.js';
import { probeBroker } from '../../../src/doctor/probe/probe.js';
import type { Finding } from '../../../src/finding.js';
import { startBroker, type Broker } from '../../../src/trial-broker/broker.js';
import { DockhookError, messageOf } from '../../../src/errors.js';
import type { Stores } from '../../../src/stores/types.js';
import { startBareBroker, startSilentServer, type TestServer } from '../../support/bare-broker.js';
import { startDockhook, type TestDockhook } from '../../support/dockhook.js';
import { expectComplete, fixOf, found, troubles } from '../../support/findings.js';
import { NO_SUBSCRIBERS, NOT_AUTHORIZED, startMqtt5Server } from '../../support/mqtt5-server.js';
import { openFakeStores } from '../../support/fake-stores.js';

const REFUSES_STRANGERS = [
  'probe_anonymous_refused',
  'probe_wrong_password_refused',
  'probe_unknown_account_refused',
];

/** Where something does not come, this is waited for it, a few times in a test. */
const SHORT = { timeoutMs: 1500 };

describe('probe', function () {
  this.timeout(30_000);
  let cleanUps: (() => Promise<unknown>)[] = [];
  let stores: Stores;

  beforeEach(() => {
    stores = openFakeStores();
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
    cleanUps = [];
  });

  /** Probes with accounts in `stores`, which must be as empty afterwards as before. */
  async function probe(
    { port }: { port: number },
    more: Partial<Parameters<typeof probeBroker>[0]> = {},
  ): Promise<Finding[]> {
    const findings = await probeBroker({
      broker: EMQX,
      url: `mqtt://127.0.0.1:${port}`,
      tls: {},
      protocolVersion: 4,
      timeoutMs: 10_000,
      accounts: stores.accounts,
      signal: new AbortController().signal,
      ...more,
    });
    expectComplete(findings);
    expect((await stores.accounts.list()).records.map(({ note }) => note)).to.deep.equal([]);
    return findings;
  }

  async function bare(hooks: Parameters<typeof startBareBroker>[0] = {}): Promise<TestServer> {
    const broker = await startBareBroker(hooks);
    cleanUps.push(() => broker.close());
    return broker;
  }

  describe('of a broker with dockhook', () => {
    let dockhook: TestDockhook;
    let broker: Broker;
    beforeEach(async () => {
      const environment = { DOCKHOOK_ANSWER_FOR_BACKEND: 'update_topo' };
      dockhook = await startDockhook({ stores, environment });
      cleanUps.push(() => dockhook.stop());
      await dockhook.ready;
      broker = await startBroker({ listen: { host: '127.0.0.1', port: 0 }, exhook: dockhook.grpc });
      cleanUps.push(() => broker.close());
    });

    it('finds nothing wrong, and says what it saw', async () => {
      const findings = await probe(broker);
      expect(findings.map(({ level, code }) => `${level} ${code}`)).to.deep.equal(
        [
          ...REFUSES_STRANGERS,
          'probe_dock_accepted',
          'probe_replies',
          'probe_reply',
          'probe_update_topo',
          'probe_foreign_publish_refused',
          'probe_foreign_subscribe_refused',
        ].map((code) => `ok ${code}`),
      );
    });

    it('leaves alone the session of a dock that has the SN as its client id', async () => {
      await dockhook.addAccount('dock', 'a password', { kind: 'client-id' });
      const { connectClient } = await import('../../support/mqtt.js');
      const login = { username: 'dock', password: 'a password', clientId: '7CTDTEST00000A' };
      const dock = await connectClient(`mqtt://127.0.0.1:${broker.port}`, login);
      const own = { username: 'dock', password: 'a password', gateway: '7CTDTEST00000A' };
      const findings = await probeBroker({
        broker: EMQX,
        ...{ url: `mqtt://127.0.0.1:${broker.port}`, tls: {}, protocolVersion: 4, timeoutMs: 10_000 },
        ...{ dock: own, accounts: undefined, signal: new AbortController().signal },
      });
      // Nobody watched, and MQTT 3.1.1 tells a publisher nothing.
      expect(troubles(findings)).to.deep.equal(['warning probe_publish_unproven']);
      // A backend would believe of a real dock that its drone is gone.
      expect(findings.map(({ code }) => code)).to.not.include('probe_update_topo');
      expect(dock.mqtt.connected).to.equal(true);
      await dock.close();
    });

    it('says that docks are refused if dockhook has another database than this command', async () => {
      const findings = await probe(broker, { accounts: openFakeStores().accounts });
      expect(troubles(findings)).to.deep.equal(['error probe_dock_refused']);
      expect(fixOf(found(findings, 'probe_dock_refused'))).to.include('DATABASE_URL');
    });
  });

  it('reports each door that an open broker leaves open', async () => {
    const findings = await probe(await bare(), SHORT);
    expect(troubles(findings)).to.deep.equal([
      'error probe_anonymous_accepted',
      'error probe_wrong_password_accepted',
      'error probe_unknown_account_accepted',
      'error probe_no_reply',
      'warning probe_update_topo_unanswered',
      'error probe_foreign_publish_delivered',
      'error probe_foreign_subscribe_granted',
    ]);
    expect(found(findings, 'probe_no_reply').why).to.include('went to subscribers unchanged');
    expect(found(findings, 'probe_foreign_publish_delivered').what).to.match(/services_reply, .*\/services$/);
    expect(found(findings, 'probe_foreign_subscribe_granted').what).to.match(/osd, #$/);
  });

  /** Lets in the accounts of the probe, and them alone. */
  const knowsAccounts: AedesOptions['authenticate'] = (_client, username, password, done) => {
    const known = /^dockhook-probe-\w{12}(-watcher)?$/.test(username ?? '') && password?.length === 35;
    done(null, known);
  };

  it('finds the foreign topics that a broker with accounts but without rules lets through', async () => {
    const findings = await probe(await bare({ authenticate: knowsAccounts }), SHORT);
    expect(findings.filter(({ level }) => level === 'ok').map(({ code }) => code)).to.include.members(
      REFUSES_STRANGERS,
    );
    expect(troubles(findings)).to.include.members([
      'error probe_foreign_publish_delivered',
      'error probe_foreign_subscribe_granted',
    ]);
  });

  /** Answers a request; `to` says who may hear the answer. */
  const answering = (
    result: number,
    { rewrites = true, forward }: { rewrites?: boolean; forward?: AedesOptions['authorizeForward'] } = {},
  ): Parameters<typeof startBareBroker>[0] => ({
    ...(forward ? { authorizeForward: forward } : {}),
    prepare(aedes) {
      aedes.authorizePublish = (_client, packet, done) => {
        if (packet.topic.endsWith('/requests')) {
          const request = JSON.parse(packet.payload.toString()) as object;
          const payload = JSON.stringify({ ...request, data: { result, output: {} } });
          const topic = `${packet.topic}_reply`;
          if (rewrites) packet.topic = '$nowhere';
          aedes.publish(
            { cmd: 'publish', qos: 1, topic, payload, retain: false, dup: false },
            () => undefined,
          );
        }
        done(null);
      };
    },
  });

  /** Backends that answer update_topo, so many. */
  const backends = (count: number): Parameters<typeof startBareBroker>[0] => ({
    prepare(aedes) {
      aedes.on('publish', ({ topic, payload, cmd }) => {
        if (!/^sys\/product\/DOCKHOOKPROBE\w+\/status$/.test(topic)) return;
        const { tid, method, data } = JSON.parse(payload.toString()) as Record<string, unknown>;
        expect([method, data]).to.deep.equal([
          'update_topo',
          { domain: '3', type: 3, sub_type: 0, sub_devices: [] },
        ]);
        for (let reply = 0; reply < count; reply += 1) {
          const text = JSON.stringify({ tid, method, data: { result: 0 } });
          aedes.publish(
            { cmd, qos: 1, topic: `${topic}_reply`, payload: text, retain: false, dup: false },
            () => undefined,
          );
        }
      });
    },
  });

  it('says that update_topo is answered, and that several answer it', async () => {
    const one = await probe(await bare(backends(1)), SHORT);
    expect(found(one, 'probe_update_topo').level).to.equal('ok');
    const two = await probe(await bare(backends(2)), SHORT);
    expect(found(two, 'probe_two_replies').level).to.equal('warning');
  });

  it('says that it could not try update_topo of a dock that may not hear the reply', async () => {
    const deaf = await bare({
      authorizeSubscribe: (_client, subscription, done) => {
        done(null, subscription.topic.endsWith('/status_reply') ? null : subscription);
      },
    });
    expect(found(await probe(deaf, SHORT), 'probe_update_topo_not_tried').what).to.include('/status_reply');
  });

  it('says that another server answers if the request itself goes on', async () => {
    const findings = await probe(await bare(answering(0, { rewrites: false })));
    expect(troubles(findings))
      .to.include('error probe_answered_elsewhere')
      .and.not.include('error probe_no_reply');
  });

  it('names the result of a reply that is an error to a dock', async () => {
    const findings = await probe(await bare(answering(210233)));
    expect(found(findings, 'probe_reply_fault').what).to.include('result 210233');
  });

  it('names mqtt.ignore_loop_deliver if the reply reaches everybody but who asked', async () => {
    const notToDocks: AedesOptions['authorizeForward'] = ({ id }, packet) =>
      packet.topic.endsWith('/requests_reply') && id.includes('-probe') ? null : packet;
    const findings = await probe(await bare(answering(0, { forward: notToDocks })), SHORT);
    expect(fixOf(found(findings, 'probe_no_reply'))).to.equal('in EMQX: mqtt.ignore_loop_deliver = false');
  });

  it('says that requests are dropped if nobody sees them', async () => {
    const drops = await bare({
      authorizePublish: (_client, packet, done) => {
        packet.topic = '$nowhere';
        done(null);
      },
    });
    expect(found(await probe(drops, SHORT), 'probe_no_reply').why).to.match(/^the request was dropped/);
  });

  it('says that a broker does not acknowledge', async () => {
    const hangs = await bare({ authorizePublish: () => undefined });
    const findings = await probe(hangs, SHORT);
    expect(found(findings, 'probe_no_reply').why).to.equal('the broker did not even acknowledge the request');
    expect(troubles(findings)).to.include('warning probe_publish_unproven');
  });

  it('takes a broker that ends the connection of who is refused for one that refuses', async () => {
    const cutsOff = await bare({
      authorizePublish: (client, packet, done) => {
        done(/services(_reply)?$/.test(packet.topic) ? new Error('not authorized') : null);
        if (/services(_reply)?$/.test(packet.topic)) client?.close();
      },
      authorizeSubscribe: (_client, subscription, done) => {
        done(null, /[+#]|services$/.test(subscription.topic.replace(/\/#$/, '')) ? null : subscription);
      },
    });
    const findings = await probe(cutsOff, SHORT);
    for (const code of ['probe_foreign_publish_refused', 'probe_foreign_subscribe_refused']) {
      expect(found(findings, code).level).to.equal('ok');
    }
  });

  it('says that a dock is deaf which may not subscribe to its replies, and tries no further', async () => {
    const deaf = await bare({
      authorizeSubscribe: (_client, _subscription, done) => {
        done(null, null);
      },
    });
    const findings = await probe(deaf);
    expect(found(findings, 'probe_replies_refused').what).to.include('SUBACK 128');
    expect(findings.at(-1)?.code).to.equal('probe_replies_refused');
  });

  it('is over in time if nobody answers, and if nobody listens', async () => {
    const silent = await startSilentServer();
    cleanUps.push(() => silent.close());
    expect(troubles(await probe(silent, SHORT))).to.deep.equal(['error probe_unreachable']);
    const gone = await startSilentServer();
    await gone.close();
    const findings = await probe(gone);
    expect(troubles(findings)).to.deep.equal(['error probe_unreachable']);
    expect(found(findings, 'probe_unreachable').what).to.match(/^nothing listens at mqtt:/);
  });

  it('removes its accounts when it is stopped', async () => {
    const silent = await startSilentServer();
    cleanUps.push(() => silent.close());
    const stop = new AbortController();
    const probing = probe(silent, { signal: stop.signal, timeoutMs: 60_000 }).catch(
      (error: unknown) => error,
    );
    await silent.connected;
    const during = (await stores.accounts.list()).records;
    expect(during.map(({ scope }) => scope.kind)).to.have.members(['gateways', 'service']);
    for (const { expiresAt } of during)
      expect(Date.parse(expiresAt ?? '')).to.be.lessThan(Date.now() + 301_000);
    stop.abort(new DockhookError('failed', 'stopped'));
    expect(await probing).to.have.property('message', 'stopped');
    expect((await stores.accounts.list()).records).to.deep.equal([]);
  });

  it('waits no longer for a reply once it is stopped', async () => {
    const stop = new AbortController();
    const hangs = await bare({
      authorizePublish: () => {
        stop.abort(new DockhookError('failed', 'stopped'));
      },
    });
    const probing = probe(hangs, { signal: stop.signal, timeoutMs: 60_000 });
    expect(await probing.catch((error: unknown) => error)).to.have.property('message', 'stopped');
    expect((await stores.accounts.list()).records).to.deep.equal([]);
  });

  it('names an account that it could not remove', async () => {
    const { accounts } = stores;
    const stubborn = { ...accounts, remove: () => Promise.reject(new Error('the store is gone')) };
    const findings = await probeBroker({
      broker: EMQX,
      ...{ url: `mqtt://127.0.0.1:${(await bare()).port}`, tls: {}, protocolVersion: 4, ...SHORT },
      ...{ accounts: stubborn, signal: new AbortController().signal },
    });
    const left = findings.filter(({ code }) => code === 'probe_account_left');
    expect(left.map((finding) => fixOf(finding).split(' ').slice(0, 3).join(' '))).to.deep.equal([
      'dockhook account remove',
      'dockhook account remove',
    ]);
  });

  for (const [what, code, tried] of [
    ['does not try to remove an account that the database refused', 'store_refused', 0],
    ['removes an account also if only the answer to its adding was lost', 'store_unavailable', 1],
  ] as const) {
    it(what, async () => {
      let removals = 0;
      const refused = new DockhookError(code, 'the account was not added');
      const accounts = {
        ...stores.accounts,
        add: () => Promise.reject(refused),
        remove: () => {
          removals += 1;
          return Promise.reject(refused);
        },
      };
      const probing = probeBroker({
        broker: EMQX,
        ...{ url: `mqtt://127.0.0.1:${(await bare()).port}`, tls: {}, protocolVersion: 4, ...SHORT },
        ...{ accounts, signal: new AbortController().signal },
      });
      const outcome = JSON.stringify(await probing.catch(messageOf));
      expect(outcome).to.include('the account was not added');
      expect(outcome.includes('could not remove its account')).to.equal(tried > 0);
      expect(removals).to.equal(tried);
    });
  }

  describe('over MQTT 5, with an account of the operator and nobody to watch', () => {
    const own = { username: 'dock', password: 'a password', gateway: '7CTDTEST00000A' };

    /** A broker as EMQX is with dockhook, but for these codes. */
    async function probe5(change: { publish?: (topic: string) => number; subscribe?: number } = {}) {
      const { publish = (topic: string) => (topic.includes(own.gateway) ? NO_SUBSCRIBERS : NOT_AUTHORIZED) } =
        change;
      let comers = 0;
      const server = await startMqtt5Server({
        // The fourth to come is the dock itself.
        connect: () => ((comers += 1) < 4 ? NOT_AUTHORIZED : 0),
        subscribe: (filter) => (filter.includes(own.gateway) ? 1 : (change.subscribe ?? NOT_AUTHORIZED)),
        publish(topic, payload) {
          const code = publish(topic);
          if (!topic.endsWith('/requests') || code >= 128) return { code };
          const request = JSON.parse(payload.toString()) as object;
          const reply = JSON.stringify({ ...request, data: { result: 0, output: {} } });
          return { code, reply: { topic: `${topic}_reply`, payload: reply } };
        },
      });
      cleanUps.push(() => server.close());
      return probe(server, { protocolVersion: 5, dock: own, accounts: undefined });
    }

    it('reads from the codes that a foreign publish and a foreign subscribe are refused', async () => {
      const findings = await probe5();
      expect(troubles(findings)).to.deep.equal([]);
      expect(found(findings, 'probe_anonymous_refused').what).to.include('CONNACK 135');
      expect(found(findings, 'probe_foreign_publish_refused').level).to.equal('ok');
    });

    it('reads from the codes that they are not', async () => {
      const findings = await probe5({ publish: () => NO_SUBSCRIBERS, subscribe: 0 });
      expect(troubles(findings)).to.deep.equal([
        'error probe_foreign_publish_delivered',
        'error probe_foreign_subscribe_granted',
      ]);
      // Where a real dock may listen, no command is tried.
      expect(found(findings, 'probe_foreign_publish_delivered').what).not.to.include(own.gateway);
    });

    it('says that the request itself is refused', async () => {
      const findings = await probe5({ publish: () => NOT_AUTHORIZED });
      expect(found(findings, 'probe_no_reply').why).to.match(/^the broker refused the request/);
    });
  });

  it('says that it needs an account where there is no database', async () => {
    const findings = await probe(await bare(), { accounts: undefined });
    expect(troubles(findings)).to.deep.equal(['warning not_checked']);
    expect(fixOf(findings[0])).to.include('--username');
  });
});
