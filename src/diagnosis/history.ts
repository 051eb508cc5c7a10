/** A dock's timeline entries in order of time, and what follows from the order: its sessions, and what came last. Pure. */
import type { TimelineEntry } from '../stores/types.js';

/** An MQTT session of a dock; `since` is in milliseconds since the epoch. */
export interface Session {
  clientId: string;
  account: string;
  since: number;
  peerHost?: string | undefined;
  peerPort?: number | undefined;
  node?: string | undefined;
}

/** One dock's entries, and what follows from their order. */
export interface History {
  /** In order of time. */
  entries: readonly TimelineEntry[];
  /** What the dock did itself. */
  own: readonly TimelineEntry[];
  /** Sessions that are up, the newest last. DRC opens a second one. */
  sessions: readonly Session[];
  /** The end of its last session; undefined while a session is up. */
  end: TimelineEntry | undefined;
  /** Its last connect or message that was not refused. */
  lastAccepted: TimelineEntry | undefined;
  /** Whether an entry that fits comes later than this one. */
  hasLater(entry: TimelineEntry, fits: (later: TimelineEntry) => boolean): boolean;
}

/**
 * @param entries in any order
 * @param boots when each node of the broker started, which ended the sessions that it had
 */
export function createHistory(
  entries: readonly TimelineEntry[],
  boots: ReadonlyMap<string, readonly number[]>,
): History {
  const sorted = entries.toSorted((a, b) => a.at - b.at);
  const own = sorted.filter((entry) => entry.own);
  const { sessions, latest, end, lastAccepted } = followSessions(own);
  const lastEnd = endAtBoot(sessions, latest, boots, end);
  return {
    entries: sorted,
    own,
    sessions: [...sessions.values()],
    end: sessions.size > 0 ? undefined : lastEnd,
    lastAccepted,
    hasLater: (entry, fits) => sorted.slice(sorted.indexOf(entry) + 1).some(fits),
  };
}

/** The sessions that were not seen to end, by client id, and the last entry of each. */
function followSessions(own: readonly TimelineEntry[]) {
  const sessions = new Map<string, Session>();
  const latest = new Map<string, TimelineEntry>();
  let end: TimelineEntry | undefined;
  let lastAccepted: TimelineEntry | undefined;
  for (const entry of own) {
    if (entry.step === 'disconnected') {
      if (endsSession(entry, sessions.get(entry.clientId))) sessions.delete(entry.clientId);
      end = entry;
      continue;
    }
    if (entry.outcome === 'refused' || entry.outcome === 'dropped') continue;
    lastAccepted = entry;
    if (entry.step === 'authenticate') continue;
    latest.set(entry.clientId, entry);
    // A request without a connect before it: the connect was not seen, but the session exists.
    if (entry.step === 'connected' || !sessions.has(entry.clientId)) {
      sessions.delete(entry.clientId);
      sessions.set(entry.clientId, sessionFrom(entry));
    }
  }
  return { sessions, latest, end, lastAccepted };
}

/**
 * Takes out the sessions that were on a node when it started again: EMQX does not report their ends.
 * @returns the last end of a session
 */
function endAtBoot(
  sessions: Map<string, Session>,
  latest: ReadonlyMap<string, TimelineEntry>,
  boots: ReadonlyMap<string, readonly number[]>,
  lastEnd: TimelineEntry | undefined,
): TimelineEntry | undefined {
  let end = lastEnd;
  for (const [clientId, { node = '' }] of sessions) {
    const last = latest.get(clientId);
    const boot = boots.get(node)?.find((at) => last !== undefined && at > last.lastAt);
    if (last === undefined || boot === undefined) continue;
    sessions.delete(clientId);
    if (end === undefined || boot > end.lastAt) end = endedByBoot(last, boot);
  }
  return end;
}

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

/** The clocks of replicas differ a little: the end of an old session may seem to come after the new one began. */
function endsSession({ details }: TimelineEntry, session: Session | undefined): boolean {
  return !session?.peerPort || !details.peerPort || session.peerPort === details.peerPort;
}

/** The session that an entry belongs to. */
export function sessionFrom({ clientId, account, at, details }: TimelineEntry): Session {
  const { peerHost, peerPort, node } = details;
  return { clientId, account, since: at, peerHost, peerPort, node };
}
