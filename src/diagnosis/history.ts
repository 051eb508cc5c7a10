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
  /** Client ids under which it sent requests and its status: those are the gateway itself, whatever they are called. */
  speakers: ReadonlySet<string>;
  /** Sessions that are up, the newest last. DRC opens a second one. */
  sessions: readonly Session[];
  /** Of these the one in which the gateway itself speaks; the newest if none does. */
  session: Session | undefined;
  /**
   * The newest connect that dockhook accepted, if nothing came from that connection since, not even its end; undefined
   * while a session is up. Whether the broker let the client in, too, is not known.
   */
  letIn: TimelineEntry | undefined;
  /** The end of its last session; undefined while a session is up, or may be. */
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
  const followed = followSessions(own);
  const { sessions, lastAccepted } = followed;
  const speakers = new Set(own.filter(isSpeech).map(({ clientId }) => clientId));
  const end = endAtBoot(followed, boots);
  const up = [...sessions.values()];
  const letIn = sessions.size > 0 ? undefined : newestLetIn(followed, end);
  return {
    entries: sorted,
    own,
    speakers,
    sessions: up,
    session: up.findLast(({ clientId }) => speakers.has(clientId)) ?? up.at(-1),
    letIn,
    end: sessions.size > 0 || letIn !== undefined ? undefined : end,
    lastAccepted,
    hasLater: (entry, fits) => sorted.slice(sorted.indexOf(entry) + 1).some(fits),
  };
}

/** A request or a status that was let through: only the gateway itself sends those. */
function isSpeech({ step, outcome }: TimelineEntry): boolean {
  return (step === 'request' && outcome !== 'dropped') || step === 'status';
}

/**
 * Whether the gateway went on after this: it was bound, asked for the next thing, or told of its drone. A fault that was
 * followed by that no longer keeps it from anything.
 */
export function wentOn({ own }: Pick<History, 'own'>, entry: TimelineEntry): boolean {
  return own.some(
    (later) =>
      later.at > entry.lastAt &&
      ((later.step === 'bind' && later.outcome === 'ok') ||
        later.step === 'status' ||
        (later.step === 'request' &&
          later.outcome === 'ok' &&
          later.details.method !== 'config' &&
          later.details.method !== entry.details.method)),
  );
}

type Followed = ReturnType<typeof followSessions>;

/**
 * The sessions that were not seen to end, by client id, and the last entry of each; and the connects that were accepted
 * and that nothing followed.
 */
function followSessions(own: readonly TimelineEntry[]) {
  const sessions = new Map<string, Session>();
  const latest = new Map<string, TimelineEntry>();
  const letIn = new Map<string, TimelineEntry>();
  let end: TimelineEntry | undefined;
  let lastAccepted: TimelineEntry | undefined;
  for (const entry of own) {
    const { clientId, step, outcome } = entry;
    const yes = letIn.get(clientId);
    if (step === 'disconnected') {
      if (ends(entry, sessions.get(clientId)?.peerPort)) sessions.delete(clientId);
      if (ends(entry, yes?.details.peerPort)) letIn.delete(clientId);
      end = entry;
      continue;
    }
    if (outcome === 'refused' || outcome === 'dropped') continue;
    lastAccepted = entry;
    if (step === 'authenticate') {
      letIn.delete(clientId);
      // A client that comes again and again waits since its first try.
      letIn.set(clientId, { ...entry, at: yes?.at ?? entry.at });
      continue;
    }
    latest.set(clientId, entry);
    // A request without a connect before it: the connect was not seen, but the session exists.
    if (step === 'connected' || !sessions.has(clientId)) {
      sessions.delete(clientId);
      // A request does not tell the port of its connection.
      sessions.set(clientId, sessionFrom(step === 'connected' ? entry : (yes ?? entry)));
      letIn.delete(clientId);
    }
  }
  return { sessions, latest, letIn, end, lastAccepted };
}

/** Of another client id, the end of a session may come long after a connect that the broker refused. */
function newestLetIn({ letIn }: Followed, end: TimelineEntry | undefined): TimelineEntry | undefined {
  const yes = [...letIn.values()].at(-1);
  const isPast = end !== undefined && end.clientId !== yes?.clientId && end.at > (yes?.lastAt ?? 0);
  return isPast ? undefined : yes;
}

/**
 * Takes out the sessions and accepted connects that were on a node when it started again: EMQX does not report their ends.
 * @returns the last end of a session
 */
function endAtBoot(
  { sessions, latest, letIn, end: lastEnd }: Followed,
  boots: ReadonlyMap<string, readonly number[]>,
): TimelineEntry | undefined {
  let end = lastEnd;
  function takeOut(from: Map<string, unknown>, clientId: string, node = '', last?: TimelineEntry): void {
    const boot = boots.get(node)?.find((at) => last !== undefined && at > last.lastAt);
    if (last === undefined || boot === undefined) return;
    from.delete(clientId);
    if (end === undefined || boot > end.lastAt) end = endedByBoot(last, boot);
  }
  for (const [clientId, { node }] of sessions) takeOut(sessions, clientId, node, latest.get(clientId));
  for (const [clientId, yes] of letIn) takeOut(letIn, clientId, yes.details.node, yes);
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

/**
 * Whether an end is that of the connection from this port. In a takeover, EMQX tells the end of the old connection after
 * it asked about the new one.
 */
function ends({ details }: TimelineEntry, peerPort: number | undefined): boolean {
  return !peerPort || !details.peerPort || peerPort === details.peerPort;
}

/** The session that an entry belongs to. */
export function sessionFrom({ clientId, account, at, details }: TimelineEntry): Session {
  const { peerHost, peerPort, node } = details;
  return { clientId, account, since: at, peerHost, peerPort, node };
}
