/** The license of the "Cloud API" app: none is set, or the dock could not verify it. Pure. */
import { command } from '../../command.js';
import type { TimelineEntry } from '../../stores/types.js';
import type { DockFinding } from '../dock-finding.js';
import { endOf, type End } from '../ends.js';
import type { DockFacts } from '../facts.js';
import { wentOn, type History } from '../history.js';
import { isConfig, isOk, isRequest } from './requests.js';

/** Looks at the dock's last `config` request; the license may have been set since. */
export function licenseNotSet(history: History, { hasLicense }: DockFacts): DockFinding | undefined {
  const last = history.own.findLast(isConfig);
  if (last?.reason !== 'license_not_set') return undefined;
  const isPast = wentOn(history, last);
  if (isPast && hasLicense) return undefined;
  const text = hasLicense
    ? {
        brief: 'license set since; waits for the dock',
        what: 'The dock asked for the license when none was set. One has been set since.',
        fix: ['wait until the dock connects again, or restart it'],
      }
    : {
        brief: 'no license set',
        what: 'The dock asked for the license of your "Cloud API" app, and none is set.',
        fix: [
          `${command('license', 'set', 'license.json')} (${command('license', 'set', '--help')} shows the form)`,
          'then restart the dock',
        ],
      };
  return {
    code: 'license_not_set',
    // A simulator may go on without one.
    level: isPast ? 'warning' : 'error',
    state: 'stopped at config',
    since: last.at,
    ...text,
  };
}

/** Within this time after `config` a dock has verified the license, or has left. In milliseconds. */
export const VERIFIED_WITHIN_MS = 30_000;
/** Ends of a session that the dock or its network causes. Mosquitto 2.0 tells no end from another. */
const OWN_ENDS: ReadonlySet<End> = new Set<End>(['goodbye', 'broken', 'unknown', 'other']);

/**
 * A dock verifies the license itself and reports no result. If it fails, the dock disconnects and does not ask for its
 * bind status (DJI, "Dock access to cloud").
 */
export function licenseRefused(history: History, facts: DockFacts): DockFinding | undefined {
  const { own, sessions } = history;
  const progress = own.findLastIndex(isProgress);
  const since = own.slice(progress + 1);
  const asked = since.filter((entry) => isConfig(entry) && isOk(entry) && !entry.details.again);
  const left = asked.filter((config) => isFollowedByEnd(config, since));
  const [first] = left;
  const last = asked.at(-1);
  if (first === undefined || last === undefined) return undefined;
  // The dock is back: give it time to verify.
  if (!left.includes(last) && (sessions.length === 0 || facts.now - last.lastAt > VERIFIED_WITHIN_MS))
    return undefined;
  const { license } = last.details;
  // What it verified before it does not refuse now: then the line breaks, which other rules tell.
  if (license !== undefined && hasVerified(license, own)) return undefined;
  if (license !== undefined && facts.licenseMark !== undefined && facts.licenseMark !== license)
    return changedSince(last);
  const times = left.reduce((sum, { count }) => sum + count, 0);
  return {
    code: 'license_refused',
    level: 'error',
    state: 'stopped at config',
    since: first.at,
    brief: 'the dock probably refused the license',
    what:
      `The dock got the license and disconnected within seconds${times > 1 ? `, ${times} times` : ''}, without asking ` +
      'for its bind status. Most likely it could not verify the license.',
    fix: [
      `compare app id, key and license with developer.dji.com: ${command('license', 'show')} prints fingerprints, and how to make them`,
      `check that the app there has the type "Cloud API"; if not, set the license of one that has: ${command('license', 'set', 'license.json')}`,
      'check the clock and the internet access of the dock: it needs both to verify the license',
    ],
  };
}

function changedSince({ at }: TimelineEntry): DockFinding {
  return {
    code: 'mended',
    level: 'error',
    state: 'stopped at config',
    since: at,
    brief: 'license changed since; waits for the dock',
    what: 'The dock probably refused the license that it got last. The license was changed since.',
    fix: ['wait until the dock connects again, or restart it'],
  };
}

/** What a dock does only with a license that it has verified. */
export function isProgress(entry: TimelineEntry): boolean {
  return (isRequest(entry) && !isConfig(entry)) || entry.step === 'status';
}

/** Whether the dock got this license, and went on in the same session. */
export function hasVerified(license: string, own: readonly TimelineEntry[]): boolean {
  return own.some((entry, index) => {
    if (!isConfig(entry) || entry.details.license !== license) return false;
    const next = own
      .slice(index + 1)
      .find(
        (later) => later.clientId === entry.clientId && (isProgress(later) || later.step === 'disconnected'),
      );
    return next !== undefined && isProgress(next);
  });
}

function isFollowedByEnd(config: TimelineEntry, own: readonly TimelineEntry[]): boolean {
  const next = own
    .slice(own.indexOf(config) + 1)
    // Behind a balancer, a replica may hear of the session's first topics after another one answered `config`.
    .find(
      ({ clientId, step }) =>
        clientId === config.clientId && !['authenticate', 'connected', 'authorize'].includes(step),
    );
  return (
    next?.step === 'disconnected' &&
    OWN_ENDS.has(endOf(next)) &&
    next.at - config.lastAt <= VERIFIED_WITHIN_MS
  );
}
