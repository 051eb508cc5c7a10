/** `update_topo`, with which a gateway tells which drone it has: nobody answers it. Pure. */
import { command } from '../../command.js';
import { durationText } from '../../dates.js';
import type { TimelineEntry } from '../../stores/types.js';
import { onBroker } from '../brokers.js';
import type { DockFinding } from '../dock-finding.js';
import type { DockFacts } from '../facts.js';
import type { History } from '../history.js';

/** So often the same message in a row is no coincidence. */
const REPEATS = 3;
/**
 * Without an answer it comes again after 2 s (DJI's FAQ of the Cloud API). A client that always sends one tid may send it
 * now and then; so may one that says with new tids that nothing changed.
 */
const APART_MS = { again: 30_000, anew: 5000 };
/** After an answer it stops, and after a while nobody knows whether one came. */
const RECENT_MS = 5 * 60_000;

/** Finds nothing while the gateway is not connected. */
export function statusUnanswered(
  { own, session }: History,
  { sn, now, ...facts }: DockFacts,
): DockFinding | undefined {
  if (session === undefined) return undefined;
  const same = lastOfOneKind(own.filter(({ step, at }) => step === 'status' && at >= session.since));
  const [first, last] = [same[0], same.at(-1)];
  if (first === undefined || last === undefined || last.outcome !== 'passed') return undefined;
  const times = same.reduce((sum, { count }) => sum + count, 0);
  const span = last.lastAt - first.at;
  const isAgain = same.some(({ details }) => details.again);
  const apart = span / Math.max(1, times - 1);
  if (times < REPEATS || apart > APART_MS[isAgain ? 'again' : 'anew'] || now - last.lastAt > RECENT_MS)
    return undefined;
  return {
    code: 'status_unanswered',
    level: 'warning',
    state: 'online',
    since: first.at,
    brief: 'nobody answers its update_topo',
    what:
      `It says again and again which drone it has (update_topo, ${times} times in ${durationText(Math.max(1000, span))}): no reply ` +
      'reaches it. Until one does, its drone sends nothing.',
    fix: [
      `let your backend answer on sys/product/${sn}/status_reply with {"result":0} in data, and the tid, bid and method of the message`,
      'or let dockhook answer: DOCKHOOK_ANSWER_FOR_BACKEND=update_topo',
      ...onBroker(
        facts,
        'EMQX',
        `or let EMQX answer, beside a backend that does not: ${command('emqx', 'config', '--emqx-version', 'VERSION', '--rules', 'update_topo')}`,
      ),
    ],
  };
}

/** The last entries that tell of the same drone. */
function lastOfOneKind(statuses: readonly TimelineEntry[]): readonly TimelineEntry[] {
  const drone = statuses.at(-1)?.details.drone;
  const before = statuses.findLastIndex(({ details }) => details.drone !== drone);
  return statuses.slice(before + 1);
}
