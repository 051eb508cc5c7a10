/** Topics that a client was refused: those of an SN that its account may not act as, and others. Pure. */
import { serialNumbersIn } from '../../access/topic-rules.js';
import { addAccount, showAccount } from '../../fixes.js';
import { shellWord } from '../../shell.js';
import type { TimelineEntry } from '../../stores/types.js';
import { parseDeviceTopic } from '../../topics.js';
import type { DockFinding } from '../dock-finding.js';
import { listingAccounts, type DockFacts } from '../facts.js';
import type { History } from '../history.js';
import { serverFault } from '../reasons.js';
import { isRefusedLikeConnect } from './refused-connects.js';

/** The last refused topic of each kind. */
export function refusedTopics(history: History, facts: DockFacts): DockFinding[] {
  const refused = history.entries.filter(
    (entry) =>
      (entry.step === 'authorize' && entry.outcome === 'refused' && !isRefusedLikeConnect(entry)) ||
      (entry.step === 'request' && entry.outcome === 'dropped'),
  );
  const last = new Map(refused.map((entry) => [kindOf(entry, facts), entry]));
  return [...last].flatMap(([kind, entry]) => findingFor(kind, entry, history, facts) ?? []);
}

type Kind =
  /** Somebody else's session names this dock. */
  | 'names this dock'
  /** This dock's session names another device. */
  | 'names another'
  /** A topic under its own SN that only the cloud may use, or the store did not answer. */
  | 'own topic'
  /** Its drone belongs to somebody else. */
  | 'drone';

function kindOf({ gateway, own, reason }: TimelineEntry, { sn }: DockFacts): Kind {
  if (reason === 'foreign_organization' || (reason === 'foreign_gateway' && gateway !== sn)) return 'drone';
  if (own) return 'own topic';
  return gateway === sn ? 'names this dock' : 'names another';
}

function findingFor(
  kind: Kind,
  entry: TimelineEntry,
  history: History,
  facts: DockFacts,
): DockFinding | undefined {
  if (kind === 'drone') return droneOfAnother(entry);
  const isPast = history.hasLater(
    entry,
    ({ own, step, outcome }) => own && step === 'request' && outcome !== 'dropped',
  );
  if (isPast)
    return kind === 'names another' && isInSession(entry, history) ? foreignTopic(entry, facts) : undefined;
  if (kind === 'own topic') return topicRefused(entry);
  if (kind === 'names another')
    return cameItself(history, entry, facts.sn)
      ? sharedAccount(entry, facts)
      : wrongSerialNumber(entry, facts);
  return hasOtherAccount(entry, history, facts) ? namedByAnother(entry, facts) : notInAccount(entry, facts);
}

/** Whether it happened in a session that is still up. */
function isInSession({ clientId, at }: TimelineEntry, { sessions }: History): boolean {
  return sessions.some((session) => session.clientId === clientId && session.since <= at);
}

/** The dock goes on, but it also asked for somebody else's topics. */
function foreignTopic(entry: TimelineEntry, { sn }: DockFacts): DockFinding {
  const { details, account, at } = entry;
  const topic = details.topic ?? '';
  return {
    code: 'foreign_topic',
    level: 'warning',
    state: 'online',
    since: at,
    brief: `was refused ${topic}`,
    what:
      `${clientInWords(entry)} also asked to ${details.action ?? 'publish'} ${topic}, which is not under ${sn}. ` +
      'dockhook refused it.',
    fix: [`nothing, unless it should be allowed: see what the account may act as: ${showAccount(account)}`],
  };
}

/** Whether the dock has an account other than the one that was refused. */
function hasOtherAccount({ account }: TimelineEntry, { own }: History, facts: DockFacts): boolean {
  const ownAccounts = own.filter(({ outcome }) => outcome === 'ok').map((entry) => entry.account);
  return [...listingAccounts(facts), ...ownAccounts].some((name) => name !== account);
}

/** Anybody with an account can name this dock in a topic: the dock is not at fault, and they must not act as it. */
function namedByAnother(entry: TimelineEntry, { sn }: DockFacts): DockFinding {
  const { account, details, at } = entry;
  return {
    code: 'named_by_another',
    level: 'warning',
    state: 'online',
    since: at,
    brief: `account "${account}" was refused its topics`,
    what:
      `${clientInWords(entry)} from ${details.peerHost ?? 'an unknown address'} used topics of ${sn} ` +
      `(${details.topic ?? ''}) and was refused: this dock has another account.`,
    fix: [
      `see whose account that is: ${showAccount(account)}`,
      'if it is this dock, type the account that acts as it into DJI Pilot 2',
    ],
  };
}

