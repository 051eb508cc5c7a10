/** The clock of the dock. Pure. */
import { command } from '../../command.js';
import { durationText } from '../../dates.js';
import type { DockFinding } from '../dock-finding.js';
import type { DockFacts } from '../facts.js';
import type { History } from '../history.js';

/** More than networks and queues can cause, and less than what harms TLS, schedules and logs. In milliseconds. */
const MAX_SKEW_MS = 60_000;

/** Looks at the last message of the dock that told its time; finds nothing up to 60 s. */
export function clockSkew({ own }: History, { hasLicense }: DockFacts): DockFinding | undefined {
  const last = own.findLast(({ details }) => details.clockSkewMs !== undefined);
  const skew = last?.details.clockSkewMs ?? 0;
  if (last === undefined || Math.abs(skew) <= MAX_SKEW_MS) return undefined;
  const by = durationText(Math.abs(skew));
  const isAhead = skew > 0;
  return {
    code: 'clock_skew',
    level: 'warning',
    state: 'online',
    since: last.at,
    brief: `clock is ${by} ${isAhead ? 'ahead' : 'behind'}`,
    what:
      `The clock of the dock is ${by} ${isAhead ? 'ahead of' : 'behind'} dockhook's. ` +
      'Certificates, flight schedules and the order of events ' +
      'depend on it; DJI reports it as 319008.',
    fix: [
      "check the clock of dockhook's machine",
      hasLicense
        ? `check that the dock reaches its time server, UDP port 123: ${command('license', 'show')} names it (ntp_host)`
        : `the dock gets its time server with the license: ${command('license', 'set', 'FILE')}`,
    ],
  };
}
