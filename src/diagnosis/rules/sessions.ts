/** Sessions that keep ending. Pure. */
import { newPassword } from '../../fixes.js';
import type { TimelineEntry } from '../../stores/types.js';
import { durationText } from '../../dates.js';
import type { DockFinding } from '../dock-finding.js';
import { endOf, type End } from '../ends.js';
import type { DockFacts } from '../facts.js';
import type { History } from '../history.js';
import { hasVerified, isProgress, VERIFIED_WITHIN_MS } from './license.js';
import { isConfig, isOk, isRequest } from './requests.js';

/** One takeover is a dock that came back on another connection. So many in that time mean two clients. */
const TAKEOVERS = 3;
const TAKEOVERS_WITHIN_MS = 10 * 60_000;

/** Two clients with one client id end each other's sessions. */
export function sessionsCollide({ own }: History, { now }: DockFacts): DockFinding | undefined {
  const taken = own.filter(
    (entry) =>
      entry.step === 'disconnected' &&
      endOf(entry) === 'taken over' &&
      now - entry.lastAt < TAKEOVERS_WITHIN_MS,
  );
  const [first] = taken;
  if (first === undefined || totalCount(taken) < TAKEOVERS) return undefined;
  const hosts = new Set(taken.flatMap(({ details }) => details.peerHost ?? []));
  return {
    code: 'client_id_twice',
    level: 'error',
    state: 'unstable',
    since: first.at,
    brief: 'two clients with one client id',
    what:
      `Sessions with client id "${first.clientId}" keep ending because another one connects with the same client id, ` +
      `from ${[...hosts].join(' and ') || 'unknown addresses'}. Two clients use it, or one client opens connections ` +
      'without closing the old ones.',
    fix: [
      'find the second client (another dock with this account, a test tool, a simulator) and give it another client id',
      `if it is a stranger, make a new password: ${newPassword(first.account)}`,
    ],
  };
}

/** Ends that have no cause which another rule reports or an operator knows. */
const UNCAUSED: ReadonlySet<End> = new Set<End>([
  'goodbye',
  'broken',
  'silent',
  'not MQTT',
  'unknown',
  'other',
]);
/** Ends by which a line is known to break. */
const LINE: ReadonlySet<End> = new Set<End>(['broken', 'silent']);

/** So many ends of one client's sessions within that time, in milliseconds. */
interface Loop {
  ends: number;
  withinMs: number;
  of: ReadonlySet<End>;
  /** Counts only sessions in which the gateway did more than to ask for its license. */
  wentOn?: boolean;
}
const LONG_MS = 30 * 60_000;
/** It is over when a session lasts that long, or none ended for that long; for slow loops, three times as long as before. */
const OVER_MS = { up: 60_000, away: 10 * 60_000, times: 3 };

/**
 * What is more than a restart or a lost link. A line that falls silent takes longer to show: the broker waits for one and
 * a half keepalives each time.
 */
const LOOPS: readonly Loop[] = [
  { ends: 3, withinMs: 60_000, of: LINE },
  // Mosquitto 2.0 tells no end from another.
  { ends: 3, withinMs: 60_000, of: new Set<End>([...LINE, 'unknown']), wentOn: true },
  { ends: 5, withinMs: 60_000, of: UNCAUSED },
  { ends: 3, withinMs: LONG_MS, of: new Set<End>(['silent']) },
  { ends: 5, withinMs: LONG_MS, of: LINE },
];

/**
 * A gateway that comes and goes: each session is fine, and none lasts. Only asked if nothing else says why it is not
 * online: whoever mends a fault tries again and again. Once it gets on, this is only good to know.
 */
