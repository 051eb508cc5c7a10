/**
 * The seam between a broker and dockhook: what a broker asks, and what we answer.
 * Types only. `exhook/` translates EMQX's gRPC messages into these and back; `access/` and `dock/`
 * decide on them and know nothing of gRPC.
 */

/** A connected or connecting MQTT client, as the broker describes it. What the broker did not say is `''`. */
export interface Client {
  /** What the client calls itself, without the account that a broker may put in front (`client-id.ts`). */
  clientId: string;
  /** MQTT username = name of a dockhook account. EMQX does not tell "none" from "empty". */
  username: string;
  peerHost: string;
  /** 0 if the broker does not say: EMQX before 5.4, and Mosquitto's plugin. */
  peerPort: number;
  /** Common name of the TLS client certificate. Only trustworthy where the listener verifies its peer. */
  certificateCn: string;
  /** Broker node that holds the session. */
  node: string;
}

/** A live MQTT session of an account. */
export interface Session {
  account: string;
  /** As {@link Client.clientId}. */
  clientId: string;
  peerHost?: string | undefined;
}

/** An MQTT message on its way through the broker. */
export interface Message {
  id: string;
  topic: string;
  qos: number;
  payload: Buffer;
  /** The session that published it. Undefined if none did: the REST API, the rule engine, a will. */
  session?: Session | undefined;
}

export type Action = 'publish' | 'subscribe';

/** Yes, no, or (only if `DOCKHOOK_UNKNOWN_ACCOUNTS=ignore`) "not ours: let the broker's other rules decide". */
export type Verdict = boolean | 'ignore';

/** What becomes of a published message. */
export type PublishVerdict =
  /** Goes on untouched. */
  | { kind: 'pass' }
  /** Reaches nobody. */
  | { kind: 'drop' }
  /** The message is rewritten into this one. */
  | { kind: 'reply'; topic: string; payload: Buffer; qos: number };

/** One call point a provider asks EMQX to mount; `topics` filters message hooks before any call is made. */
export interface MountedHook {
  name: string;
  topics?: readonly string[];
}

/** Everything a broker can ask. Implementations may reject; the caller then answers "no" (fail closed). */
export interface Hooks {
  /**
   * The list that `OnProviderLoaded` answers.
   * @param version of the broker; `''` if it does not say
   */
  mounted(version: string): readonly MountedHook[];
  /**
   * A broker (re)loads this provider and asks from now on.
   * @param broker.product what it calls itself: `EMQX`, `Mosquitto`
   * @param broker.uptimeMs since the node started, at which all its sessions ended; undefined if it does not say
   */
  loaded?(broker: { node: string; product: string; version: string; uptimeMs: number | undefined }): void;
  authenticate(client: Client, password: string): Promise<Verdict>;
  authorize(client: Client, action: Action, topic: string): Promise<Verdict>;
  publish(message: Message): Promise<PublishVerdict>;
  /**
   * Only brokers that tell no peer port are asked to report it. EMQX 5.9.0–5.10.4 may report one event twice.
   * @param version of the broker, as in {@link Hooks.mounted}
   */
  connected(client: Client, version: string): void;
  /** `reason` in the broker's words: `normal`, `tcp_closed`, `kicked`, `takenover`, … */
  disconnected(client: Client, reason: string): void;
}
