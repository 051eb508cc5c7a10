/**
 * Turns events into entries of the timeline, in memory. It runs inside hooks: it waits for nothing, and what
 * it remembers is bounded, whoever floods it.
 */
import { parseDeviceTopic } from '../topics.js';
import type { AccessEvent } from '../events.js';
import { clipped, excerpt } from '../text.js';
import type { TimelineEntry } from '../stores/types.js';
import { createThrottle } from '../throttle.js';

/** The gateway under which the timeline keeps what the broker's nodes did: no SN is empty. */
export const BROKER = '';

export interface Recorder {
  /** @param at when it happened, in milliseconds since the epoch; now unless given */
  tell(event: AccessEvent, at?: number): void;
  /**
   * Begins a turn, in which each may have a few entries anew, and lets repeats be written.
   * @param all also repeats that may go on
   * @returns how many entries wait
   */
  turn(all?: boolean): number;
  /** Hands out the entries that wait, the oldest first, at most `limit`. The others go on waiting. */
  take(limit: number): TimelineEntry[];
}

export interface RecorderOptions {
  /** Told of events that are not recorded because there are too many. */
  onDropped: (count: number) => void;
  /** Milliseconds since the epoch. */
  now?: () => number;
}

/**
 * Entries that wait for the writer, those of gateways themselves: 10,000 docks come back at once, with some four
 * entries each, or a node ends and each has one, of which a lost one would leave the dock "online". An entry takes
 * some 0.5 kB, 2 kB if its client fills all texts: 50 MB, and 200 MB at worst, which takes 5,000 clients that
 * were let in and a store that hangs.
 */
const MAX_WAITING = 100_000;
const MAX_WAITING_OTHERS = 5000;
/** In one turn: what no gateway did itself must not push out what one did, nor may one client. */
const MAX_OF_OTHERS = 100;
const MAX_OF_CLIENT = 20;
/** Clients that were in, and clients that were not, of which something is remembered. */
const MAX_CLIENTS = 50_000;
const MAX_STRANGERS = 1000;
/** A row at once, and then one for all repeats of this time, in milliseconds: a dock tries again for days. */
const REPEATS_MS = 30_000;
/** Requests under way at the same time, whose tids may come again. */
const MAX_TIDS = 4;
/**
 * Entries of one account at once, and the time in which one more is allowed, in milliseconds: a fleet of 10,000 docks
 * with one account comes back with some 40,000, and makes two a second in a day. One that invents gateways pushes out
 * what is known of others' docks in eleven days, not in minutes.
 */
const PER_ACCOUNT = { burst: 50_000, refillMs: 500 };
const MAX_TEXT = 255;

/** What is remembered of one client: an account together with a client id. */
interface Client {
  /** The gateway it was last known to be. */
  gateway: string | undefined;
  /** What it did last, and how often again since that was recorded. */
  last: TimelineEntry | undefined;
  repeats: TimelineEntry | undefined;
  tids: string[];
  messageId: string | undefined;
  /** Ports of the session that is up and of the one that ended. */
  upFrom: number | undefined;
  endedFrom: number | undefined;
  /** Entries in this turn. */
  turn: number;
  burst: number;
}

export function createRecorder({ onDropped, now = Date.now }: RecorderOptions): Recorder {
  const clients = new Map<string, Client>();
  const strangers = new Map<string, Client>();
  const repeating = new Set<Client>();
  const waiting: TimelineEntry[] = [];
  const accounts = createThrottle(PER_ACCOUNT, now);
  let waitingOthers = 0;
  let ofOthers = 0;
  let turn = 0;

  /** Finds or makes a client, and forgets the one that was silent longest if there are too many. */
  function clientOf({ step, outcome, clientId, account }: AccessEvent): Client {
    const isStranger = step === 'authenticate' && outcome !== 'ok';
    const [known, max] = isStranger ? [strangers, MAX_STRANGERS] : [clients, MAX_CLIENTS];
    // Account names have no `#`, client ids that got in neither. A stranger's names may be 64 KiB each.
    const key = `${excerpt(account, MAX_TEXT)}#${excerpt(clientId, MAX_TEXT)}`;
    const client = known.get(key) ?? newClient(turn);
    known.delete(key);
    known.set(key, client);
    if (known.size > max) {
      const [oldest = ''] = known.keys();
      release(known.get(oldest));
      known.delete(oldest);
    }
    return client;
  }

  /** Lets repeats be written. */
  function release(client: Client | undefined): void {
    if (client?.repeats === undefined) return;
    if (isFull(client.repeats)) onDropped(1);
    else push(client.repeats);
    client.repeats = undefined;
    repeating.delete(client);
  }

  function isFull({ own }: TimelineEntry): boolean {
    return own ? waiting.length - waitingOthers >= MAX_WAITING : waitingOthers >= MAX_WAITING_OTHERS;
  }

  function push(entry: TimelineEntry): void {
    waiting.push(entry);
    if (!entry.own) waitingOthers += 1;
  }

  function hasRoom(client: Client, entry: TimelineEntry): boolean {
    if (isFull(entry) || (!entry.own && ofOthers >= MAX_OF_OTHERS)) return false;
    client.burst = client.turn === turn ? client.burst + 1 : 1;
    client.turn = turn;
    // Who was refused has not shown whose account it is.
    const isStranger = entry.step === 'authenticate' && entry.outcome !== 'ok';
    return client.burst <= MAX_OF_CLIENT && (isStranger || accounts.take(entry.account));
  }

  function tell(event: AccessEvent, at = now()): void {
    const client = clientOf(event);
    if (isDoubled(event, client)) return;
    const again = isAgain(event, client);
    const { gateway, own } = placeOf(event, client);
    const entry = entryOf(event, { at, again, gateway, own });
    if (client.last !== undefined && isSame(client.last, entry)) {
      if (client.repeats !== undefined) {
        entry.at = client.repeats.at;
        entry.count += client.repeats.count;
      }
      client.repeats = entry;
      repeating.add(client);
      return;
    }
    release(client);
    // So many come from there lately that a hundred a minute must do.
    if (event.repeated || !hasRoom(client, entry)) {
      onDropped(1);
      return;
    }
    client.last = entry;
    push(entry);
    if (!own) ofOthers += 1;
  }

  return {
    tell,
    turn(all = false) {
      const due = now() - REPEATS_MS;
      for (const client of repeating) {
        if (all || (client.repeats?.at ?? 0) <= due) release(client);
      }
      ofOthers = 0;
      turn += 1;
      return waiting.length;
    },
    take(limit) {
      const taken = waiting.splice(0, limit);
      for (const { own } of taken) if (!own) waitingOthers -= 1;
      return taken;
    },
  };
}

