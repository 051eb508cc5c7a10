/** What concerns a dock's sessions as a whole: colliding client ids, its clock, and methods nobody answers. Pure. */
import type { TimelineEntry } from '../../stores/types.js';
import type { DockFinding } from '../dock-finding.js';
import { word, type DockFacts } from '../facts.js';
import { licenseRefused } from './requests.js';
import type { Walk } from '../history.js';

/** One takeover is a dock that came back by another way; this many within that time are two clients. */
const TAKEOVERS = 3;
const TAKEOVERS_WITHIN_MS = 10 * 60_000;

/** Two clients with one client id throw each other out. */
export function sessionsCollide({ own }: Walk, { now }: DockFacts): DockFinding[] {
  const taken = own.filter(
    ({ step, details, lastAt }) =>
      step === 'disconnected' &&
      (details.detail === 'takenover' || details.detail === 'discarded') &&
      now - lastAt < TAKEOVERS_WITHIN_MS,
  );
  const [first] = taken;
  if (first === undefined || taken.reduce((sum, { count }) => sum + count, 0) < TAKEOVERS) return [];
  const hosts = new Set(taken.flatMap(({ details }) => details.peerHost ?? []));
  return [
    {
      code: 'client_id_twice',
      level: 'error',
      state: 'unstable',
      since: first.at,
      brief: 'two clients with one client id',
      what:
        `Sessions with client id "${first.clientId}" keep ending because another one comes with the same client id, ` +
        `from ${[...hosts].join(' and ') || 'unknown addresses'}: two clients use it, or one that opens connections ` +
        'without closing the old.',
      fix: [
        'find the second client: another dock with this account, a test tool, a simulator; give it another client id',
        `change the password if it is a stranger: dockhook account set ${word(first.account)} --generate`,
      ],
    },
  ];
}

/** Ends that have a cause of their own, told by another rule or known to who caused it. */
const CAUSED = new Set(['takenover', 'discarded', 'kicked']);

/** So many ends of one client's sessions within that time are no restart and no lost link. */
const STORM = { ends: 5, withinMs: 60_000, recentMs: 10 * 60_000 };
/** A link that falls silent is slower to show: each end comes one and a half keepalives late. */
const SILENCES = { ends: 3, withinMs: 30 * 60_000, recentMs: 30 * 60_000 };
const SILENT = 'keepalive_timeout';

/** A dock that comes and goes: each session is fine, and none lasts. */
export function reconnects(walk: Walk, facts: DockFacts): DockFinding[] {
  const ends = walk.own.filter(
    ({ step, details }) => step === 'disconnected' && !CAUSED.has(details.detail ?? ''),
  );
  const silent = ends.filter(({ details }) => details.detail === SILENT);
  const found = runOf(ends, STORM, walk, facts) ?? runOf(silent, SILENCES, walk, facts);
  // A dock that refuses its license comes and goes, too.
  if (found === undefined || licenseRefused(walk, facts).length > 0) return [];
  const { times, first, last } = found;
  const reasons = [...new Set(found.ends.map(({ details }) => details.detail || 'unknown'))].join(', ');
  // Of a storm not every entry is kept.
  const within = durationOf(Math.max(1000, last.lastAt - first.at));
  const isSilent = found.ends.every(({ details }) => details.detail === SILENT);
  return [
    {
      code: 'reconnects',
      level: 'error',
      state: 'unstable',
      since: first.at,
      brief: `${times} sessions ended within ${within}`,
      what:
        `Client id "${last.clientId}" with account "${last.account}" is let in, and its sessions keep ending: at least ` +
        `${times} within ${within} (${reasons}), the last from ${last.details.peerHost ?? 'an unknown address'}.`,
      fix: [
        isSilent
          ? 'its link falls silent: check the signal of the dock’s network, and what drops idle connections on the way'
          : 'check the network of the dock, and what stands between it and the broker: proxy, firewall, NAT',
        ...(reasons.includes('normal')
          ? ['it ended some sessions itself: see whether this client is the dock, or a test tool in a loop']
          : []),
        'see why in the log of the broker, by its client id',
      ],
    },
  ];
}

