/**
 * What the stand-in for EMQX's REST API answers: as a live 5.8.9 and 6.2.0 did where that was recorded
 * (test/fixtures/emqx-*-rest*.txt), and elsewhere as EMQX's source and documentation say, marked "not recorded".
 */
import { covers } from '../../src/access/topic-filters.js';

type Json = Record<string, unknown>;

export interface FakeClient {
  clientid: string;
  username: string | null;
  connected?: boolean;
  connected_at?: string;
  listener?: string;
  node?: string;
  subscriptions?: string[];
}

/** `booting` is a node that has joined and whose REST API is not there yet: no other node lists it, and its hooks are missing. */
export type NodeState = 'running' | 'stopped' | 'booting';

interface MountedHook {
  name: string;
  params: { topics?: string[] };
}

export interface EmqxState {
  version: string;
  nodes: string[];
  /** `running` unless given. */
  nodeStates: Record<string, NodeState>;
  /** Of every node, in milliseconds. */
  uptime: number;
  providers: Json[];
  /** Hooks that a connected provider has. */
  hooks: MountedHook[];
  /** What dockhook asks for when EMQX loads it; as `hooks` unless given. */
  hooksAtLoad?: MountedHook[];
  /** What a node says of every provider; `connected` unless given. A function is asked at each look. */
  status: Record<string, string | (() => string)>;
  authenticators: Json[];
  /** How many users an authenticator holds, by its id. */
  users: Record<string, number>;
  sources: Json[];
  authorization: Json;
  /** By id, such as `tcp:default`. */
  listeners: Record<string, Json>;
  /** Nodes on which a listener does not run though it is enabled, by its id; a start empties it. */
  closedOn: Record<string, string[]>;
  /** Listeners that run though they are not enabled: `emqx eval` started them. */
  startedByHand: string[];
  mqtt: Json;
  /** What a zone has beside `mqtt`. */
  zone: Json;
  clients: FakeClient[];
  /** Answers to `GET` of other paths below `/api/v5`, without their query. What is not here is not there. */
  more: Record<string, unknown>;
  /** What becomes of the call that EMQX makes for a published request. */
  call: 'answered' | 'unanswered' | 'not made';
  /** Calls of each hook, on each node. */
  counts: { succeed: number; failed: number };
  /** Whether `GET /clients` gives every client, whatever it is asked for. */
  ignoresFilters: boolean;
}

export interface Reply {
  status: number;
  /** Sent as JSON; a string is a web page. */
  body?: unknown;
}

/** What the shipped configuration makes, before `register`. */
export function closedState(): EmqxState {
  return {
    version: '5.8.9',
    nodes: ['emqx@127.0.0.1'],
    nodeStates: {},
    uptime: 289_506,
    providers: [],
    hooks: [
      { name: 'client.authenticate', params: {} },
      { name: 'client.authorize', params: {} },
      { name: 'client.disconnected', params: {} },
      {
        name: 'message.publish',
        params: {
          topics: ['thing/product/+/requests', 'sys/product/+/status', 'thing/product/+/status'],
        },
      },
    ],
    status: {},
    authenticators: [
      {
        id: 'password_based:built_in_database',
        mechanism: 'password_based',
        backend: 'built_in_database',
        user_id_type: 'username',
        enable: true,
      },
    ],
    users: {},
    sources: [],
    authorization: {
      no_match: 'deny',
      deny_action: 'ignore',
      cache: { enable: true, max_size: 32_768, ttl: '1m' },
    },
    listeners: {
      'ssl:default': {
        enable: true,
        bind: '0.0.0.0:8883',
        zone: 'default',
        enable_authn: true,
        ssl_options: { verify: 'verify_none', certfile: '/etc/emqx/certs/broker.pem' },
      },
      'ws:default': { enable: false, bind: '0.0.0.0:8083', enable_authn: true },
    },
    closedOn: {},
    startedByHand: [],
    mqtt: {
      ignore_loop_deliver: false,
      peer_cert_as_username: 'disabled',
      peer_cert_as_clientid: 'disabled',
      clientid_override: "concat([username,'|',clientid])",
    },
    zone: { flapping_detect: { enable: false, max_count: 15, window_time: '1m', ban_time: '5m' } },
    clients: [],
    more: {
      '/mqtt/topic_rewrite': [],
      '/mqtt/auto_subscribe': [],
      '/mqtt/retainer': { enable: false },
      '/banned': { data: [], meta: { count: 0, page: 1, limit: 1000, hasnext: false } },
    },
    call: 'answered',
    counts: { succeed: 7, failed: 0 },
    ignoresFilters: false,
  };
}