export function reconnects(history: History, facts: DockFacts): DockFinding | undefined {
  const found = LOOPS.map((loop) => closeEnds(loop, history, facts)).find((one) => one !== undefined);
  if (found === undefined) return undefined;
  const { times, first, last } = found;
  const ends = new Set(found.ends.map(endOf));
  const words = [...new Set(found.ends.map(({ details }) => details.detail || 'unknown'))].join(', ');
  // In a storm, not every entry is kept.
  const within = durationText(Math.max(1000, last.lastAt - first.at));
  return {
    code: 'reconnects',
    level: found.isBack ? 'warning' : 'error',
    state: 'unstable',
    since: first.at,
    brief: `${times} sessions ended within ${within}`,
    what:
      `Client id "${last.clientId}" with account "${last.account}" is let in, but its sessions keep ending: at least ` +
      `${times} within ${within} (${words}), the last from ${last.details.peerHost ?? 'an unknown address'}.`,
    fix: [
      ...(ends.has('silent')
        ? [
            'its link falls silent: check the signal of the dock’s network, and what drops idle connections on the way (NAT, a ' +
              'mobile operator): a shorter MQTT keepalive holds such a line open',
          ]
        : []),
      ...(ends.has('broken') || ends.has('unknown')
        ? [
            'something on the way cuts the connection: proxy, firewall, NAT, or a mobile operator, of which some were seen to cut ' +
              'port 1883. Try TLS on port 8883: ssl://host:8883 as MQTT gateway address in DJI Pilot 2',
          ]
        : []),
      ...(ends.has('goodbye')
        ? ['it ended some sessions itself: check whether this client is the dock, or a test tool in a loop']
        : []),
      ...(ends.has('unknown')
        ? ['the broker does not say who ended them: a test tool that comes and goes is no fault']
        : []),
      'look for the client id in the log of the broker',
    ],
  };
}

/** The last ends of one client's sessions, if there are enough of them and this is not over. */
function closeEnds(
  { ends: enough, withinMs, of, wentOn = false }: Loop,
  { own, sessions }: History,
  { now }: DockFacts,
) {
  const ends = own.filter(
    (entry) =>
      entry.step === 'disconnected' &&
      of.has(endOf(entry)) &&
      isUnexplained(entry, own) &&
      (!wentOn || sessionBefore(entry, own).some(isProgress)),
  );
  const last = ends.at(-1);
  if (last === undefined) return undefined;
  const close = ends.filter(({ clientId, at }) => clientId === last.clientId && last.lastAt - at <= withinMs);
  const first = close[0] ?? last;
  const times = totalCount(close);
  if (times < enough) return undefined;
  const slow = (OVER_MS.times * (last.lastAt - first.at)) / (times - 1);
  if (now - last.lastAt > Math.max(OVER_MS.away, slow)) return undefined;
  const session = sessions.find(({ clientId }) => clientId === last.clientId);
  const isOver = session !== undefined && now - session.since > Math.max(OVER_MS.up, slow);
  if (isOver) return undefined;
  const isBack =
    session !== undefined &&
    own.some((entry) => entry.clientId === session.clientId && entry.at >= session.since && isStep(entry));
  return { times, first, last, ends: close, isBack };
}

/** Something that only a gateway does that got past its license. */
function isStep(entry: TimelineEntry): boolean {
  return entry.step === 'status' || (isOk(entry) && (entry.step === 'bind' || isProgress(entry)));
}

/**
 * Whether nothing that the gateway did explains this end: a person types something wrong and tries again, a dock refuses its
 * license, a test tool did all that it had to do.
 */
function isUnexplained(end: TimelineEntry, own: readonly TimelineEntry[]): boolean {
  const session = sessionBefore(end, own);
  const last = session.findLast(
    (entry) =>
      // The answer to this one tells of each device, and each is an entry of its own.
      !(entry.details.method === 'airport_organization_bind' && isOk(entry)) &&
      (isRequest(entry) || entry.step === 'bind' || entry.step === 'status'),
  );
  if (last === undefined) return true;
  if (last.outcome === 'faulty') return false;
  if (isConfig(last) && end.at - last.lastAt <= VERIFIED_WITHIN_MS) {
    const { license } = last.details;
    return license !== undefined && hasVerified(license, own.slice(0, own.indexOf(last)));
  }
  return endOf(end) !== 'goodbye' || !session.some(isProgress);
}

/** What the client did in the session that ended so. */
function sessionBefore(end: TimelineEntry, own: readonly TimelineEntry[]): readonly TimelineEntry[] {
  const ofClient = own.slice(0, own.indexOf(end)).filter(({ clientId }) => clientId === end.clientId);
  return ofClient.slice(ofClient.findLastIndex(({ step }) => step === 'disconnected') + 1);
}

function totalCount(entries: readonly TimelineEntry[]): number {
  return entries.reduce((sum, { count }) => sum + count, 0);
}
