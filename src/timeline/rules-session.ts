/** What concerns a dock's sessions as a whole: colliding client ids, its clock, and methods nobody answers. Pure. */
import type { TimelineEntry } from '../stores/types.js';
import { word, type DockFacts, type Finding } from './facts.js';
import type { Walk } from './walk.js';

/** One takeover is a dock that came back by another way; this many within that time are two clients. */
const TAKEOVERS = 3;
const TAKEOVERS_WITHIN_MS = 10 * 60_000;

/** Two clients with one client id throw each other out. */
export function sessionsCollide({ own }: Walk, { now }: DockFacts): Finding[] {
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
      blocks: true,
      state: 'unstable',
      since: first.at,
      brief: 'two clients with one client id',
      what:
        `Sessions with client id "${first.clientId}" keep ending because another one comes with the same client id, ` +
        `from ${[...hosts].join(' and ') || 'unknown addresses'}: two clients use it, or one that opens connections ` +
        'without closing the old.',
      todo: [
        'find the second client: another dock with this account, a test tool, a simulator; give it another client id',
        `change the password if it is a stranger: dockhook account set ${word(first.account)} --generate`,
      ],
    },
  ];
}

/** More than networks and queues explain; less than TLS, schedules and logs can bear. In milliseconds. */
const MAX_SKEW_MS = 60_000;

export function clockSkew({ own }: Walk, { hasLicense }: DockFacts): Finding[] {
  const last = own.findLast(({ details }) => details.clockSkewMs !== undefined);
  const skew = last?.details.clockSkewMs ?? 0;
  if (last === undefined || Math.abs(skew) <= MAX_SKEW_MS) return [];
  const how = `${durationOf(Math.abs(skew))} ${skew > 0 ? 'ahead' : 'behind'}`;
  return [
    {
      code: 'clock_skew',
      blocks: false,
      state: 'online',
      since: last.at,
      brief: `clock is ${how}`,
      what:
        `The clock of the dock is ${how} of dockhook's. Certificates, flight schedules and the order of events ` +
        'depend on it; DJI reports it as 319008.',
      todo: [
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
export function unanswered({ own }: Walk): Finding[] {
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
      blocks: false,
      state: 'online',
      since: first.at,
      brief: `${names.join(', ')} left to your backend`,
      what:
        `dockhook does not answer ${names.join(', ')}: that is for your backend.` +
        (slow.length > 0 ? ` If nobody answers ${slow.join(', ')}, a take-off waits some 40 s.` : '') +
        (others.length > 0 ? ` The dock asked for ${others.join(', ')} again: nobody answered.` : ''),
      todo: [
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