/** Recorded: what EMQX says to a path that it does not have. */
export const NO_SUCH_PATH: Reply = {
  status: 404,
  body: '<html><head><title>404 - NOT FOUND</title></head><body><h1>404 - NOT FOUND</h1></body></html>',
};

function metricsOf({ counts }: EmqxState): Json {
  return { max_rate: 0, rate: 0, ...counts };
}

/** @param path below `/api/v5`; answers, and changes `state` as EMQX would */
export function route(
  state: EmqxState,
  verb: string,
  path: string,
  query: URLSearchParams,
  data: unknown,
): Reply {
  const [root = '', id = '', sub, last] = path.split('/').slice(1).map(decodeURIComponent);
  const body = (data ?? {}) as Json;
  const provider = state.providers.find(({ name }) => name === id);
  switch ([verb, root, ...(id === '' ? [] : ['ID']), sub, last].filter(Boolean).join(' ')) {
    case 'GET nodes': // recorded, but for nodes that do not run: EMQX's source
      return ok(
        state.nodes
          .filter((node) => stateOf(state, node) !== 'booting')
          .map((node) =>
            stateOf(state, node) === 'stopped'
              ? { node, node_status: 'stopped', role: 'core' }
              : { node, version: state.version, node_status: 'running', uptime: state.uptime, role: 'core' },
          ),
      );
    case 'GET exhooks': // recorded
      return ok(state.providers.map((one) => withStatus(state, one)));
    case 'POST exhooks': // not recorded, as all of exhooks below but `hooks`
      if (state.providers.some(({ name }) => name === body['name']))
        return refused(400, 'BAD_REQUEST', 'Already exists');
      state.providers.push(body);
      return ok(withStatus(state, body));
    case 'GET exhooks ID':
      return provider ? ok(withStatus(state, provider)) : refused(404, 'BAD_REQUEST', 'Server not found');
    case 'PUT exhooks ID': // loads it again, even if nothing changes (source)
      if (!provider) return refused(404, 'NOT_FOUND', 'Server not found');
      state.hooks = state.hooksAtLoad ?? state.hooks;
      state.providers[state.providers.indexOf(provider)] = body;
      return ok(withStatus(state, body));
    case 'POST exhooks ID move':
      if (!provider || body['position'] !== 'front') return refused(400, 'BAD_REQUEST', 'Invalid Position');
      state.providers = [provider, ...state.providers.filter((other) => other !== provider)];
      return { status: 204 };
    case 'GET exhooks ID hooks': // recorded
      return provider
        ? ok(
            state.hooks.map((hook) => ({
              ...hook,
              metrics: metricsOf(state),
              node_metrics: nodeMetrics(state),
            })),
          )
        : refused(400, 'BAD_REQUEST', 'Server not found');
    case 'GET authentication': // recorded
      return ok(state.authenticators);
    case 'GET authentication ID users': {
      const count = state.users[id] ?? 0;
      const users = count > 0 ? [{ user_id: 'user', is_superuser: false }] : [];
      return ok({ data: users, meta: { count, page: 1, limit: 1, hasnext: count > 1 } });
    }
    case 'GET authorization ID':
      return ok(id === 'settings' ? state.authorization : { sources: state.sources });
    case 'GET listeners':
      return ok(
        Object.entries(state.listeners).map(([name, { enable, bind }]) => {
          const status = (running: boolean): Json => ({
            running,
            max_connections: 'infinity',
            current_connections: 0,
          });
          const nodes = joined(state).map((node) => ({ node, status: status(runs(state, name, node)) }));
          const [type, short] = name.split(':');
          const { status: first } = nodes[0] ?? {};
          return {
            id: name,
            type,
            name: short,
            enable,
            bind,
            node_status: nodes,
            number: nodes.length,
            status: first,
          };
        }),
      );
    case 'POST listeners ID start': {
      // not recorded: 200 without a body (seen)
      const listener = state.listeners[id];
      if (!listener) return refused(404, 'BAD_LISTENER_ID', 'Listener id not found');
      // On every node, also on one that is just booting.
      listener['enable'] = true;
      state.closedOn[id] = [];
      return { status: 200 };
    }
    case 'GET listeners ID': {
      const listener = state.listeners[id];
      if (!listener) return refused(404, 'BAD_LISTENER_ID', 'Listener id not found');
      return ok({ id, type: id.split(':')[0], ...listener });
    }
    case 'GET configs ID':
      return id === 'global_zone' ? ok({ mqtt: state.mqtt, ...state.zone }) : NO_SUCH_PATH;
    case 'GET clients':
      return ok(clientsPage(state, query));
    case 'GET subscriptions': // recorded
      return ok(subscriptionsPage(state, query));
    case 'DELETE clients ID': // recorded
      return kick(state, [id]) ? { status: 204 } : refused(404, 'CLIENTID_NOT_FOUND', 'Client ID not found');
    case 'DELETE clients ID authorization cache':
      return state.clients.some(({ clientid }) => clientid === id)
        ? { status: 204 }
        : refused(404, 'CLIENTID_NOT_FOUND', 'Client ID not found');
    case 'POST clients ID bulk':
      kick(state, data as string[]);
      return { status: 204 };
    case 'POST publish': // recorded
      if (state.call === 'answered') state.counts.succeed += 1;
      if (state.call === 'unanswered') state.counts.failed += 1;
      return { status: 202, body: { message: 'no_matching_subscribers', reason_code: 16 } };
    default:
      return verb === 'GET' && path in state.more ? ok(state.more[path]) : NO_SUCH_PATH;
  }
}

