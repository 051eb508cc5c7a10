/** Sessions that keep ending. Pure. */
import { newPassword } from '../../fixes.js';
import type { TimelineEntry } from '../../stores/types.js';
import { durationText } from '../../dates.js';
import type { DockFinding } from '../dock-finding.js';
import type { DockFacts } from '../facts.js';
import type { History } from '../history.js';
import { licenseRefused } from './license.js';

/** One takeover is a dock that came back on another connection. So many in that time mean two clients. */
const TAKEOVERS = 3;
const TAKEOVERS_WITHIN_MS = 10 * 60_000;

/** Two clients with one client id end each other's sessions. */
export function sessionsCollide({ own }: History, { now }: DockFacts): DockFinding | undefined {
  const taken = own.filter(
    ({ step, details, lastAt }) =>
      step === 'disconnected' &&
      (details.detail === 'takenover' || details.detail === 'discarded') &&
      now - lastAt < TAKEOVERS_WITHIN_MS,
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

/** Ends that have their own cause, which another rule reports or an operator knows. */
const CAUSED = new Set(['takenover', 'discarded', 'kicked']);

/** So many ends of one client's sessions in that time mean more than a restart or a lost link. */
const STORM = { ends: 5, withinMs: 60_000, recentMs: 10 * 60_000 };
/** A link that falls silent takes longer to show: the broker waits for one and a half keepalives each time. */
const SILENCES = { ends: 3, withinMs: 30 * 60_000, recentMs: 30 * 60_000 };
const SILENT = 'keepalive_timeout';

/** A dock that comes and goes: each session is fine, and none lasts. */
export function reconnects(history: History, facts: DockFacts): DockFinding | undefined {
  const ends = history.own.filter(
    ({ step, details }) => step === 'disconnected' && !CAUSED.has(details.detail ?? ''),
  );
  const silent = ends.filter(({ details }) => details.detail === SILENT);
  const found = closeEnds(ends, STORM, history, facts) ?? closeEnds(silent, SILENCES, history, facts);
  // A dock that refuses its license also comes and goes.
  if (found === undefined || licenseRefused(history, facts) !== undefined) return undefined;
  const { times, first, last } = found;
  const reasons = [...new Set(found.ends.map(({ details }) => details.detail || 'unknown'))].join(', ');
  // In a storm, not every entry is kept.
  const within = durationText(Math.max(1000, last.lastAt - first.at));
  const isSilent = found.ends.every(({ details }) => details.detail === SILENT);
  return {
    code: 'reconnects',
    level: 'error',
    state: 'unstable',
    since: first.at,
    brief: `${times} sessions ended within ${within}`,
    what:
      `Client id "${last.clientId}" with account "${last.account}" is let in, but its sessions keep ending: at least ` +
      `${times} within ${within} (${reasons}), the last from ${last.details.peerHost ?? 'an unknown address'}.`,
    fix: [
      isSilent
        ? 'its link falls silent: check the signal of the dock’s network, and what drops idle connections on the way'
        : 'check the network of the dock, and what is between it and the broker: proxy, firewall, NAT',
      ...(reasons.includes('normal')
        ? ['it ended some sessions itself: check whether this client is the dock, or a test tool in a loop']
        : []),
      'look for the client id in the log of the broker',
    ],
  };
}

/** The last ends of one client's sessions, if they are so close together and this is not over. */
function closeEnds(
  ends: readonly TimelineEntry[],
  { ends: enough, withinMs, recentMs }: typeof STORM,
  { sessions }: History,
  { now }: DockFacts,
) {
  const last = ends.at(-1);
  if (last === undefined || now - last.lastAt > recentMs) return undefined;
  const session = sessions.find(({ clientId }) => clientId === last.clientId);
  if (session !== undefined && now - session.since > withinMs) return undefined;
  const close = ends.filter(({ clientId, at }) => clientId === last.clientId && last.lastAt - at <= withinMs);
  const times = totalCount(close);
  return times < enough ? undefined : { times, first: close[0] ?? last, last, ends: close };
}

function totalCount(entries: readonly TimelineEntry[]): number {
  return entries.reduce((sum, { count }) => sum + count, 0);
}