function notInAccount(entry: TimelineEntry, facts: DockFacts): DockFinding {
  const { sn } = facts;
  const { account, details, at } = entry;
  return {
    code: 'sn_not_in_account',
    level: 'error',
    state: 'stopped at connect',
    since: at,
    brief: `account "${account}" may not act as it`,
    what: `${clientInWords(entry)} uses topics of ${sn} (${details.topic ?? ''}), but this account may not act as ${sn}.`,
    fix: [letItActAs(sn, entry, facts), `if not, give the dock its own account: ${addAccount('NAME', sn)}`],
  };
}

/** The dock itself used another client id, so this session is another dock with the same account. */
function sharedAccount(entry: TimelineEntry, facts: DockFacts): DockFinding {
  const named = snInTopic(entry);
  return {
    code: 'account_shared',
    level: 'warning',
    state: 'stopped at connect',
    since: entry.at,
    brief: `its account is also used for SN ${named}`,
    what:
      `${clientInWords(entry)} uses topics of SN ${named}, but this account may not act as ${named}. ` +
      'It is not this dock: this dock used another client id.',
    fix: [
      `give ${named} its own account: ${addAccount('NAME', named)}`,
      letItActAs(named, entry, facts, [facts.sn]),
    ],
  };
}

function wrongSerialNumber(entry: TimelineEntry, facts: DockFacts): DockFinding {
  const named = snInTopic(entry);
  return {
    code: 'sn_not_in_account',
    level: 'error',
    state: 'stopped at connect',
    since: entry.at,
    brief: `its topics name SN ${named}`,
    what: `${clientInWords(entry)} uses topics of SN ${named} (${entry.details.topic ?? ''}), but this account may not act as ${named}.`,
    fix: [
      `compare the SN on the dock with the account: ${showAccount(entry.account)}`,
      letItActAs(named, entry, facts),
    ],
  };
}

function droneOfAnother(entry: TimelineEntry): DockFinding {
  const named = snInTopic(entry);
  return {
    code: 'drone_of_another',
    level: 'warning',
    state: 'stopped at connect',
    since: entry.at,
    brief: `drone ${named} is not its own`,
    what:
      entry.reason === 'foreign_gateway'
        ? `${clientInWords(entry)} uses topics of ${named}, which is a gateway with its own account.`
        : `${clientInWords(entry)} flies drone ${named}, which is bound to another organization.`,
    fix: [
      `see where it belongs: dockhook binding show ${named}`,
      `only if the drone was really handed over: dockhook binding move ${named} --organization ID`,
    ],
  };
}

function topicRefused(entry: TimelineEntry): DockFinding {
  const { reason, details, at } = entry;
  const fault = reason === 'internal_error' ? undefined : serverFault(reason);
  const cause = fault?.what ?? reason ?? 'for no known reason';
  return {
    code: 'topic_refused',
    level: fault === undefined ? 'warning' : 'error',
    state: 'stopped at connect',
    since: at,
    brief: fault?.brief ?? 'a topic was refused',
    what: `${clientInWords(entry)} was refused ${details.action ?? 'publish'} ${details.topic ?? ''} (${cause}).`,
    fix: fault?.fix ?? ['nothing, if only the cloud sends on this topic: a dock does not need it'],
  };
}

/** Whether the dock connected under its own SN, with another client id than the one that names somebody else. */
function cameItself({ own }: History, { clientId }: TimelineEntry, sn: string): boolean {
  return own.some(
    (entry) =>
      entry.clientId !== clientId &&
      ((entry.step === 'connected' && serialNumbersIn(entry.clientId).includes(sn)) ||
        (entry.step === 'request' && entry.outcome !== 'dropped')),
  );
}

/**
 * How to let an account act as one more SN. The command also names the SNs that the account already lists, unless there
 * is only one and it looks mistyped.
 * @param real SNs that are not mistyped
 */
function letItActAs(
  named: string,
  { account, clientId }: TimelineEntry,
  { accounts, listings, bindings }: DockFacts,
  real: readonly string[] = [],
): string {
  const [owner] = listingAccounts({ listings, sn: named }).filter((name) => name !== account);
  if (owner !== undefined)
    return `if ${named} is right, type "${owner}" as account into DJI Pilot 2: it acts for ${named}`;
  const scope = accounts.get(account)?.scope;
  if (scope?.kind === 'client-id')
    return `this account acts as the SN in its client id, and "${clientId}" does not name ${named}`;
  const gateways = scope?.kind === 'gateways' ? scope.gateways : [];
  const isReal = gateways.length > 1 || gateways.some((sn) => bindings.has(sn) || real.includes(sn));
  const kept = isReal ? gateways : [];
  return `if ${named} is right: dockhook account set ${shellWord(account)} --gateway ${[...kept, named].join(' ')}`;
}

function snInTopic({ details }: TimelineEntry): string {
  return parseDeviceTopic(details.topic ?? '')?.sn ?? 'of no device';
}

function clientInWords({ clientId, account }: TimelineEntry): string {
  return `Client id "${clientId}" with account "${account}"`;
}