function ok(body: unknown): Reply {
  return { status: 200, body };
}

export function refused(status: number, code: string, message: string): Reply {
  return { status, body: { code, message } };
}

/** EMQX's `hooks` are those of the node that answers. */
function withStatus(state: EmqxState, provider: Json): Json {
  const nodeStatus = joined(state).map((node) => {
    const status = state.status[node] ?? (stateOf(state, node) === 'booting' ? 'error' : 'connected');
    return { node, status: typeof status === 'function' ? status() : status };
  });
  return {
    hooks: nodeStatus[0]?.status === 'connected' ? state.hooks : [],
    metrics: metricsOf(state),
    node_metrics: nodeMetrics(state),
    node_status: nodeStatus,
    ...provider,
  };
}

/** The first node takes what comes over REST, and so has the count. */
function nodeMetrics(state: EmqxState): Json[] {
  return joined(state).map((node, index) => ({
    metrics: index === 0 ? metricsOf(state) : { ...metricsOf(state), succeed: 3, failed: 0 },
    node,
  }));
}

function stateOf({ nodeStates }: EmqxState, node: string): NodeState {
  return nodeStates[node] ?? 'running';
}

/** Nodes that take part in the cluster. */
function joined(state: EmqxState): string[] {
  return state.nodes.filter((node) => stateOf(state, node) !== 'stopped');
}

function runs({ listeners, closedOn, startedByHand }: EmqxState, id: string, node: string): boolean {
  if (startedByHand.includes(id)) return true;
  return (listeners[id]?.['enable'] ?? listeners[id]?.['enabled']) !== false && !closedOn[id]?.includes(node);
}

function clientsPage({ clients, nodes, ignoresFilters }: EmqxState, query: URLSearchParams): Json {
  const [limit, page] = [Number(query.get('limit')), Number(query.get('page'))];
  const [username, like] = [query.get('username'), query.get('like_clientid')];
  const clientId = query.get('clientid');
  const [node, until] = [query.get('node'), query.get('lte_connected_at')];
  const found = clients.filter(
    (client) =>
      ignoresFilters ||
      ((username === null || client.username === username) &&
        (like === null || client.clientid.includes(like)) &&
        (clientId === null || client.clientid === clientId) &&
        (node === null || (client.node ?? nodes[0]) === node) &&
        (until === null || Date.parse(client.connected_at ?? '') <= Number(until))),
  );
  const data = found.slice((page - 1) * limit, page * limit);
  return {
    data: data.map((client) => ({ connected: true, node: nodes[0], ...client, subscriptions: undefined })),
    meta: { count: found.length, limit, page, hasnext: found.length > page * limit },
  };
}

/** `match_topic` finds shared subscriptions, too, and then there is no count. */
function subscriptionsPage({ clients, nodes }: EmqxState, query: URLSearchParams): Json {
  const [limit, page] = [Number(query.get('limit')), Number(query.get('page'))];
  const match = query.get('match_topic');
  const found = clients.flatMap(({ clientid, node = nodes[0], subscriptions = [] }) =>
    subscriptions
      .filter((topic) => (match === null ? topic === query.get('topic') : covers(match, topic)))
      .map((topic) => ({ clientid, durable: false, nl: 0, node, qos: 1, rap: 0, rh: 0, topic })),
  );
  const hasnext = found.length > page * limit;
  return {
    data: found.slice((page - 1) * limit, page * limit),
    meta: { ...(match === null ? { count: found.length } : {}), hasnext, limit, page },
  };
}

/** @returns whether any of them was there */
function kick(state: EmqxState, clientIds: readonly string[]): boolean {
  const before = state.clients.length;
  state.clients = state.clients.filter(({ clientid }) => !clientIds.includes(clientid));
  return state.clients.length < before;
}
