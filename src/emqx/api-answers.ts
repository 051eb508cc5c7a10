/**
 * What EMQX's REST API answers, as far as dockhook reads it: JSON schemas, and the types that follow from them.
 * Lenient: EMQX adds fields from version to version. Recorded from a live 5.8.9 and 6.2.0, but for a node that is
 * stopped, and where it says so.
 */
import { Ajv, type ValidateFunction } from 'ajv';
import type { FromSchema } from 'json-schema-to-ts';

const text = { type: 'string' } as const;
const metrics = {
  type: 'object',
  properties: { succeed: { type: 'number' }, failed: { type: 'number' }, rate: { type: 'number' } },
} as const;
const hook = {
  type: 'object',
  required: ['name'],
  properties: {
    name: text,
    params: { type: 'object', properties: { topics: { type: 'array', items: text } } },
    metrics,
    node_metrics: {
      type: 'array',
      items: { type: 'object', required: ['node'], properties: { node: text, metrics } },
    },
  },
} as const;
const provider = {
  type: 'object',
  required: ['name', 'url', 'hooks', 'node_status'],
  properties: {
    name: text,
    url: text,
    enable: { type: 'boolean' },
    failed_action: text,
    /** EMQX takes a number for milliseconds, and gives back what it was given; `false` is "never". */
    request_timeout: { type: ['string', 'number'] },
    auto_reconnect: { type: ['string', 'number', 'boolean'] },
    pool_size: { type: 'number' },
    ssl: { type: 'object', properties: { enable: { type: 'boolean' }, verify: text } },
    hooks: { type: 'array', items: hook },
    node_status: {
      type: 'array',
      items: { type: 'object', required: ['node', 'status'], properties: { node: text, status: text } },
    },
    metrics,
  },
} as const;
const authenticator = {
  type: 'object',
  required: ['mechanism'],
  properties: {
    id: text,
    mechanism: text,
    backend: text,
    enable: { type: 'boolean' },
    /** From 6.2.0 on (recorded). */
    precondition: text,
  },
} as const;
const list = <const T>(items: T) => ({ type: 'array', items }) as const;
const page = <const T>(items: T) =>
  ({
    type: 'object',
    required: ['data'],
    properties: {
      data: { type: 'array', items },
      meta: { type: 'object', properties: { count: { type: 'number' } } },
    },
  }) as const;

