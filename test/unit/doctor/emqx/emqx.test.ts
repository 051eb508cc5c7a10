/** The checks of EMQX, each fault injected into a stand-in for its REST API and named. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { parseAnswerForBackend } from '../../../../src/answer-for-backend.js';
import { checkEmqx } from '../../../../src/doctor/emqx/emqx.js';
import type { EmqxFacts } from '../../../../src/doctor/emqx/context.js';
import type { Finding } from '../../../../src/finding.js';
import { connectEmqx } from '../../../../src/emqx/api.js';
import { providerSettings } from '../../../../src/emqx/provider.js';
import { API_KEY, API_SECRET, startEmqxRest, type FakeEmqx } from '../../../support/emqx-rest.js';
import { fixOf } from '../../../support/findings.js';

const FACTS: EmqxFacts = {
  accounts: [],
  docks: 0,
  unknownAccounts: 'deny',
  timeline: true,
  answerForBackend: parseAnswerForBackend(''),
  opens: ['ssl:default'],
};
const EVENTS = 'thing/product/+/events';
const DATABASE = 'password_based:built_in_database';

describe('checkEmqx', () => {
  let emqx: FakeEmqx;
  beforeEach(async () => {
    emqx = await startEmqxRest();
    emqx.state.providers = [{ ...providerSettings({}), enable: true }];
  });
  afterEach(() => emqx.close());

  const check = (facts: Partial<EmqxFacts> = {}, key = API_KEY): Promise<Finding[]> =>
    checkEmqx(connectEmqx({ url: new URL(emqx.url), key, secret: API_SECRET }, { deadlineMs: 300 }), {
      ...FACTS,
      ...facts,
    });

  /** Findings that are not `ok`, as `level code`. */
  const faults = async (facts: Partial<EmqxFacts> = {}): Promise<string[]> =>
    (await check(facts)).filter(({ level }) => level !== 'ok').map(({ level, code }) => `${level} ${code}`);

  it('finds nothing wrong with the shipped configuration and a registered dockhook, and says what it saw', async () => {
    const findings = await check();
    expect(findings.map(({ level, code }) => `${level} ${code}`)).to.deep.equal([
      'ok emqx_version',
      'ok emqx_provider',
      'ok emqx_authenticator',
      'ok emqx_authorization',
      'ok emqx_listener',
      'ok emqx_doors',
      'ok emqx_mqtt',
      'ok emqx_client_id',
    ]);
    expect(findings[0]?.what).to.include('5.8.9').and.to.include('v2');
  });

  it('finds dockhook under another name that it is given, and says which names there are', async () => {
    emqx.state.providers = [{ ...providerSettings({ name: 'edge' }), enable: true }];
    expect(await faults({ provider: 'edge' })).to.deep.equal([]);
    const missing = (await check()).find(({ code }) => code === 'emqx_provider_missing');
    expect(fixOf(missing)).to.include('"edge"').and.include('--provider NAME');
  });

  const provider = (): Record<string, unknown> => emqx.state.providers[0]!;
  const listener = (id = 'ssl:default'): Record<string, unknown> => emqx.state.listeners[id]!;
  const ban = (one: object): void => {
    emqx.state.more['/banned'] = { data: [{ by: 'user', reason: '', until: 'infinity', ...one }] };
  };
  const rewrite = (from: string, to: string): void => {
    const rule = { action: 'publish', source_topic: from, dest_topic: to, re: '^(.+)$' };
    emqx.state.more['/mqtt/topic_rewrite'] = [rule];
  };
  const rules = (...data: object[]): void => {
    emqx.state.more['/rules'] = { data, meta: { count: data.length, hasnext: false, limit: 1000, page: 1 } };
  };
  const rule = (id: string, from: string[], topic: string): { id: string } & Record<string, unknown> => ({
    ...{ id, name: '', enable: true, from, sql: '' },
    actions: ['http:other', { function: 'republish', args: { topic, payload: '${reply}' } }],
  });
  const cases: [expected: string, what: string, inject: () => void, facts?: Partial<EmqxFacts>][] = [
    [
      'error emqx_version_too_old',
      'EMQX 5.1.1',
      () => {
        emqx.state.version = '5.1.1';
        emqx.state.hooks.push({ name: 'client.connected', params: {} });
      },
    ],
    ['warning emqx_version_unknown', 'EMQX 7', () => (emqx.state.version = '7.0.0')],
    ['error emqx_provider_missing', 'no provider', () => (emqx.state.providers = [])],
    ['error emqx_provider_disabled', 'a disabled provider', () => (provider()['enable'] = false)],
    [
      'error emqx_provider_not_connected',
      'one of two nodes that does not reach dockhook',
      () => {
        emqx.state.nodes.push('emqx@10.0.0.2');
        emqx.state.status['emqx@10.0.0.2'] = 'connecting';
      },
    ],
    [
      'error emqx_hooks_missing',
      'client.authorize not mounted',
      () => (emqx.state.hooks = emqx.state.hooks.filter(({ name }) => name !== 'client.authorize')),
    ],
    [
      'error emqx_hooks_missing',
      'message.publish mounted for other topics',
      () => (emqx.state.hooks.find(({ name }) => name === 'message.publish')!.params.topics = ['x/#']),
    ],
    [
      'warning emqx_hooks_timeline',
      'no client.disconnected though the timeline is on',
      () => (emqx.state.hooks = emqx.state.hooks.filter(({ name }) => name !== 'client.disconnected')),
    ],
    [
      'warning emqx_hooks_outdated',
      'the hooks of a dockhook that asked for client.connected',
      () => emqx.state.hooks.push({ name: 'client.connected', params: {} }),
    ],
    ['warning emqx_hooks_outdated', 'hooks of a timeline that is off', () => undefined, { timeline: false }],
    [
      'warning emqx_provider_order',
      'another provider first',
      () =>
        emqx.state.providers.unshift({ ...providerSettings({ name: 'other', url: 'http://10.0.0.9:9000' }) }),
    ],
    ['error emqx_failed_action', 'failed_action = ignore', () => (provider()['failed_action'] = 'ignore')],
    [
      'error emqx_request_timeout_short',
      'request_timeout = 2.5s, of which EMQX makes 2 s',
      () => (provider()['request_timeout'] = '2500ms'),
    ],
    [
      'warning emqx_request_timeout_cut',
      'request_timeout = 4.5s',
      () => (provider()['request_timeout'] = '4500ms'),
    ],
    ['warning emqx_auto_reconnect', 'auto_reconnect = 1m', () => (provider()['auto_reconnect'] = '1m')],
    ['error emqx_auto_reconnect', 'auto_reconnect = false', () => (provider()['auto_reconnect'] = false)],
    [
      'warning emqx_exhook_plain',
      'http to another machine',
      () => (provider()['url'] = 'http://10.0.0.5:9000'),
    ],
    [
      'warning emqx_exhook_unverified',
      'https without verify_peer',
      () =>
        Object.assign(provider(), { url: 'https://d:9000', ssl: { enable: true, verify: 'verify_none' } }),
    ],
    ['error emqx_no_authenticator', 'no authenticator', () => (emqx.state.authenticators = [])],
    [
      'error emqx_no_authenticator',
      'a disabled authenticator',
      () => (emqx.state.authenticators[0]!['enable'] = false),
    ],
    [
      'warning emqx_authenticator_users',
      'users in the built-in database',
      () => (emqx.state.users[DATABASE] = 3),
    ],
    [
      'warning emqx_authenticator_decides',
      'an authenticator on PostgreSQL',
      () =>
        emqx.state.authenticators.push({ mechanism: 'password_based', backend: 'postgresql', enable: true }),
    ],
    [
      'warning emqx_certificate_without_password',
      'accounts with a certificate on 5.8',
      () => (listener()['ssl_options'] = { verify: 'verify_peer' }),
      { accounts: [{ certificateCn: 'dock' }, {}] },
    ],
    ['error emqx_no_match_allow', 'no_match = allow', () => (emqx.state.authorization['no_match'] = 'allow')],
    [
      'error emqx_authorization_allows_all',
      'the acl.conf that EMQX ships',
      () =>
        (emqx.state.sources = [
          {
            type: 'file',
            enable: true,
            rules: '%% comment\n{deny, all, subscribe, ["$SYS/#"]}.\n{allow, all}.\n',
          },
        ]),
    ],
    [
      'warning emqx_authorization_source',
      'an acl.conf in which "allow all" is a comment',
      () =>
        (emqx.state.sources = [
          { type: 'file', enable: true, rules: '%% {allow, all}.\n{deny, all, subscribe, ["$SYS/#"]}.' },
        ]),
    ],
    [
      'error emqx_authorization_denies_all',
      'an acl.conf that denies everything',
      () => (emqx.state.sources = [{ type: 'file', enable: true, rules: '{deny, all}.\n{allow, all}.' }]),
    ],
    [
      'error emqx_authorization_allows_all',
      'an acl.conf that allows all topics to all by a filter',
      () => (emqx.state.sources = [{ type: 'file', rules: '{allow, all, all, ["#"]}.\n{deny, all}.' }]),
    ],
    [
      'warning emqx_authorization_cache_small',
      'the default cache of 32 topics',
      () => (emqx.state.authorization['cache'] = { enable: true, max_size: 32, ttl: '1m' }),
    ],
    [
      'warning emqx_authorization_cache_small',
      'a cache of less than three topics for each dock',
      () => (emqx.state.authorization['cache'] = { enable: true, max_size: 4096, ttl: '1m' }),
      { docks: 1366 },
    ],
    [
      'warning emqx_authorization_cache_long',
      'a cache of a day',
      () => (emqx.state.authorization['cache'] = { enable: true, max_size: 32_768, ttl: '24h' }),
    ],
    [
      'warning emqx_authorization_cache_excludes',
      'telemetry that is not cached',
      () =>
        (emqx.state.authorization['cache'] = {
          ...{ enable: true, max_size: 4096, ttl: '1m' },
          excludes: ['thing/product/+/osd'],
        }),
    ],
    [
      'error emqx_authenticator_precondition',
      'an authenticator that is left out for some',
      () => (emqx.state.authenticators[0]!['precondition'] = 'is_not_empty_val(username)'),
    ],
    ['error emqx_provider_silent', 'a dockhook that has gone', () => (emqx.state.call = 'unanswered')],
    ['error emqx_provider_silent', 'a hook that is not called', () => (emqx.state.call = 'not made')],
    ['error emqx_mountpoint', 'a mountpoint', () => (listener()['mountpoint'] = 'fleet/${username}/')],
    [
      'warning emqx_proxy_protocol',
      'a listener that wants the proxy protocol',
      () => (listener()['proxy_protocol'] = true),
    ],
    [
      'error emqx_access_rules_shut',
      'a listener that denies all',
      () => (listener()['access_rules'] = ['deny all']),
    ],
    [
      'warning emqx_access_rules',
      'a listener for some addresses',
      () => (listener()['access_rules'] = ['allow 10.0.0.0/8', 'deny  all']),
    ],
    [
      'error emqx_listener_full',
      'a listener without a place left',
      () => Object.assign(listener(), { max_connections: 100, current_connections: 100 }),
    ],
    [
      'warning emqx_listener_full',
      'a listener with few places left',
      () => Object.assign(listener(), { max_connections: 100, current_connections: 91 }),
    ],
    [
      'error emqx_use_username_as_clientid',
      'use_username_as_clientid',
      () => (emqx.state.mqtt['use_username_as_clientid'] = true),
    ],
    [
      'error emqx_namespace_as_mountpoint',
      'namespace_as_mountpoint',
      () => (emqx.state.mqtt['namespace_as_mountpoint'] = true),
    ],
    ['warning emqx_max_clientid_len', 'short client ids', () => (emqx.state.mqtt['max_clientid_len'] = 23)],
    ['warning emqx_max_topic_levels', 'flat topics', () => (emqx.state.mqtt['max_topic_levels'] = 4)],
    ['warning emqx_max_qos_allowed', 'QoS 1 at most', () => (emqx.state.mqtt['max_qos_allowed'] = 1)],
    ['warning emqx_max_subscriptions', 'few topics', () => (emqx.state.mqtt['max_subscriptions'] = 10)],
    [
      'warning emqx_wildcard_subscription',
      'no wildcards',
      () => (emqx.state.mqtt['wildcard_subscription'] = false),
    ],
    [
      'warning emqx_shared_subscription',
      'no shared subscriptions',
      () => (emqx.state.mqtt['shared_subscription'] = false),
    ],
    [
      'warning emqx_retain_available',
      'a broker that cuts off who retains',
      () => (emqx.state.mqtt['retain_available'] = false),
    ],
    [
      'warning emqx_flapping_detect',
      'flapping_detect',
      () => (emqx.state.zone['flapping_detect'] = { enable: true, max_count: 15 }),
    ],
    [
      'error emqx_banned',
      'a ban of a dock’s account',
      () => {
        ban({ as: 'username', who: 'dock-1' });
      },
      { accounts: [{ name: 'dock-1' }] },
    ],
    [
      'error emqx_banned',
      'a ban of a dock’s SN as client id, by pattern',
      () => {
        ban({ as: 'clientid_re', who: '^7CTDTEST' });
      },
      { accounts: [{ name: 'dock-1', scope: { kind: 'gateways', gateways: ['7CTDTEST00001'] } }] },
    ],
    [
      'error emqx_banned',
      'a ban of a client id with the account in front of the SN',
      () => {
        ban({ as: 'clientid', who: 'dock-1|7CTDTEST00001' });
      },
      { accounts: [{ name: 'dock-1', scope: { kind: 'gateways', gateways: ['7CTDTEST00001'] } }] },
    ],
    [
      'warning emqx_bans',
      'a ban of an address',
      () => {
        ban({ as: 'peerhost', who: '10.0.0.7' });
      },
      { accounts: [{ name: 'dock-1' }] },
    ],
    [
      'error emqx_rewrite',
      'a rewrite of topics of docks',
      () => {
        rewrite('thing/product/+/requests', 'other/$1');
      },
    ],
    [
      'error emqx_rewrite',
      'a rewrite of every topic',
      () => {
        rewrite('+/product/#', 'tenant/$1');
      },
    ],
    [
      'error emqx_auto_subscribe',
      'every client made to hear all docks',
      () => (emqx.state.more['/mqtt/auto_subscribe'] = [{ topic: 'thing/product/+/osd', qos: 0 }]),
    ],
    [
      'warning emqx_auto_subscribe',
      'every client made to hear its own topics',
      () => (emqx.state.more['/mqtt/auto_subscribe'] = [{ topic: 'thing/product/${clientid}/services' }]),
    ],
    [
      'warning emqx_transformation',
      'a transformation of requests',
      () =>
        (emqx.state.more['/message_transformations'] = [
          {
            name: 'tenant',
            topics: ['thing/#'],
            operations: [{ key: 'topic', value: "concat(['x/', topic])" }],
          },
        ]),
    ],
    [
      'warning emqx_validation',
      'a validation of all messages',
      () => (emqx.state.more['/schema_validations'] = [{ name: 'json', topics: '#' }]),
    ],
    [
      'warning emqx_gateways',
      'a gateway for another protocol',
      () =>
        (emqx.state.more['/gateways'] = [
          { name: 'coap', status: 'unloaded' },
          { name: 'stomp', status: 'running' },
        ]),
    ],
    [
      'warning emqx_rule_two_replies',
      'a rule that answers update_topo, as dockhook does',
      () => {
        rules(rule('mine', ['sys/product/+/status'], '${topic}_reply'));
      },
      { answerForBackend: parseAnswerForBackend('update_topo') },
    ],
    [
      'warning emqx_rule_two_replies',
      'a rule on everything that answers events, as dockhook does',
      () => {
        emqx.state.hooks.find(({ name }) => name === 'message.publish')?.params.topics?.push(EVENTS);
        rules(rule('mine', ['#'], 'thing/product/${sn}/events_reply'));
      },
      { answerForBackend: parseAnswerForBackend('events') },
    ],
    [
      'warning emqx_rule_two_replies',
      'two rules that answer update_topo of one dock',
      () => {
        rules(
          rule('a', ['sys/product/+/status'], '${topic}_reply'),
          rule('b', ['sys/product/7CTDTEST00001/status'], 'sys/product/7CTDTEST00001/status_reply'),
        );
      },
    ],
    [
      'warning emqx_retainer',
      'a retainer that keeps requests',
      () => (emqx.state.more['/mqtt/retainer'] = { enable: true }),
    ],
    [
      'error emqx_requests_retained',
      'a request that was retained',
      () =>
        Object.assign(emqx.state.more, {
          '/mqtt/retainer': { enable: true },
          '/mqtt/retainer/messages': { data: [{ topic: 'thing/product/7CTDTEST00001/requests' }] },
        }),
    ],
    [
      'error emqx_license_expired',
      'a license that has expired',
      () => (emqx.state.more['/license'] = { expiry: true, expiry_at: '2026-01-01' }),
    ],
    [
      'error emqx_license_full',
      'a license without a place left',
      () => (emqx.state.more['/license'] = { expiry: false, max_sessions: 0, max_connections: 0 }),
    ],
    [
      'warning emqx_authorization_source',
      'a source that decides',
      () => (emqx.state.sources = [{ type: 'http', enable: true }]),
    ],
    [
      'warning emqx_deny_action',
      'deny_action = disconnect',
      () => (emqx.state.authorization['deny_action'] = 'disconnect'),
    ],
    [
      'warning emqx_authorization_cache',
      'no authorization cache',
      () => (emqx.state.authorization['cache'] = { enable: false }),
    ],
    ['error emqx_listener_open', 'enable_authn = false', () => (listener()['enable_authn'] = false)],
    [
      'warning emqx_listener_authentication',
      'a listener with an authenticator of its own',
      () => (listener()['authentication'] = [{ mechanism: 'jwt' }]),
    ],
    [
      'error emqx_websocket_skips_hooks',
      'WebSocket over TLS on 5.8.4',
      () => {
        emqx.state.version = '5.8.4';
        emqx.state.listeners['wss:default'] = { enable: true, bind: '0.0.0.0:8084', enable_authn: true };
      },
      { opens: ['ssl:default', 'wss:default'] },
    ],
    [
      'warning emqx_listener_plain',
      'plain TCP for everybody',
      () =>
        (emqx.state.listeners['tcp:default'] = { enable: true, bind: '0.0.0.0:1883', enable_authn: true }),
      { opens: ['ssl:default', 'tcp:default'] },
    ],
    [
      'warning emqx_demo_certificate',
      'the demo certificate',
      () => (listener()['ssl_options'] = { certfile: '${EMQX_ETC_DIR}/certs/cert.pem' }),
    ],
    ['warning emqx_listener_zone', 'a zone of its own', () => (listener()['zone'] = 'docks')],
    [
      'error emqx_open_at_start',
      'a listener on 5.8 that dockhook is not to open',
      () => undefined,
      { opens: [] },
    ],
    [
      'error emqx_open_at_start',
      'one that REST made, beside those that dockhook opens',
      () => (emqx.state.listeners['ssl:made'] = { ...listener(), bind: '0.0.0.0:8899' }),
    ],
    [
      'error emqx_open_at_start',
      'one that runs on one of two nodes',
      () => {
        emqx.state.nodes.push('emqx@b');
        emqx.state.closedOn['ssl:default'] = ['emqx@b'];
      },
      { opens: [] },
    ],
    [
      'warning emqx_open_at_start_local',
      'one for a proxy on the same machine',
      () => (emqx.state.listeners['ssl:default'] = { ...listener(), bind: '127.0.0.1:8883' }),
      { opens: [] },
    ],
    [
      'error emqx_listener_closed',
      'one that dockhook has not opened on one node',
      () => (emqx.state.closedOn['ssl:default'] = ['emqx@127.0.0.1']),
    ],
    [
      'error emqx_listener_unknown',
      'one that EMQX does not have',
      () => undefined,
      { opens: ['ssl:default', 'tcp:defualt'] },
    ],
    ['error emqx_no_listener', 'no listener', () => (emqx.state.listeners = {})],
    [
      'error emqx_no_client_certificates',
      'accounts with a certificate and no listener that asks for one',
      () => (emqx.state.version = '6.2.1'),
      { accounts: [{ certificateCn: 'dock' }] },
    ],
    [
      'error emqx_ignore_loop_deliver',
      'ignore_loop_deliver',
      () => (emqx.state.mqtt['ignore_loop_deliver'] = true),
    ],
    [
      'warning emqx_peer_cert_as_username',
      'peer_cert_as_username',
      () => (emqx.state.mqtt['peer_cert_as_username'] = 'cn'),
    ],
    [
      'warning emqx_peer_cert_as_clientid',
      'peer_cert_as_clientid',
      () => (emqx.state.mqtt['peer_cert_as_clientid'] = 'dn'),
    ],
    [
      'error emqx_client_id_shared',
      'no clientid_override',
      () => (emqx.state.mqtt['clientid_override'] = 'disabled'),
    ],
    [
      'error emqx_client_id_shared',
      'clientid_override that was never heard of in a version that has it',
      () => delete emqx.state.mqtt['clientid_override'],
    ],
    [
      'error emqx_client_id_other',
      'a separator that ids have, too',
      () => (emqx.state.mqtt['clientid_override'] = "concat([username,'-',clientid])"),
    ],
    [
      'error emqx_client_id_other',
      'the account alone as client id, so that two docks of one end each other',
      () => (emqx.state.mqtt['clientid_override'] = 'username'),
    ],
    [
      'warning emqx_client_id_shared',
      'EMQX 5.8.2, which has no clientid_override',
      () => {
        emqx.state.version = '5.8.2';
        emqx.state.listeners = { 'ssl:default': emqx.state.listeners['ssl:default']! };
        delete emqx.state.mqtt['clientid_override'];
      },
    ],
  ];
  for (const [expected, what, inject, facts] of cases) {
    it(`names ${what}: ${expected}, and nothing else`, async () => {
      inject();
      expect(await faults(facts)).to.deep.equal([expected]);
      const found = (await check(facts)).find(({ level }) => level !== 'ok');
      expect(found?.what).to.be.a('string').and.not.equal('');
      expect(found?.why).to.be.a('string').and.not.equal('');
      expect(fixOf(found)).to.not.equal('');
    });
  }

  describe('of rules', () => {
    const shipped = (): object[] => [
      rule('dockhook_update_topo', ['sys/product/+/status', 'thing/product/+/status'], '${topic}_reply'),
      rule('dockhook_events', ['thing/product/+/events'], '${topic}_reply'),
      rule('dockhook_mirror', ['thing/product/+/requests'], 'mirror/${topic}'),
    ];

    it('says what those of deploy/emqx do, and finds nothing wrong', async () => {
      rules(...shipped());
      expect(await faults()).to.deep.equal([]);
      const what = (await check()).find(({ code }) => code === 'emqx_rules')?.what;
      for (const words of [
        'answer update_topo (dockhook_update_topo)',
        'answer events (dockhook_events)',
        'copy requests, with the device binding code (dockhook_mirror)',
      ])
        expect(what).to.include(words);
    });

    const harmless: [string, () => void][] = [
      [
        'one that is disabled',
        () => {
          rules(...shipped(), { ...rule('old', ['#'], '${topic}_reply'), enable: false });
        },
      ],
      [
        'one for each topic of update_topo',
        () => {
          rules(
            rule('sys', ['sys/product/+/status'], '${topic}_reply'),
            rule('thing', ['thing/product/+/status'], '${topic}_reply'),
          );
        },
      ],
      [
        'one that hands messages on',
        () => {
          rules(...shipped(), rule('other', ['#'], 'archive/${topic}'));
        },
      ],
      [
        'one for other topics',
        () => {
          rules(...shipped(), rule('other', ['weather/+'], '${topic}_reply'));
        },
      ],
      [
        'one without actions',
        () => {
          rules(...shipped(), { id: 'bare', enable: true });
        },
      ],
    ];
    for (const [what, make] of harmless) {
      it(`finds nothing wrong with ${what}`, async () => {
        make();
        expect(await faults()).to.deep.equal([]);
      });
    }

    it('says that they were not looked at if EMQX does not tell', async () => {
      emqx.fault = (call) => (/^GET \/rules/.test(call) ? 500 : undefined);
      expect(await faults()).to.deep.equal(['warning emqx_not_checked']);
    });
  });

  describe('is content with a retainer', () => {
    const DENY = '{deny, all, {publish, [{retain, true}]}, ["thing/product/+/requests"]}.';
    const kept: [string, () => void][] = [
      ['that is not there', () => delete emqx.state.more['/mqtt/retainer']],
      [
        'from which a rule of acl.conf keeps requests',
        () => (emqx.state.sources = [{ type: 'file', enable: true, rules: `%% docs/emqx.md\n${DENY}\n` }]),
      ],
      [
        'from which a transformation keeps requests',
        () =>
          (emqx.state.more['/message_transformations'] = [
            {
              ...{ name: 'dock_requests_are_not_retained', enable: true },
              ...{ topics: ['thing/product/+/requests'], operations: [{ key: 'retain', value: 'false' }] },
            },
          ]),
      ],
    ];
    for (const [what, make] of kept) {
      it(what, async () => {
        emqx.state.more['/mqtt/retainer'] = { enable: true };
        make();
        expect(await faults()).to.deep.equal([]);
      });
    }
  });

  it('does not believe retainer.enable = false where it does nothing, and names what does', async () => {
    emqx.state.version = '6.2.0';
    const found = (await check()).find(({ code }) => code === 'emqx_retainer');
    expect(fixOf(found)).to.include('message_transformation');
  });

  it('sends an operator whose EMQX asks at a wrong address to register', async () => {
    emqx.state.status['emqx@127.0.0.1'] = 'connecting';
    provider()['url'] = 'http://127.0.0.1:9999';
    const fix = async (exhookUrl?: string): Promise<string> =>
      fixOf((await check({ exhookUrl })).find(({ code }) => code === 'emqx_provider_not_connected'));
    expect(await fix('http://127.0.0.1:9000')).to.match(
      /^dockhook listens at http:\/\/127\.0\.0\.1:9000 .*register/,
    );
    expect(await fix('http://127.0.0.1:9999')).to.match(/^see that dockhook runs .*register --exhook/);
    expect(await fix()).to.match(/^see that dockhook runs/);
  });

  it('names a key that may only read, by a client that there is not', async () => {
    emqx.fault = (call) => (/^(DELETE|POST) /.test(call) ? 403 : undefined);
    expect(await faults()).to.deep.equal(['warning emqx_provider_untried', 'error emqx_key_cannot_write']);
    expect(emqx.calls.filter((call) => call.startsWith('DELETE')).join()).to.match(
      /^DELETE \/clients\/dockhook-[0-9a-f-]+$/,
    );
  });

  it('publishes to see that EMQX asks, under an SN that no device has', async () => {
    await check();
    expect(emqx.calls.filter((call) => !call.startsWith('GET'))).to.have.length(2);
    expect(emqx.published).to.have.length(1);
    expect(emqx.published[0]).to.include({
      retain: false,
      topic: 'thing/product/DOCKHOOKPROBESTATUS/requests',
    });
  });

  it('finds each thing that docs/emqx.md says it checks', () => {
    const table = readFileSync(new URL('../../../../docs/emqx.md', import.meta.url), 'utf8');
    const named = new Set(
      [...table.matchAll(/doctor: ([^|]+)\|/g)].flatMap(([, cell = '']) => cell.match(/emqx_\w+/g) ?? []),
    );
    const injected = new Set(cases.map(([expected]) => expected.split(' ')[1]));
    injected.add('emqx_key_cannot_write');
    expect(named).to.have.property('size').that.is.greaterThan(30);
    expect([...named].filter((code) => !injected.has(code))).to.deep.equal([]);
  });

  for (const version of ['5.9.0', '5.10.4', '6.0.2', '6.1.1']) {
    it(`names the fault of ${version} that loses hooks`, async () => {
      emqx.state.version = version;
      expect(await faults()).to.include('warning emqx_version_loses_hooks');
    });
  }
  for (const version of ['5.10.5', '6.0.3', '6.1.2', '6.2.1', '5.8.10']) {
    it(`finds ${version} sound`, async () => {
      emqx.state.version = version;
      expect(await faults()).to.deep.equal([]);
    });
  }

  for (const version of ['5.10.5', '6.2.0']) {
    it(`lets listeners of ${version} be open from its start`, async () => {
      emqx.state.version = version;
      expect((await faults({ opens: [] })).join()).to.not.include('open_at_start');
    });
  }

  /** As our configuration leaves it at boot. */
  const closeAll = (): void => {
    emqx.state.listeners['tcp:default'] = { enable: false, bind: '0.0.0.0:1883' };
    emqx.state.listeners['ssl:default'] = { ...listener(), enable: false };
  };

  it('says how listeners come to be opened that an EMQX up to 5.8 keeps closed, and calls no door sound', async () => {
    closeAll();
    const found = await check({ opens: [] });
    const fault = found.filter(({ level }) => level !== 'ok');
    expect(fault.map(({ code }) => code)).to.deep.equal(['emqx_no_listener']);
    expect(fixOf(fault[0])).to.include('DOCKHOOK_EMQX_LISTENERS=');
    expect(found.map(({ code }) => code)).to.not.include('emqx_doors');
  });

  it('does not tell to set DOCKHOOK_EMQX_LISTENERS where it is set, where it does nothing, and where no listener is', async () => {
    const fix = async (opens: string[]): Promise<string> =>
      fixOf((await check({ opens })).find(({ code }) => code === 'emqx_no_listener'));
    closeAll();
    expect(await fix(['ssl:default'])).to.include('dockhook serve');
    emqx.state.version = '5.9.0';
    expect(await fix([])).to.equal('dockhook emqx config --emqx-version VERSION prints listeners');
    emqx.state.version = '5.8.9';
    emqx.state.listeners = {};
    expect(await fix([])).to.equal('dockhook emqx config --emqx-version VERSION prints listeners');
  });

  it('looks at a listener that runs though the configuration has it off', async () => {
    closeAll();
    emqx.state.startedByHand = ['tcp:default'];
    const found = await faults({ opens: ['tcp:default'] });
    expect(found).to.deep.equal(['warning emqx_listener_plain']);
  });

  it('lets dockhook open again only listeners that docks use', async () => {
    const fix = async (): Promise<string> =>
      fixOf((await check()).find(({ code }) => code === 'emqx_open_at_start'));
    emqx.state.listeners['ws:default'] = { enable: true, bind: '0.0.0.0:8083' };
    expect(await fix()).to.equal('in emqx.conf of every node: listeners.ws.default.enable = false');
    emqx.state.listeners['tcp:default'] = { enable: true, bind: '0.0.0.0:1883' };
    expect(await fix())
      .to.include('listeners.ws.default.enable = false')
      .and.to.include(
        'DOCKHOOK_EMQX_LISTENERS=ssl:default,tcp:default for dockhook serve, which opens them in time',
      );
  });

  it('takes a cache of three topics for each dock for large enough, and the shipped one for any fleet', async () => {
    emqx.state.authorization['cache'] = { enable: true, max_size: 4096, ttl: '1m' };
    expect(await faults({ docks: 1365 })).to.deep.equal([]);
    emqx.state.authorization['cache'] = { enable: true, max_size: 32_768, ttl: '1m' };
    expect(await faults({ docks: 50_000 })).to.deep.equal([]);
  });

  it('counts one of a kind as one', async () => {
    const accounts = [{ name: 'certified', certificateCn: 'dock-1' }];
    const whats = (await check({ accounts })).map(({ what }) => what).join('\n');
    expect(whats)
      .to.include('1 account with a client certificate, and no listener')
      .and.to.include('1 account with a client certificate, and this EMQX')
      .and.to.include('connected on 1 node with 4 hooks');
    emqx.state.nodes.push('emqx@b');
    const two = (await check({ accounts: [...accounts, ...accounts] })).map(({ what }) => what).join('\n');
    expect(two).to.include('2 accounts with a client certificate').and.to.include('connected on all 2 nodes');
  });

  it('looks at a cluster of which a node is stopped', async () => {
    emqx.state.nodes.push('emqx@b');
    emqx.state.nodeStates['emqx@b'] = 'stopped';
    expect(await faults()).to.deep.equal(['warning emqx_node_down']);
  });

  it('takes blanks in the client id override for what they are', async () => {
    emqx.state.mqtt['clientid_override'] = "concat([username, '|', clientid])";
    expect(await faults()).to.deep.equal([]);
  });

  it('takes no listener that is off, on loopback, or asks only for a name, for a fault', async () => {
    Object.assign(emqx.state.listeners, {
      'tcp:local': { enable: true, bind: '127.0.0.1:1883', enable_authn: true },
      'tcp:off': { enable: false, bind: '1883', enable_authn: false },
      'tcp:old': { enabled: false, bind: '1883', enable_authn: false },
      'ssl:quick': { enable: true, bind: '8885', enable_authn: 'quick_deny_anonymous', ssl_options: {} },
    });
    expect(await faults({ opens: ['ssl:default', 'tcp:local', 'ssl:quick'] })).to.deep.equal([]);
  });

  it('does not know a bare port or IPv6 for loopback by mistake', async () => {
    const opens = ['ssl:default', 'tcp:default'];
    for (const bind of ['1883', ':1883', '[::]:1883']) {
      emqx.state.listeners['tcp:default'] = { enable: true, bind, enable_authn: true };
      expect(await faults({ opens }), bind).to.deep.equal(['warning emqx_listener_plain']);
    }
    emqx.state.listeners['tcp:default'] = { enable: true, bind: '[::1]:1883', enable_authn: true };
    expect(await faults({ opens })).to.deep.equal([]);
  });

  it('says of DOCKHOOK_UNKNOWN_ACCOUNTS=ignore that nobody stops such accounts', async () => {
    emqx.state.authenticators = [];
    const found = (await check({ unknownAccounts: 'ignore' })).find(
      ({ code }) => code === 'emqx_no_authenticator',
    );
    expect(found?.why).to.include('dockhook leaves to EMQX');
  });

  describe('if EMQX does not answer', () => {
    const paths: [string, string][] = [
      ['GET /nodes', 'its version'],
      ['GET /exhooks', 'whether it asks dockhook'],
      ['GET /authentication', 'its authenticators'],
      [`GET /authentication/${encodeURIComponent(DATABASE)}/users`, 'its authenticators'],
      ['GET /authorization/settings', 'its authorization'],
      ['GET /authorization/sources', 'its authorization'],
      ['GET /listeners', 'its listeners'],
      ['GET /configs/global_zone', 'its MQTT settings'],
    ];
    for (const [path, what] of paths) {
      for (const fault of [403, 404, 500, 'web page', 'truncated', 'wrong JSON'] as const) {
        if (path === 'GET /nodes' && typeof fault === 'string') continue;
        it(`${path} (${fault}), one warning says that ${what} could not be checked`, async () => {
          emqx.fault = (call) => (call === path ? fault : undefined);
          const findings = await check();
          const unchecked = findings.filter(({ level }) => level !== 'ok');
          expect(unchecked.map(({ code }) => code)).to.deep.equal(['emqx_not_checked']);
          expect(unchecked[0]?.level).to.equal('warning');
          expect(unchecked[0]?.what).to.include(what);
          const two = ['GET /listeners', 'GET /configs/global_zone', 'GET /nodes'].includes(path);
          expect(findings.filter(({ level }) => level === 'ok')).to.have.length(two ? 6 : 7);
        });
      }
    }

    it('at all, one error says so and nothing is called ok', async () => {
      for (const fault of ['hang', 'cut', 'web page', 'redirect'] as const) {
        emqx.fault = () => fault;
        const findings = await check();
        expect(
          findings.map(({ level, code }) => `${level} ${code}`),
          fault,
        ).to.deep.equal(['error emqx_unreachable']);
      }
      emqx.fault = () => undefined;
      const refused = await check({}, 'another-key');
      expect(refused.map(({ code }) => code)).to.deep.equal(['emqx_unreachable']);
      expect(refused[0]?.what).to.include('401');
      expect(JSON.stringify(refused)).to.not.include('another-key').and.to.not.include(API_SECRET);
    });
  });
});
