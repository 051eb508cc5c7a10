/**
 * EMQX's protobuf messages to the types of `hooks.ts`, and our answers back. The only place that builds
 * an answer: protobufjs drops a misspelt field in silence and sends a misspelt enum name as 0, which is
 * CONTINUE, that is consent. The types below make both a compile error; tests pin the bytes.
 */
import { ownClientId } from '../client-id.js';
import { DockhookError } from '../errors.js';
import type { Action, Client, Message, MountedHook, PublishVerdict, Session } from '../hooks.js';

/** `ClientInfo`, as far as we read it. */
interface ClientInfo {
  node: string;
  clientid: string;
  username: string;
  password: string;
  peerhost: string;
  peerport: number;
  cn: string;
}

/** `Message`, whole: an answer must send all of it back. */
export interface WireMessage {
  node: string;
  id: string;
  qos: number;
  from: string;
  topic: string;
  payload: Buffer;
  /** Milliseconds since the epoch, decimal. */
  timestamp: string;
  headers: Record<string, string>;
}

/** A node loads the provider. Both may be null in a request that EMQX did not write. */
export interface LoadedRequest {
  /** `uptime` is in milliseconds, decimal. */
  broker: { version: string; sysdescr: string; uptime: string } | null;
  meta: { node: string } | null;
}

/** A request about a client. Every field message may be missing in a request that EMQX did not write. */
export interface ClientRequest {
  clientinfo: ClientInfo | null;
}

/** `version` is that of the broker. */
export interface ConnectedRequest extends ClientRequest {
  meta: { version: string } | null;
}

/** `reason` is EMQX's own word, such as `tcp_closed`. */
export interface DisconnectedRequest extends ClientRequest {
  reason: string;
}

export interface AuthorizeRequest extends ClientRequest {
  /** A number if it is one that the `.proto` file does not name. */
  type: string | number;
  topic: string;
}

/** The message may be null in a request that EMQX did not write. */
export interface PublishRequest {
  message: WireMessage | null;
}

/** EMQX takes a value without `type`, and a `type` without value, for something else than was meant. */
export type ValuedResponse =
  | { type: 'IGNORE'; bool_result?: never; message?: never }
  | { type: 'STOP_AND_RETURN'; bool_result: boolean; message?: never }
  | { type: 'STOP_AND_RETURN'; bool_result?: never; message: WireMessage };

/** The hooks that EMQX shall mount; `topics` is empty for a hook without a filter. */
export interface LoadedResponse {
  hooks: { name: string; topics: string[] }[];
}

/** The answer to what is only reported. It has no fields. */
export type EmptySuccess = Record<string, never>;

// STOP_AND_RETURN and not CONTINUE: EMQX 5.9.0–5.10.4 may hold a provider twice and ask it again.
export const ALLOW: ValuedResponse = { type: 'STOP_AND_RETURN', bool_result: true };
export const DENY: ValuedResponse = { type: 'STOP_AND_RETURN', bool_result: false };
/** EMQX goes on as if it had not asked. */
export const IGNORE: ValuedResponse = { type: 'IGNORE' };
export const EMPTY_SUCCESS: EmptySuccess = {};

/** `uptimeMs` is undefined if the node does not say how long it has been running. */
export function toBroker({ broker, meta }: LoadedRequest): {
  node: string;
  product: string;
  version: string;
  uptimeMs: number | undefined;
} {
  const uptime = Number(broker?.uptime);
  return {
    node: meta?.node ?? '',
    product: broker?.sysdescr ?? '',
    version: broker?.version ?? '',
    uptimeMs: uptime > 0 ? uptime : undefined,
  };
}

/** @throws DockhookError if the request names no client, so that it is refused. */
export function toClient({ clientinfo }: ClientRequest): Client {
  if (clientinfo === null) throw new DockhookError('failed', 'the request has no clientinfo');
  return {
    clientId: ownClientId(clientinfo.username, clientinfo.clientid),
    username: clientinfo.username,
    peerHost: clientinfo.peerhost,
    peerPort: clientinfo.peerport,
    certificateCn: clientinfo.cn,
    node: clientinfo.node,
  };
}

/** The password of an authenticate request; EMQX tells it in no other. */
export function toPassword({ clientinfo }: ClientRequest): string {
  return clientinfo?.password ?? '';
}

/** @throws DockhookError if it is neither, so that the client is refused. */
export function toAction({ type }: AuthorizeRequest): Action {
  if (type === 'PUBLISH') return 'publish';
  if (type === 'SUBSCRIBE') return 'subscribe';
  throw new DockhookError('failed', `the request has the unknown action ${type}`);
}

/** @throws DockhookError if the request carries no message. */
export function messageIn({ message }: PublishRequest): WireMessage {
  if (message === null) throw new DockhookError('failed', 'the request has no message');
  return message;
}

/** The message has no session if no client published it. */
export function toMessage(message: WireMessage): Message {
  const { id, topic, qos, payload } = message;
  return { id, topic, qos, payload, session: sessionOf(message) };
}

/**
 * Only a message of a live session names username and protocol: one of the REST API or the rule engine names no
 * username, and a will no protocol (seen on EMQX 5.8.9 and 5.10.4).
 */
function sessionOf({ from, headers }: WireMessage): Session | undefined {
  const { username, protocol, peerhost } = headers;
  if (!username || !protocol) return undefined;
  return { account: username, clientId: ownClientId(username, from), peerHost: peerhost };
}

/** What EMQX shall make of a published message; `message` is the one it asked about. */
export function publishResponse(message: WireMessage, verdict: PublishVerdict): ValuedResponse {
  switch (verdict.kind) {
    case 'pass':
      return IGNORE;
    case 'drop':
      return stopWith({ ...message, headers: { ...message.headers, allow_publish: 'false' } });
    case 'reply': {
      const { topic, payload, qos } = verdict;
      return stopWith({ ...message, topic, payload, qos });
    }
  }
}

function stopWith(message: WireMessage): ValuedResponse {
  return { type: 'STOP_AND_RETURN', message };
}

export function loadedResponse(mounted: readonly MountedHook[]): LoadedResponse {
  return { hooks: mounted.map(({ name, topics = [] }) => ({ name, topics: [...topics] })) };
}
