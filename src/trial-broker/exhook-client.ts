/**
 * EMQX's side of ExHook: a gRPC client of `emqx.exhook.v3.HookProvider` that asks what EMQX asks, with
 * its field values, and takes the answers as EMQX does (5.8.9 and 5.10.4, observed on live brokers).
 * It owns the wire and nothing else: when to ask, caching and order per client are the broker's.
 *
 * One difference is on purpose: before the first answer to `OnProviderLoaded`, EMQX lets everybody in, but this client
 * lets nobody in. With the configuration we ship, EMQX does the same.
 */
import { fileURLToPath } from 'node:url';
import { isUtf8 } from 'node:buffer';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { DockhookError } from '../errors.js';
import type { PublishVerdict } from '../hooks.js';
import { matches } from './topic-filter.js';

const SERVICE = 'emqx.exhook.v3.HookProvider';
const PROTO = fileURLToPath(new URL('../../protos/exhook/v3/exhook.proto', import.meta.url));

/** EMQX's default `request_timeout`. */
const REQUEST_TIMEOUT_MS = 5000;
const RETRY_LOAD_MS = 1000;

/** The hooks that EMQX can mount. If a provider's list has one unknown name, EMQX rejects the whole list. */
const HOOK_POINTS = new Set(
  (
    'client.connect client.connack client.connected client.disconnected client.authenticate client.authorize ' +
    'client.subscribe client.unsubscribe session.created session.subscribed session.unsubscribed session.resumed ' +
    'session.discarded session.takenover session.terminated message.publish message.delivered message.acked ' +
    'message.dropped'
  ).split(' '),
);

/** ExHook's `ClientInfo`, under its own field names. Unset is `''`, as EMQX sends it. */
export interface ClientInfo {
  node: string;
  clientid: string;
  username: string;
  peerhost: string;
  peerport: number;
  sockport: number;
}

/** ExHook's `Message`, under its own field names; `timestamp` in milliseconds. */
export interface ExhookMessage {
  node: string;
  id: string;
  qos: number;
  from: string;
  topic: string;
  payload: Buffer;
  timestamp: number;
  headers: Record<string, string>;
}

/** One provider, asked as EMQX asks it. No method rejects: a call that fails is EMQX's `failed_action = deny`. */
export interface ExhookClient {
  /**
   * Resolves after the first attempt to load the provider's hooks, successful or not. A failed one is
   * repeated every second until it succeeds; until then every client is refused.
   */
  firstLoad: Promise<void>;
  authenticate(client: ClientInfo, password: Buffer): Promise<boolean>;
  authorize(client: ClientInfo, type: 'PUBLISH' | 'SUBSCRIBE', topic: string): Promise<boolean>;
  /** A failed call lets the message pass as it is, in EMQX too. For topics outside the filter there is no call. */
  publish(message: ExhookMessage): Promise<PublishVerdict>;
  connected(client: ClientInfo): Promise<void>;
  /** `reason` in EMQX's words: `normal`, `tcp_closed`, `keepalive_timeout`, `discarded`. */
  disconnected(client: ClientInfo, reason: string): Promise<void>;
  /** Cancels calls in flight; later calls are refused. */
  close(): void;
}

interface ExhookOptions {
  /** `host:port` of the ExHook server. */
  address: string;
  node: string;
  /** What it calls itself; tests play EMQX. */
  name?: string;
  /** Hears every call that failed. */
  onError: (error: DockhookError) => void;
}

interface LoadedResponse {
  hooks: { name: string; topics: string[] }[];
}

interface ValuedResponse {
  type: string;
  value?: 'bool_result' | 'message';
  bool_result?: boolean;
  message?: { topic: string; payload: Buffer; qos: number; headers: Record<string, string> };
}

