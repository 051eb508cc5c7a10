/**
 * From a dock's timeline to its state, what is wrong with it, and how to fix it. Pure. Every rule looks at what came
 * last: a fault that was followed by a success is over, and no finding.
 */
import type { TimelineEntry } from '../stores/types.js';
import type { DockFindingCode } from './codes.js';
import type { DockFinding, State } from './dock-finding.js';
import type { DockFacts } from './facts.js';
import { gatewayKind, modelKeyOf, type GatewayKind } from './gateway-kind.js';
import { createHistory, sessionFrom, type History, type Session } from './history.js';
import { bindFaults, notBound } from './rules/binding.js';
import { clockSkew } from './rules/clock.js';
import { emqxBan } from './rules/emqx-ban.js';
import { licenseNotSet, licenseRefused } from './rules/license.js';
import { neverSeen, offline, onlyLetIn } from './rules/not-connected.js';
import { refusedConnect, secondSessionRefused } from './rules/refused-connects.js';
import { refusedTopics } from './rules/refused-topics.js';
import { failedRequests, noRequest, repliesLost, unanswered } from './rules/requests.js';
import { reconnects, sessionsCollide } from './rules/sessions.js';
import { statusUnanswered } from './rules/status.js';
import { unusableAccount } from './rules/unusable-account.js';

export interface Diagnosis {
  kind: GatewayKind;
  /** `domain-type-sub_type`; undefined if it is not known. */
  modelKey: string | undefined;
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

/** In this order. */
const RULES: readonly Rule<DockFinding | DockFinding[]>[] = [
  emqxBan,
  refusedConnect,
  sessionsCollide,
  refusedTopics,
  ofDocks(licenseNotSet),
  ofDocks(repliesLost),
  ofDocks(licenseRefused),
  ofDocks(failedRequests),
  ofDocks(bindFaults),
  statusUnanswered,
  secondSessionRefused,
  clockSkew,
  unanswered,
];

/** What is said of a refused topic, without which the gateway and its drone get on. */
const TOPICS_REFUSED: ReadonlySet<DockFindingCode> = new Set<DockFindingCode>([
  'topic_refused',
  'foreign_topic',
  'account_shared',
  'named_by_another',
  'not_a_serial_number',
  'drone_topic_refused',
]);

/** Asked in this order, and only until one finds why the gateway is not online. */
const FALLBACKS: readonly Rule<DockFinding>[] = [
  neverSeen,
  reconnects,
  onlyLetIn,
  ofDocks(noRequest),
  ofDocks(notBound),
  offline,
];

/** A rule about what only docks need: a license and a binding. */
function ofDocks<Found>(rule: Rule<Found>): Rule<Found> {
  return (history, facts) => (gatewayKind(history, facts) === 'dock' ? rule(history, facts) : undefined);
}

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
  findings.sort((a, b) => rank(a) - rank(b));
  const { own, sessions, letIn } = history;
  const [first] = findings;
  const session = history.session ?? lastSession(history);
  const kind = gatewayKind(history, facts);
  const isNew =
    kind === 'dock' && !own.some(({ step }) => step === 'request') && !facts.bindings.has(facts.sn);
  const isStopped = first !== undefined && isError(first);
  return {
    kind,
    modelKey: modelKeyOf(history, facts),
    state: isStopped ? first.state : isNew || letIn !== undefined ? 'connecting' : 'online',
    since: (isStopped ? first.since : session?.since) || undefined,
    findings,
    isConnected: sessions.length > 0,
    session,
    drone: own.findLast(({ step, details }) => step === 'status' && details.drone !== undefined)?.details
      .drone,
  };
}

/** The session that the gateway had last; a second one of it only if there was no other. */
function lastSession({ own, speakers, letIn, lastAccepted }: History): Session | undefined {
  const main = own.findLast(
    ({ clientId, step, outcome }) =>
      speakers.has(clientId) && step !== 'disconnected' && outcome !== 'refused' && outcome !== 'dropped',
  );
  const last = letIn ?? main ?? lastAccepted;
  return last && sessionFrom(last);
}

/** Errors first, and last what keeps neither the gateway nor its drone away. */
function rank(finding: DockFinding): number {
  return isError(finding) ? 0 : TOPICS_REFUSED.has(finding.code) ? 2 : 1;
}

function isError({ level }: DockFinding): boolean {
  return level === 'error';
}
