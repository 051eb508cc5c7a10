/**
 * From a dock's timeline to its state, what is wrong with it, and how to fix it. Pure. Every rule looks at what came
 * last: a fault that was followed by a success is over, and no finding.
 */
import type { TimelineEntry } from '../stores/types.js';
import type { DockFinding, State } from './dock-finding.js';
import type { DockFacts } from './facts.js';
import { createHistory, sessionFrom, type History, type Session } from './history.js';
import { bindFaults, notBound } from './rules/binding.js';
import { clockSkew } from './rules/clock.js';
import { emqxBan } from './rules/emqx-ban.js';
import { licenseNotSet, licenseRefused } from './rules/license.js';
import { neverSeen, offline, onlyLetIn } from './rules/not-connected.js';
import { refusedConnect } from './rules/refused-connects.js';
import { refusedTopics } from './rules/refused-topics.js';
import { failedRequests, noRequest, repliesLost, unanswered } from './rules/requests.js';
import { reconnects, sessionsCollide } from './rules/sessions.js';
import { unusableAccount } from './rules/unusable-account.js';

export interface Diagnosis {
  state: State;
  /** Since when, in milliseconds since the epoch; undefined if it was never seen. */
  since: number | undefined;
  /** First the reasons why it is not online (`error`), then what is good to know (`warning`). */
  findings: DockFinding[];
  isConnected: boolean;
  /** The session it has, or had last. */
  session: Session | undefined;
  /** The drone it last said it has, `''` for none; undefined if it said nothing. */
  drone: string | undefined;
}

type Rule<Found> = (history: History, facts: DockFacts) => Found | undefined;

const RULES: readonly Rule<DockFinding | DockFinding[]>[] = [
  emqxBan,
  refusedConnect,
  sessionsCollide,
  refusedTopics,
  licenseNotSet,
  repliesLost,
  licenseRefused,
  reconnects,
  failedRequests,
  bindFaults,
  clockSkew,
  unanswered,
];

/** Asked in this order, and only until one finds why the dock is not online. */
const FALLBACKS: readonly Rule<DockFinding>[] = [neverSeen, onlyLetIn, noRequest, notBound, offline];

/** `entries` may be in any order, and may include refused attempts of others under the dock's SN. */
export function diagnose(entries: readonly TimelineEntry[], facts: DockFacts): Diagnosis {
  const history = createHistory(entries, facts.boots);
  const findings = RULES.flatMap((rule) => rule(history, facts) ?? []);
  // First, because every other step needs a dock that may connect.
  const unusable = unusableAccount(history, facts, findings);
  if (unusable !== undefined) findings.unshift(unusable);
  for (const rule of FALLBACKS) {
    const found = findings.some(isError) ? undefined : rule(history, facts);
    if (found !== undefined) findings.push(found);
  }
  findings.sort((a, b) => Number(isError(b)) - Number(isError(a)));
  const { own, sessions, letIn, lastAccepted } = history;
  const [first] = findings;
  const session = sessions.at(-1) ?? (lastAccepted && sessionFrom(lastAccepted));
  const isNew = !own.some(({ step }) => step === 'request') && !facts.bindings.has(facts.sn);
  const isStopped = first !== undefined && isError(first);
  return {
    state: isStopped ? first.state : isNew || letIn !== undefined ? 'connecting' : 'online',
    since: (isStopped ? first.since : session?.since) || undefined,
    findings,
    isConnected: sessions.length > 0,
    session,
    drone: own.findLast(({ step }) => step === 'status')?.details.drone,
  };
}

function isError({ level }: DockFinding): boolean {
  return level === 'error';
}
