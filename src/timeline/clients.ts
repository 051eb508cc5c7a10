/** What the recorder remembers about each client: what it did last, and which gateway it is. Bounded, whoever floods it. */
import type { AccessEvent } from '../events.js';
import type { TimelineEntry } from '../stores/types.js';
import { excerpt } from '../text.js';
import { parseDeviceTopic } from '../topics.js';
import { MAX_TEXT } from './entry.js';

/** The gateway under which the timeline keeps what the broker's nodes did: no SN is empty. */
export const BROKER = '';

/** How many clients are remembered that were let in, and how many that were not. */
const MAX_CLIENTS = 50_000;
const MAX_STRANGERS = 1000;
/** Messages under way at the same time: their tids may come again. */
const MAX_TIDS = 4;
/** In place of a method: the tid came with several methods. */
const SEVERAL = '';

/** An account together with a client id. */
export interface Client {
  /** The gateway it was last known to be. */
  gateway: string | undefined;
  /** What it did last, and its repeats since that was recorded. */
  last: TimelineEntry | undefined;
  repeats: TimelineEntry | undefined;
  /** Whether repeats of that were recorded. */
  hasRepeated: boolean;
  /** The newest tids of its session, and the method that each came with. */
  tids: Map<string, string>;
  messageId: string | undefined;
  /** Ports of the session that is up and of the one that ended. */
  upFrom: number | undefined;
  endedFrom: number | undefined;
  /** Port of the session that subscribed to replies. */
  listensFrom: number | undefined;
  /** Entries in this turn. */
  turn: number;
  burst: number;
}

/** Holds at most 50,000 clients that were let in, and 1000 that were not. */
export interface Clients {
  /** Finds or makes the client of an event. Forgets the client that was silent for longest if there are too many. */
  find(event: AccessEvent): Client;
}

/** @param onForgotten told of a client that is forgotten */
export function rememberClients(onForgotten: (client: Client) => void): Clients {
  const clients = new Map<string, Client>();
  const strangers = new Map<string, Client>();
  return {
    find(event) {
      const [known, max] = isRefused(event) ? [strangers, MAX_STRANGERS] : [clients, MAX_CLIENTS];
      // Account names have no `#`, and neither have client ids that were let in. A stranger's may be 64 KiB each.
      const key = `${excerpt(event.account, MAX_TEXT)}#${excerpt(event.clientId, MAX_TEXT)}`;
      const client = known.get(key) ?? newClient();
      known.delete(key);
      known.set(key, client);
      if (known.size > max) {
        const [[oldestKey, oldest] = []] = known;
        if (oldestKey !== undefined) known.delete(oldestKey);
        if (oldest !== undefined) onForgotten(oldest);
      }
      return client;
    },
  };
}

/** A client that was refused has not shown whose account it is. */
export function isRefused({ step, outcome }: Pick<TimelineEntry, 'step' | 'outcome'>): boolean {
  return step === 'authenticate' && outcome !== 'ok';
}

function newClient(): Client {
  return {
    gateway: undefined,
    last: undefined,
    repeats: undefined,
    hasRepeated: false,
    tids: new Map(),
    messageId: undefined,
    upFrom: undefined,
    endedFrom: undefined,
    listensFrom: undefined,
    turn: -1,
    burst: 0,
  };
}

/** EMQX 5.9.0–5.10.4 may report one session's beginning or end, or ask about one message, twice. */
export function isDoubled({ step, outcome, peerPort, messageId }: AccessEvent, client: Client): boolean {
  // Another connection from the same port, even if the end of the one before was not told.
  if (step === 'authenticate' && outcome === 'ok' && peerPort) {
    if (client.upFrom === peerPort) client.upFrom = undefined;
    if (client.endedFrom === peerPort) client.endedFrom = undefined;
  }
  if (step === 'connected' && peerPort) {
    if (client.upFrom === peerPort) return true;
    client.upFrom = peerPort;
    client.endedFrom = undefined;
  }
  if (step === 'disconnected' && peerPort) {
    if (client.endedFrom === peerPort) return true;
    client.endedFrom = peerPort;
    if (client.upFrom === peerPort) client.upFrom = undefined;
  }
  if ((step === 'request' || step === 'status') && messageId) {
    if (client.messageId === messageId) return true;
    client.messageId = messageId;
  }
  return false;
}

/**
 * Whether the gateway sent this message before in its session: it got no reply. A client that sends one tid with several
 * methods was seen: its tids say nothing.
 */
export function isAgain({ step, outcome, tid, method = SEVERAL }: AccessEvent, { tids }: Client): boolean {
  if ((step === 'authenticate' && outcome === 'ok') || step === 'connected' || step === 'disconnected')
    tids.clear();
  if ((step !== 'request' && step !== 'status') || tid === undefined) return false;
  const before = tids.get(tid);
  tids.set(tid, before === undefined || before === method ? method : SEVERAL);
  const [oldest] = tids.keys();
  if (tids.size > MAX_TIDS && oldest !== undefined) tids.delete(oldest);
  return before !== undefined && before !== SEVERAL && before === method;
}

/** Whether it is known already that a session subscribed to replies: once says it. */
export function isKnownListener({ step, outcome, peerPort }: AccessEvent, client: Client): boolean {
  if (step !== 'authorize' || outcome !== 'ok' || !peerPort) return false;
  if (client.listensFrom === peerPort) return true;
  client.listensFrom = peerPort;
  return false;
}

/** Which gateway an event is about, and whether that gateway did it itself. Learns which gateway a client is. */
export function attribute(event: AccessEvent, client: Client): { gateway: string | undefined; own: boolean } {
  const { step, outcome, gateway, topic } = event;
  const known = client.gateway;
  switch (step) {
    case 'authenticate':
      if (outcome !== 'ok') return { gateway, own: false };
      if (gateway !== undefined) client.gateway = gateway;
      return { gateway: client.gateway, own: client.gateway !== undefined };
    // Under a name that no gateway has, so that strangers cannot push it out.
    case 'booted':
      return { gateway: BROKER, own: true };
    case 'connected':
    case 'disconnected':
      return { gateway: known, own: known !== undefined };
    case 'request':
    case 'bind':
      if (outcome === 'dropped') return { gateway, own: gateway !== undefined && gateway === known };
      if (gateway !== undefined) client.gateway = gateway;
      return { gateway, own: true };
    // Nobody checked whether the client may act as that gateway.
    case 'status':
      return { gateway, own: gateway === known };
    case 'authorize': {
      // The account was checked.
      if (outcome === 'ok' && gateway !== undefined) client.gateway = gateway;
      const named = parseDeviceTopic(topic ?? '')?.sn ?? known;
      return { gateway: named, own: named !== undefined && named === client.gateway };
    }
  }
}