const nodes = list({
  type: 'object',
  required: ['node'],
  properties: {
    node: text,
    /** Absent of a node that is stopped (EMQX's source). */
    version: text,
    node_status: text,
    /** In milliseconds. */
    uptime: { type: 'number' },
  },
} as const);
const providers = list(provider);
const hooks = list(hook);
const authenticators = list(authenticator);
const users = page({ type: 'object' } as const);
const sources = {
  type: 'object',
  required: ['sources'],
  properties: {
    sources: list({
      type: 'object',
      required: ['type'],
      properties: { type: text, enable: { type: 'boolean' }, rules: text },
    } as const),
  },
} as const;
const authorization = {
  type: 'object',
  required: ['no_match'],
  properties: {
    no_match: text,
    deny_action: text,
    cache: {
      type: 'object',
      properties: {
        enable: { type: 'boolean' },
        max_size: { type: 'number' },
        ttl: { type: ['string', 'number'] },
        excludes: { type: 'array', items: text },
      },
    },
  },
} as const;
const listeners = list({
  type: 'object',
  required: ['id', 'type'],
  properties: {
    id: text,
    type: text,
    bind: { type: ['string', 'number'] },
    enable: { type: 'boolean' },
    node_status: {
      type: 'array',
      items: {
        type: 'object',
        required: ['node', 'status'],
        properties: { node: text, status: { type: 'object', properties: { running: { type: 'boolean' } } } },
      },
    },
  },
} as const);
const listener = {
  type: 'object',
  properties: {
    enable: { type: 'boolean' },
    enabled: { type: 'boolean' },
    bind: { type: ['string', 'number'] },
    zone: text,
    enable_authn: { type: ['boolean', 'string'] },
    authentication: list(authenticator),
    mountpoint: text,
    proxy_protocol: { type: 'boolean' },
    access_rules: { type: 'array', items: text },
    max_connections: { type: ['number', 'string'] },
    current_connections: { type: 'number' },
    ssl_options: {
      type: 'object',
      properties: { verify: text, fail_if_no_peer_cert: { type: 'boolean' }, certfile: text },
    },
  },
} as const;
const zone = {
  type: 'object',
  required: ['mqtt'],
  properties: {
    mqtt: {
      type: 'object',
      properties: {
        ignore_loop_deliver: { type: 'boolean' },
        peer_cert_as_username: text,
        peer_cert_as_clientid: text,
        clientid_override: text,
        use_username_as_clientid: { type: 'boolean' },
        namespace_as_mountpoint: { type: 'boolean' },
        retain_available: { type: 'boolean' },
        wildcard_subscription: { type: 'boolean' },
        shared_subscription: { type: 'boolean' },
        max_clientid_len: { type: 'number' },
        max_topic_levels: { type: 'number' },
        max_qos_allowed: { type: 'number' },
        max_subscriptions: { type: ['number', 'string'] },
        max_packet_size: { type: ['number', 'string'] },
      },
    },
    flapping_detect: {
      type: 'object',
      properties: {
        enable: { type: 'boolean' },
        max_count: { type: 'number' },
        window_time: { type: ['number', 'string'] },
        ban_time: { type: ['number', 'string'] },
      },
    },
  },
} as const;
const clients = page({
  type: 'object',
  required: ['clientid'],
  properties: {
    clientid: text,
    username: { type: ['string', 'null'] },
    connected: { type: 'boolean' },
    connected_at: text,
    listener: text,
    node: text,
  },
} as const);
const subscriptions = {
  type: 'object',
  required: ['data'],
  properties: {
    data: list({
      type: 'object',
      required: ['topic'],
      /** `clientid` is null for what EMQX itself subscribes (its source). */
      properties: { topic: text, clientid: { type: ['string', 'null'] } },
    } as const),
    meta: { type: 'object', properties: { hasnext: { type: 'boolean' } } },
  },
} as const;

/** `node_status` says of each node whether it is connected to the provider. */
export type Provider = FromSchema<typeof provider>;
/** A hook that EMQX mounted for a provider, with the counts of its calls if EMQX tells them. */
export type Hook = FromSchema<typeof hook>;
/** A node of the cluster; only one whose `node_status` is `running` serves clients. */
export type Node = FromSchema<typeof nodes>[number];
/** A listener in the list of all, with its state on each node, but without its settings. */
export type ListedListener = FromSchema<typeof listeners>[number];
/** Enabled unless `enable` is false. */
export type Authenticator = FromSchema<typeof authenticator>;
export type Mqtt = FromSchema<typeof zone>['mqtt'];
export type Flapping = FromSchema<typeof zone>['flapping_detect'];
/** The settings of one listener. Enabled unless `enable`, or before 5.1.2 `enabled`, is false. */
export type Listener = FromSchema<typeof listener>;
/** EMQX's settings for all listeners, unless a zone of their own overrides them. */
export type Zone = FromSchema<typeof zone>;

const ajv = new Ajv({ allowUnionTypes: true });
/** Checks an answer; what does not fit is no answer of EMQX's. */
export type Answer<T> = ValidateFunction<T>;

/** A check for each kind of answer, to be given to the calls of the API. */
export const answers = {
  nodes: ajv.compile<FromSchema<typeof nodes>>(nodes),
  provider: ajv.compile<Provider>(provider),
  providers: ajv.compile<Provider[]>(providers),
  hooks: ajv.compile<Hook[]>(hooks),
  authenticators: ajv.compile<Authenticator[]>(authenticators),
  users: ajv.compile<FromSchema<typeof users>>(users),
  sources: ajv.compile<FromSchema<typeof sources>>(sources),
  authorization: ajv.compile<FromSchema<typeof authorization>>(authorization),
  listeners: ajv.compile<FromSchema<typeof listeners>>(listeners),
  listener: ajv.compile<Listener>(listener),
  zone: ajv.compile<Zone>(zone),
  clients: ajv.compile<FromSchema<typeof clients>>(clients),
  subscriptions: ajv.compile<FromSchema<typeof subscriptions>>(subscriptions),
};