/** Starts to ask a provider; returns at once. */
export function connectExhook({
  address,
  node,
  name = 'dockhook embedded broker',
  onError,
}: ExhookOptions): ExhookClient {
  const calls = openCalls(address);
  const startedAt = performance.now();
  const meta = { node, version: '5.10.4', sysdescr: name, cluster_name: 'dockhook' };
  const hooks = new Map<string, string[]>();
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  async function ask(method: string, request: object): Promise<unknown> {
    try {
      return await calls.call(method, { ...request, meta });
    } catch (cause) {
      if (!closed) onError(callFailed(method, address, cause));
      return undefined;
    }
  }

  async function load(): Promise<void> {
    const broker = {
      version: meta.version,
      sysdescr: meta.sysdescr,
      uptime: Math.ceil(performance.now() - startedAt),
      datetime: new Date().toISOString(),
    };
    const answer = (await ask('OnProviderLoaded', { broker })) as LoadedResponse | undefined;
    const unknown = answer?.hooks.find((hook) => !HOOK_POINTS.has(hook.name));
    if (unknown)
      onError(callFailed('OnProviderLoaded', address, `it names an unknown hook "${unknown.name}"`));
    if (answer && !unknown) for (const hook of answer.hooks) hooks.set(hook.name, hook.topics);
    else if (!closed) retry = setTimeout(() => void load(), RETRY_LOAD_MS);
  }

  /** Yes only if the provider says yes. With IGNORE, EMQX's own rules decide, and as we ship them they refuse. */
  async function allows(hook: string, method: string, request: object): Promise<boolean> {
    if (!hooks.has(hook)) return false;
    const answer = (await ask(method, request)) as ValuedResponse | undefined;
    return answer !== undefined && answer.type !== 'IGNORE' && answer.bool_result === true;
  }

  return {
    firstLoad: load(),
    async authenticate(client, password) {
      // A gRPC string cannot hold other bytes; EMQX then sends no call and refuses the client.
      if (!isUtf8(password)) return false;
      const clientinfo = clientInfo(client, password.toString());
      return allows('client.authenticate', 'OnClientAuthenticate', { clientinfo, result: false });
    },
    authorize: (client, type, topic) =>
      allows('client.authorize', 'OnClientAuthorize', { clientinfo: clientInfo(client), type, topic }),
    async publish(message) {
      const topics = hooks.get('message.publish');
      const asked = topics?.length === 0 || topics?.some((filter) => matches(filter, message.topic));
      if (!asked) return { kind: 'pass' };
      return publishVerdict((await ask('OnMessagePublish', { message })) as ValuedResponse | undefined);
    },
    async connected(client) {
      if (hooks.has('client.connected')) await ask('OnClientConnected', { clientinfo: clientInfo(client) });
    },
    async disconnected(client, reason) {
      if (!hooks.has('client.disconnected')) return;
      await ask('OnClientDisconnected', { clientinfo: clientInfo(client), reason });
    },
    close() {
      closed = true;
      hooks.clear();
      clearTimeout(retry);
      calls.close();
    },
  };
}

/** Only topic, payload, QoS and the header `allow_publish` of the answer count (measured on EMQX 5.8.9). */
function publishVerdict(answer: ValuedResponse | undefined): PublishVerdict {
  const message = answer?.type === 'IGNORE' ? undefined : answer?.message;
  if (!message) return { kind: 'pass' };
  if (message.headers['allow_publish'] === 'false') return { kind: 'drop' };
  return { kind: 'reply', topic: message.topic, payload: message.payload, qos: message.qos };
}

/** The fields that EMQX 5 sends the same for every MQTT client. Only `authenticate` gets the password. */
function clientInfo(client: ClientInfo, password = ''): object {
  const constant = { protocol: 'mqtt', mountpoint: '', is_superuser: false, anonymous: true, cn: '', dn: '' };
  return { ...client, ...constant, password };
}

function callFailed(method: string, address: string, cause: unknown): DockhookError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new DockhookError(
    'failed',
    `${method} failed at the ExHook server ${address} (${why}): check that it runs and listens there`,
    { cause },
  );
}

/** Unary calls by method name, decoded as plain objects; rejects with grpc-js' error. */
function openCalls(address: string): {
  call(method: string, request: object): Promise<unknown>;
  close(): void;
} {
  const service = loadSync(PROTO, {
    keepCase: true,
    enums: String,
    longs: Number,
    defaults: true,
    oneofs: true,
  })[SERVICE] as grpc.ServiceDefinition | undefined;
  const channel = new grpc.Client(address, grpc.credentials.createInsecure(), {
    // The answer that drops a message returns the message, whatever its size.
    'grpc.max_receive_message_length': -1,
    // EMQX tries again with the next call; grpc-js would wait up to two minutes after an outage.
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.min_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 500,
  });
  const underWay = new Set<grpc.ClientUnaryCall>();
  return {
    call: (method, request) =>
      new Promise((resolve, reject) => {
        const definition = service?.[method];
        if (!definition) throw new Error(`${PROTO} has no ${method}`);
        const call = channel.makeUnaryRequest<object, object>(
          definition.path,
          definition.requestSerialize,
          definition.responseDeserialize,
          request,
          { deadline: Date.now() + REQUEST_TIMEOUT_MS },
          (error, answer) => {
            underWay.delete(call);
            if (error) reject(error);
            else resolve(answer);
          },
        );
        underWay.add(call);
      }),
    close() {
      for (const call of underWay) call.cancel();
      channel.close();
    },
  };
}
