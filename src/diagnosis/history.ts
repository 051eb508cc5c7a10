/** A dock's entries in order, and what follows from the order: who is connected, and what came last. Pure. */
import type { TimelineEntry } from '../stores/types.js';

export interface Session {
  clientId: string;
  account: string;
  since: number;
  peerHost?: string;
  peerPort?: number;
  node?: string;
}

export interface Walk {
  /** In order of time. */
  entries: readonly TimelineEntry[];
  /** What the dock did itself. */
  own: readonly TimelineEntry[];
  /** What somebody did who named the dock, or its account or client id. */
  others: readonly TimelineEntry[];
  /** The sessions that are up, the newest last. DRC opens a second one. */
  sessions: readonly Session[];
  /** The end of its last session; undefined while one is up. */
  end: TimelineEntry | undefined;
  /** Its last message that reached us, or connect. */
  lastIn: TimelineEntry | undefined;
  /** Whether nothing that fits comes after this entry. */
  isLast(entry: TimelineEntry, fits: (later: TimelineEntry) => boolean): boolean;
}

/**
 * @param entries in any order
 * @param boots when each node of the broker started: what was connected to it before is not any more
 */
export function walkOf(
  entries: readonly TimelineEntry[],
  boots: ReadonlyMap<string, readonly number[]>,
): Walk {
  const sorted = entries.toSorted((a, b) => a.at - b.at);
  const own = sorted.filter((entry) => entry.own);
  const sessions = new Map<string, Session>();
  /** The last that was seen in each session. */
  const latest = new Map<string, TimelineEntry>();
  let end: TimelineEntry | undefined;
  let lastIn: TimelineEntry | undefined;
  for (const entry of own) {
    if (entry.step === 'disconnected') {
      if (endsSession(entry, sessions.get(entry.clientId))) sessions.delete(entry.clientId);
      end = entry;
      continue;
    }
    if (entry.outcome === 'refused' || entry.outcome === 'dropped') continue;
    lastIn = entry;
    if (entry.step === 'authenticate') continue;
    latest.set(entry.clientId, entry);
    // A request without a connect before it: its connect was not seen, but it is there.
    if (entry.step === 'connected' || !sessions.has(entry.clientId)) {
      sessions.delete(entry.clientId);
      sessions.set(entry.clientId, sessionOf(entry));
    }
  }
  for (const [clientId, { node = '' }] of sessions) {
    const last = latest.get(clientId);
    const boot = boots.get(node)?.find((at) => last !== undefined && at > last.lastAt);
    if (last === undefined || boot === undefined) continue;
    sessions.delete(clientId);
    if (end === undefined || boot > end.lastAt) end = endedByBoot(last, boot);
  }
  return {
    entries: sorted,
    own,
    others: sorted.filter((entry) => !entry.own),
    sessions: [...sessions.values()],
    end: sessions.size > 0 ? undefined : end,
    lastIn,
    isLast: (entry, fits) => !sorted.slice(sorted.indexOf(entry) + 1).some(fits),
  };
}

/** EMQX reports no end of a session when it stops. */
function endedByBoot(last: TimelineEntry, at: number): TimelineEntry {
  const { peerHost, peerPort, node } = last.details;
  const details = { peerHost, peerPort, node, detail: 'node_restarted' };
  return {
    ...last,
    step: 'disconnected',
    outcome: 'ok',
    reason: undefined,
    at,
    lastAt: at,
    count: 1,
    details,
  };
}

/** Replicas' clocks differ a little: the end of an old session may seem to come after the new one's beginning. */
function endsSession({ details }: TimelineEntry, session: Session | undefined): boolean {
  return !session?.peerPort || !details.peerPort || session.peerPort === details.peerPort;
}

/** The session in which something happened. */
export function sessionOf({ clientId, account, at, details }: TimelineEntry): Session {
  const { peerHost, peerPort, node } = details;
  return {
    ...{ clientId, account, since: at },
    ...(peerHost === undefined ? {} : { peerHost }),
    ...(peerPort === undefined ? {} : { peerPort }),
    ...(node === undefined ? {} : { node }),
  };
}
