/**
 * Turns events into entries of the timeline, in memory. It runs inside hooks: it waits for nothing, and what it keeps is
 * bounded, whoever floods it.
 */
import type { AccessEvent } from '../events.js';
import type { TimelineEntry } from '../stores/types.js';
import { createThrottle } from '../throttle.js';
import {
  attribute,
  isAgain,
  isDoubled,
  isKnownListener,
  isRefused,
  rememberClients,
  type Client,
} from './clients.js';
import { createEntry, isSame } from './entry.js';

/** Turns events into entries, and holds them in memory until they are taken. */
export interface Recorder {
  /** @param at when it happened, in milliseconds since the epoch; now unless given */
  tell(event: AccessEvent, at?: number): void;
  /**
   * Begins a turn, in which each client may have a few more entries, and lets repeats be written.
   * @param all also repeats that may still go on
   * @returns how many entries wait
   */
  turn(all?: boolean): number;
  /** Hands out the entries that wait, the oldest first, at most `limit`. The others go on waiting. */
  take(limit: number): TimelineEntry[];
  /** Lets entries that were taken last wait again, in front of the others. */
  putBack(entries: readonly TimelineEntry[]): void;
}

interface RecorderOptions {
  /** Told of events that are not recorded because there are too many. */
  onDropped: (count: number) => void;
  /** Milliseconds since the epoch. */
  now?: () => number;
}

/**
 * Entries that wait to be written, of gateways themselves. When 10,000 docks come back at once, each has about five; when
 * a node ends, each has one, and if that is lost, the dock seems to be online. An entry takes about 0.5 kB, or 2 kB if its
 * client fills all texts: 50 MB, and 200 MB at worst, which takes 5,000 clients that were let in and a store that hangs.
 */
const MAX_WAITING = 100_000;
const MAX_WAITING_OTHERS = 5000;
/** In one turn: entries that no gateway made must not push out those that one made, and one client not those of others. */
const MAX_OF_OTHERS = 100;
const MAX_OF_CLIENT = 20;
/** Repeats of this time become one row, in milliseconds: a dock tries again for days. But the first ones show a fault. */
const REPEATS_MS = { first: 3000, more: 30_000 };
/**
 * Entries of one account at once, and the time in which one more is allowed, in milliseconds: a fleet of 10,000 docks
 * with one account comes back with some 50,000, and makes two a second in a day. One that invents gateways pushes out
 * what is known of others' docks in eleven days, not in minutes.
 */
const PER_ACCOUNT = { burst: 60_000, refillMs: 500 };

/** `onDropped` is told how many entries were too many for a client, an account, or the memory. */
export function createRecorder({ onDropped, now = Date.now }: RecorderOptions): Recorder {
  const queue = createQueue();
  const repeating = new Set<Client>();
  const clients = rememberClients(writeRepeats);
  const accounts = createThrottle(PER_ACCOUNT, now);
  let ofOthers = 0;
  let turn = 0;

  function writeRepeats(client: Client): void {
    if (client.repeats === undefined) return;
    if (!queue.add(client.repeats)) onDropped(1);
    client.repeats = undefined;
    client.hasRepeated = true;
    repeating.delete(client);
  }

  function mayHave(client: Client, entry: TimelineEntry): boolean {
    if (!queue.hasRoom(entry) || (!entry.own && ofOthers >= MAX_OF_OTHERS)) return false;
    client.burst = client.turn === turn ? client.burst + 1 : 1;
    client.turn = turn;
    return client.burst <= MAX_OF_CLIENT && (isRefused(entry) || accounts.take(entry.account));
  }

  function tell(event: AccessEvent, at = now()): void {
    const client = clients.find(event);
    if (isDoubled(event, client) || isKnownListener(event, client)) return;
    const again = isAgain(event, client);
    const { gateway, own } = attribute(event, client);
    const entry = createEntry(event, { at, again, gateway, own });
    if (client.last !== undefined && isSame(client.last, entry)) {
      if (client.repeats !== undefined) {
        entry.at = client.repeats.at;
        entry.count += client.repeats.count;
      }
      client.repeats = entry;
      repeating.add(client);
      return;
    }
    writeRepeats(client);
    // `repeated`: so many came from there lately that a hundred a minute are enough.
    if (event.repeated || !mayHave(client, entry)) {
      onDropped(1);
      return;
    }
    client.last = entry;
    client.hasRepeated = false;
    queue.add(entry);
    if (!own) ofOthers += 1;
  }

  return {
    tell,
    turn(all = false) {
      for (const client of repeating) {
        const due = now() - REPEATS_MS[client.hasRepeated ? 'more' : 'first'];
        if (all || (client.repeats?.at ?? 0) <= due) writeRepeats(client);
      }
      ofOthers = 0;
      turn += 1;
      return queue.size();
    },
    take: queue.take,
    putBack: queue.putBack,
  };
}

/** Entries that wait to be written, the oldest first. */
function createQueue() {
  const waiting: TimelineEntry[] = [];
  let others = 0;

  function hasRoom({ own }: TimelineEntry): boolean {
    return own ? waiting.length - others < MAX_WAITING : others < MAX_WAITING_OTHERS;
  }

  return {
    hasRoom,
    size: () => waiting.length,
    /** @returns false if there is no room for it */
    add(entry: TimelineEntry): boolean {
      if (!hasRoom(entry)) return false;
      waiting.push(entry);
      if (!entry.own) others += 1;
      return true;
    },
    take(limit: number): TimelineEntry[] {
      const taken = waiting.splice(0, limit);
      for (const { own } of taken) if (!own) others -= 1;
      return taken;
    },
    putBack(entries: readonly TimelineEntry[]): void {
      waiting.unshift(...entries);
      for (const { own } of entries) if (!own) others += 1;
    },
  };
}