function newClient(turn: number): Client {
  return {
    gateway: undefined,
    last: undefined,
    repeats: undefined,
    tids: [],
    messageId: undefined,
    upFrom: undefined,
    endedFrom: undefined,
    turn,
    burst: 0,
  };
}

/** EMQX 5.9.0–5.10.4 may report one session's beginning or end, or ask about one message, twice. */
function isDoubled({ step, peerPort, messageId }: AccessEvent, client: Client): boolean {
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

function isAgain({ step, tid }: AccessEvent, { tids }: Client): boolean {
  if (step !== 'request' || tid === undefined) return false;
  if (tids.includes(tid)) return true;
  tids.push(tid);
  if (tids.length > MAX_TIDS) tids.shift();
  return false;
}

/** Whose story it belongs to, and whether that gateway did it itself. Learns which gateway a client is. */
function placeOf(event: AccessEvent, client: Client): { gateway: string | undefined; own: boolean } {
  const { step, outcome, gateway, topic } = event;
  const known = client.gateway;
  switch (step) {
    case 'authenticate':
      if (outcome !== 'ok') return { gateway, own: false };
      if (gateway !== undefined) client.gateway = gateway;
      return { gateway: client.gateway, own: client.gateway !== undefined };
    // The broker's own story, under a name that no gateway has: strangers cannot push it out.
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
    // Nobody looked up whether it may speak for that gateway.
    case 'status':
      return { gateway, own: gateway === known };
    case 'authorize': {
      const named = parseDeviceTopic(topic ?? '')?.sn ?? known;
      return { gateway: named, own: named !== undefined && named === known };
    }
  }
}

/** Written out field by field: this is done for each event, inside a hook. */
function entryOf(
  event: AccessEvent,
  { at, again, gateway, own }: { at: number; again: boolean; gateway: string | undefined; own: boolean },
): TimelineEntry {
  return {
    at,
    lastAt: at,
    count: 1,
    gateway,
    own,
    clientId: clip(event.clientId) ?? '',
    account: clip(event.account) ?? '',
    step: event.step,
    outcome: event.outcome,
    reason: event.reason,
    details: {
      sn: event.sn,
      organizationId: event.organizationId,
      method: event.method,
      result: event.result,
      action: event.action,
      topic: clip(event.topic),
      peerHost: event.peerHost,
      peerPort: event.peerPort,
      node: event.node,
      clockSkewMs: event.clockSkewMs,
      drone: event.drone,
      detail: clip(event.detail),
      again: again || undefined,
    },
  };
}

/** Whether two entries of one client are the same to a reader. */
function isSame(one: TimelineEntry, other: TimelineEntry): boolean {
  const [a, b] = [one.details, other.details];
  const isSession = one.step === 'connected' || one.step === 'disconnected' || one.step === 'booted';
  return (
    one.step === other.step &&
    one.outcome === other.outcome &&
    one.reason === other.reason &&
    one.gateway === other.gateway &&
    a.method === b.method &&
    a.result === b.result &&
    a.sn === b.sn &&
    a.organizationId === b.organizationId &&
    a.action === b.action &&
    a.topic === b.topic &&
    a.peerHost === b.peerHost &&
    a.drone === b.drone &&
    a.again === b.again &&
    (!isSession || (a.peerPort === b.peerPort && a.detail === b.detail))
  );
}

function clip(text: string | undefined): string | undefined {
  return text === undefined ? undefined : clipped(text, MAX_TEXT);
}
