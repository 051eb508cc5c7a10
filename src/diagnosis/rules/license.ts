/** The license of the "Cloud API" app: none is set, or the dock could not verify it. Pure. */
import type { TimelineEntry } from '../../stores/types.js';
import type { DockFinding } from '../dock-finding.js';
import type { DockFacts } from '../facts.js';
import type { History } from '../history.js';
import { isConfig, isOk, isRequest } from './requests.js';

/** Looks at the dock's last `config` request; the license may have been set since. */
export function licenseNotSet({ own }: History, { hasLicense }: DockFacts): DockFinding | undefined {
  const last = own.findLast(isConfig);
  if (last?.reason !== 'license_not_set') return undefined;
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
          'dockhook license set license.json (dockhook license set --help shows the form)',
          'then restart the dock',
        ],
      };
  return { code: 'license_not_set', level: 'error', state: 'stopped at config', since: last.at, ...text };
}

/** Within this time after `config` a dock has verified the license, or has left. In milliseconds. */
const VERIFIED_WITHIN_MS = 30_000;
/** Ends of a session that the dock or its network causes, in EMQX's words. */
const OWN_ENDS = new Set(['normal', 'tcp_closed', 'ssl_closed']);

/**
 * A dock verifies the license itself and reports no result. If it fails, the dock disconnects and does not ask for its
 * bind status (DJI, "Dock access to cloud").
 */
export function licenseRefused({ own, sessions }: History, { now }: DockFacts): DockFinding | undefined {
  const progress = own.findLastIndex((entry) => isRequest(entry) && !isConfig(entry));
  const since = own.slice(progress + 1);
  const asked = since.filter((entry) => isConfig(entry) && isOk(entry) && !entry.details.again);
  const left = asked.filter((config) => isFollowedByEnd(config, since));
  const [first] = left;
  const last = asked.at(-1);
  if (first === undefined || last === undefined) return undefined;
  // The dock is back: give it time to verify.
  if (!left.includes(last) && (sessions.length === 0 || now - last.lastAt > VERIFIED_WITHIN_MS))
    return undefined;
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
      'compare app id, key and license with developer.dji.com: dockhook license show',
      'check that the app there has the type "Cloud API"; if not, set the license of one that has: dockhook license set license.json',
      'check the clock and the internet access of the dock: it needs both to verify the license',
    ],
  };
}

function isFollowedByEnd(config: TimelineEntry, own: readonly TimelineEntry[]): boolean {
  const next = own
    .slice(own.indexOf(config) + 1)
    // Behind a balancer, a replica may hear of the session's first topic after another one answered `config`.
    .find(
      ({ clientId, step }) => clientId === config.clientId && !['authenticate', 'connected'].includes(step),
    );
  return (
    next?.step === 'disconnected' &&
    OWN_ENDS.has(next.details.detail ?? '') &&
    next.at - config.lastAt <= VERIFIED_WITHIN_MS
  );
}