/** The last run of ends of one client that are so close together, if it is not over. */
function runOf(
  ends: readonly TimelineEntry[],
  { ends: enough, withinMs, recentMs }: typeof STORM,
  { sessions }: Walk,
  { now }: DockFacts,
) {
  const last = ends.at(-1);
  if (last === undefined || now - last.lastAt > recentMs) return undefined;
  const session = sessions.find(({ clientId }) => clientId === last.clientId);
  if (session !== undefined && now - session.since > withinMs) return undefined;
  const run = ends.filter(({ clientId, at }) => clientId === last.clientId && last.lastAt - at <= withinMs);
  const times = run.reduce((sum, { count }) => sum + count, 0);
  return times < enough ? undefined : { times, first: run[0] ?? last, last, ends: run };
}

/** More than networks and queues explain; less than TLS, schedules and logs can bear. In milliseconds. */
const MAX_SKEW_MS = 60_000;

export function clockSkew({ own }: Walk, { hasLicense }: DockFacts): DockFinding[] {
  const last = own.findLast(({ details }) => details.clockSkewMs !== undefined);
  const skew = last?.details.clockSkewMs ?? 0;
  if (last === undefined || Math.abs(skew) <= MAX_SKEW_MS) return [];
  const how = `${durationOf(Math.abs(skew))} ${skew > 0 ? 'ahead' : 'behind'}`;
  return [
    {
      code: 'clock_skew',
      level: 'warning',
      state: 'online',
      since: last.at,
      brief: `clock is ${how}`,
      what:
        `The clock of the dock is ${how} of dockhook's. Certificates, flight schedules and the order of events ` +
        'depend on it; DJI reports it as 319008.',
      fix: [
        "check the clock of dockhook's machine",
        hasLicense
          ? 'check that the dock reaches its time server, UDP port 123: dockhook license show names it (ntp_host)'
          : 'the dock learns its time server with the license: dockhook license set FILE',
      ],
    },
  ];
}

function durationOf(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

/** Unanswered, they hold up a take-off by some 40 s; an empty answer is enough (DJI's FAQ of the Cloud API). */
const BEFORE_TAKE_OFF = ['offline_map_get', 'flight_areas_get'];

/** Whether a backend answers cannot be seen from here; only that a dock asks again. */
export function unanswered({ own }: Walk): DockFinding[] {
  const methods = new Map<string, TimelineEntry>();
  for (const entry of own) {
    const { method } = entry.details;
    if (entry.step !== 'request' || method === undefined) continue;
    if (entry.reason !== 'method_not_ours') methods.delete(method);
    else if (BEFORE_TAKE_OFF.includes(method) || entry.details.again) methods.set(method, entry);
  }
  const [first] = methods.values();
  if (first === undefined) return [];
  const names = [...methods.keys()];
  const slow = names.filter((name) => BEFORE_TAKE_OFF.includes(name));
  const others = names.filter((name) => !BEFORE_TAKE_OFF.includes(name));
  return [
    {
      code: 'method_unanswered',
      level: 'warning',
      state: 'online',
      since: first.at,
      brief: `${names.join(', ')} left to your backend`,
      what:
        `dockhook does not answer ${names.join(', ')}: that is for your backend.` +
        (slow.length > 0 ? ` If nobody answers ${slow.join(', ')}, a take-off waits some 40 s.` : '') +
        (others.length > 0 ? ` The dock asked for ${others.join(', ')} again: nobody answered.` : ''),
      fix: [
        ...(slow.length > 0
          ? [`without a backend that answers, set DOCKHOOK_EMPTY_REPLIES=${slow.join(',')}`]
          : []),
        ...(others.length > 0
          ? ['check that your backend subscribes to thing/product/+/requests and answers']
          : []),
      ],
    },
  ];
}
