/** Topics that a client was refused: those of an SN that its account may not act as, and others. Pure. */
import { covers } from '../../access/topic-filters.js';
import { judge, ownGateways, serialNumbersIn } from '../../access/topic-rules.js';
import { command } from '../../command.js';
import { addAccount, showAccount } from '../../fixes.js';
import { serialNumberFault } from '../../serial-number.js';
import type { Account, TimelineEntry } from '../../stores/types.js';
import { noSerialNumberIn, parseDeviceTopic } from '../../topics.js';
import { codeFor } from '../codes.js';
import type { DockFinding } from '../dock-finding.js';
import { listingAccounts, type DockFacts } from '../facts.js';
import { gatewayKind } from '../gateway-kind.js';
import { wentOn, type History } from '../history.js';
import { serverFault } from '../reasons.js';
import { isRefusedLikeConnect } from './refused-connects.js';
import { repliesTopic, subscribedToReplies } from './replies.js';

/** The last refused topic of each kind. */
export function refusedTopics(history: History, facts: DockFacts): DockFinding[] {
  const refused = history.entries.filter((entry) => isRefusedTopic(entry) && !isAllowedNow(entry, facts));
  const last = new Map(refused.map((entry) => [kindOf(entry, history, facts), entry]));
  return [...last].flatMap(([kind, entry]) => findingFor(kind, entry, history, facts) ?? []);
}

/** Whether a publish or subscribe was refused, or a request dropped, for a reason that concerns the topic. */
export function isRefusedTopic(entry: TimelineEntry): boolean {
  return (
    (entry.step === 'authorize' && entry.outcome === 'refused' && !isRefusedLikeConnect(entry)) ||
    (entry.step === 'request' && entry.outcome === 'dropped')
  );
}

/** Whether the account may use that topic by now, or is gone. A fault of dockhook may come again. */
export function isAllowedNow(
  { account: name, clientId, reason, details }: TimelineEntry,
  facts: Omit<DockFacts, 'sn'>,
): boolean {
  if (serverFault(reason) !== undefined) return false;
  const account = facts.accounts.get(name);
  // What an unknown account may not do, the refused connect says.
  if (account === undefined) return true;
  const { action = 'publish', topic = '' } = details;
  const judgement = judge(account.scope, clientId, action, topic);
  if (typeof judgement === 'string') return judgement === 'yes';
  return judgement.as === 'client-id'
    ? mayClaim(account, judgement.sn, facts)
    : mayCarry({ account, clientId, isCommanded: judgement.as === 'bound drone' }, judgement.sn, facts);
}

/** Whether a client may carry this drone, or take commands for it, as access/ decides it. */
function mayCarry(
  { account, clientId, isCommanded }: { account: Account; clientId: string; isCommanded: boolean },
  drone: string,
  { listings, bindings }: Omit<DockFacts, 'sn'>,
): boolean {
  const own = ownGateways(account.scope, clientId);
  const binding = bindings.get(drone);
  if (listings.has(drone) || binding?.gateway === drone) return false;
  if (binding === undefined) return !isCommanded;
  const organizationOf = (sn: string): string | undefined => (bindings.get(sn) ?? account).organizationId;
  if (own.some((sn) => organizationOf(sn) === binding.organizationId)) return true;
  return !isCommanded && own.includes(binding.gateway) && organizationOf(binding.gateway) === undefined;
}

function mayClaim({ name }: Account, sn: string, { listings, bindings }: Omit<DockFacts, 'sn'>): boolean {
  const holder = bindings.get(sn)?.account;
  return !listings.has(sn) && (holder === undefined || holder === name);
}

type Kind =
  /** A filter with which the replies to the dock's own requests would come. */
  | 'replies'
  /** Somebody else's session names this dock. */
  | 'names this dock'
  /** This dock's session names another device. */
  | 'names another'
  /** What stands in place of an SN is none. */
  | 'names no SN'
  /** A topic under its own SN that only the cloud may use, or the store did not answer. */
  | 'own topic'
  /** A topic of a drone that it said it has, or that was bound through it. */
  | 'own drone'
  /** Commands to a device that is bound nowhere, and of which nothing says that it is its drone. */
  | 'device bound nowhere'
  /** Its drone belongs to somebody else. */
  | 'drone of another'
  /** A filter of its account that names no device. */
  | 'no device';

function kindOf(entry: TimelineEntry, history: History, facts: DockFacts): Kind {
  const { gateway, own, reason, details } = entry;
  const { topic = '', action } = details;
  const named = namedIn(entry);
  if (named === undefined) {
    const isReplies = action === 'subscribe' && covers(topic, repliesTopic(facts.sn));
    if (isReplies) return 'replies';
    return noSerialNumberIn(topic) === undefined ? 'no device' : 'names no SN';
  }
  if (reason === 'foreign_organization' || (reason === 'foreign_gateway' && gateway !== facts.sn))
    return 'drone of another';
  if (reason === 'drone_not_bound')
    return isOwnDrone(named, history, facts) ? 'own drone' : 'device bound nowhere';
  if (own) return 'own topic';
  if (gateway === facts.sn) return 'names this dock';
  return isOwnDrone(named, history, facts) ? 'own drone' : 'names another';
}

function isOwnDrone(sn: string, { own }: History, facts: DockFacts): boolean {
  const binding = facts.bindings.get(sn);
  const isBoundThroughIt = binding?.gateway === facts.sn && sn !== facts.sn;
  return isBoundThroughIt || own.some(({ step, details }) => step === 'status' && details.drone === sn);
}

function findingFor(
  kind: Kind,
  entry: TimelineEntry,
  history: History,
  facts: DockFacts,
): DockFinding | undefined {
  switch (kind) {
    case 'drone of another':
      return droneOfAnother(entry);
    case 'replies':
      return repliesRefused(entry, history, facts);
    case 'own drone':
      return isInSession(entry, history) ? ownDroneTopic(entry) : undefined;
    case 'device bound nowhere':
      return isInSession(entry, history) ? foreignTopic(entry, facts) : undefined;
    case 'names no SN':
      return namesNoSerialNumber(entry, history);
    case 'no device':
      return isPast(entry, history) && !isInSession(entry, history) ? undefined : topicRefused(entry, facts);
    case 'own topic':
      return isPast(entry, history) ? undefined : topicRefused(entry, facts);
    case 'names this dock':
      if (isPast(entry, history)) return undefined;
      return hasOtherAccount(entry, history, facts)
        ? namedByAnother(entry, facts)
        : notInAccount(entry, facts);
    case 'names another':
      // Who sent the dock's own requests or its status is the dock, whatever its client id.
      if (history.speakers.has(entry.clientId) || isPast(entry, history))
        return isInSession(entry, history) ? foreignTopic(entry, facts) : undefined;
      return history.speakers.size > 0 || cameItself(history, entry, facts.sn)
        ? sharedAccount(entry, facts)
        : wrongSerialNumber(entry, facts);
  }
}

/** Whether the dock sent a request later, or told of itself. */
function isPast(entry: TimelineEntry, history: History): boolean {
  return history.hasLater(
    entry,
    ({ own, step, outcome }) => own && (step === 'status' || (step === 'request' && outcome !== 'dropped')),
  );
}

/** Whether it happened in a session that is still up. */
function isInSession({ clientId, at }: TimelineEntry, { sessions }: History): boolean {
  return sessions.some((session) => session.clientId === clientId && session.since <= at);
}

/** A bridge, or a client that asks for all: dockhook lets it subscribe to the topics of one SN after the other. */
function repliesRefused(entry: TimelineEntry, history: History, facts: DockFacts): DockFinding | undefined {
  const { sn } = facts;
  const { clientId, details, at } = entry;
  if (subscribedToReplies(history, sn, clientId) === 'yes') return undefined;
  const asked = history.own.findLast(
    (own) => own.step === 'request' && own.clientId === clientId && own.outcome !== 'dropped',
  );
  const needsReplies = asked !== undefined && gatewayKind(history, facts) === 'dock';
  const works = facts.bindings.has(sn) || (asked !== undefined && wentOn(history, asked));
  const topic = details.topic ?? '';
  return {
    code: 'replies_refused',
    level: needsReplies && !works ? 'error' : 'warning',
    state: asked?.details.method === 'config' ? 'stopped at config' : 'stopped at connect',
    since: at,
    brief: `may not subscribe ${topic}, so gets no replies`,
    what:
      `${clientInWords(entry)} was refused subscribe ${topic}. The replies to ${sn} come on ${repliesTopic(sn)}, and nobody ` +
      'listens there.',
    fix: [
      `let the client subscribe to the topic of each SN, such as ${repliesTopic(sn)}, and not to ${topic}`,
      `see what the account may do: ${showAccount(entry.account)}`,
    ],
  };
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

/** A drone is never listed as a gateway: that would cut it off from every dock. */
function ownDroneTopic(entry: TimelineEntry): DockFinding {
  const { details, at } = entry;
  const drone = snInTopic(entry);
  return {
    code: 'drone_topic_refused',
    level: 'warning',
    state: 'online',
    since: at,
    brief: `was refused a topic of its drone ${drone}`,
    what: `${clientInWords(entry)} was refused ${details.action ?? 'publish'} ${details.topic ?? ''}, a topic of its drone.`,
    fix: [
      'nothing, if the drone works',
      `if not, bind the drone together with the dock: ${command('binding', 'show', drone)} shows where it belongs`,
    ],
  };
}

function namesNoSerialNumber(entry: TimelineEntry, { speakers }: History): DockFinding {
  const { details, at } = entry;
  const named = noSerialNumberIn(details.topic ?? '') ?? '';
  const isStopped = speakers.size === 0;
  return {
    code: 'not_a_serial_number',
    level: isStopped ? 'error' : 'warning',
    state: 'stopped at connect',
    since: at,
    brief: `its topics name "${named}", which is no SN`,
    what: `${clientInWords(entry)} uses topics of "${named}" (${details.topic ?? ''}), and ${serialNumberFault(named) ?? ''}.`,
    fix: [
      'give the simulator, or whatever this client is, a serial number such as 7CTDTEST00000A, and an account that lists it',
    ],
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
    fix: [letItActAs(sn, entry, facts), ...ownAccountFor(sn, facts, 'if not, give the dock its own account')],
  };
}

/** The dock made its requests under other client ids, so this session is probably another device with its account. */
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
      `It has sent nothing as ${facts.sn}, so it is probably another device.`,
    fix: [
      ...ownAccountFor(named, facts, `give ${named} its own account`),
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
      `see where it belongs: ${command('binding', 'show', named)}`,
      `only if the drone was really handed over: ${command('binding', 'move', named, '--organization', 'ID')}`,
    ],
  };
}

function topicRefused(entry: TimelineEntry, facts: DockFacts): DockFinding {
  const { reason, details, at } = entry;
  const fault = reason === 'internal_error' ? undefined : serverFault(reason);
  const cause = fault?.what ?? reason ?? 'for no known reason';
  return {
    code: fault === undefined ? 'topic_refused' : codeFor(reason),
    level: fault === undefined ? 'warning' : 'error',
    state: 'stopped at connect',
    since: at,
    brief: fault?.brief ?? 'a topic was refused',
    what: `${clientInWords(entry)} was refused ${details.action ?? 'publish'} ${details.topic ?? ''} (${cause}).`,
    fix: fault?.fix ?? [
      facts.accounts.get(entry.account)?.scope.kind === 'service'
        ? `see what the account may do: ${showAccount(entry.account)}`
        : 'nothing, if only the cloud sends on this topic: a dock does not need it',
    ],
  };
}

/** Whether the dock connected under its own SN, with another client id than the one that names somebody else. */
function cameItself({ own }: History, { clientId }: TimelineEntry, sn: string): boolean {
  return own.some(
    (entry) =>
      entry.clientId !== clientId &&
      entry.step === 'connected' &&
      serialNumbersIn(entry.clientId).includes(sn),
  );
}

/** The gateway that carries this drone; undefined if it is not known as one. */
function carrierOf(sn: string, { bindings, carriers }: DockFacts): string | undefined {
  const gateway = bindings.get(sn)?.gateway ?? carriers?.get(sn);
  return gateway === sn ? undefined : gateway;
}

/** Advice to make an account for this SN, unless it is a drone. */
function ownAccountFor(sn: string, facts: DockFacts, advice: string): string[] {
  return carrierOf(sn, facts) === undefined ? [`${advice}: ${addAccount('NAME', sn)}`] : [];
}

/**
 * How to let an account act as one more SN. The command also names the SNs that the account already lists, unless there
 * is only one and it looks mistyped.
 * @param real SNs that are not mistyped
 */
function letItActAs(
  named: string,
  { account, clientId }: TimelineEntry,
  facts: DockFacts,
  real: readonly string[] = [],
): string {
  const { accounts, listings, bindings } = facts;
  const carrier = carrierOf(named, facts);
  if (carrier !== undefined)
    return `${named} is the drone of ${carrier}: list it in no account, for then it could not fly with any dock`;
  const [owner] = listingAccounts({ listings, sn: named }).filter((name) => name !== account);
  if (owner !== undefined)
    return `if ${named} is right, type "${owner}" as account into DJI Pilot 2: it acts for ${named}`;
  const scope = accounts.get(account)?.scope;
  if (scope?.kind === 'client-id')
    return `this account acts as the SN in its client id, and "${clientId}" does not name ${named}`;
  const gateways = scope?.kind === 'gateways' ? scope.gateways : [];
  const isReal = gateways.length > 1 || gateways.some((sn) => bindings.has(sn) || real.includes(sn));
  const kept = isReal ? gateways : [];
  return `if ${named} is right: ${command('account', 'set', account, '--gateway', ...kept, named)}`;
}

function snInTopic(entry: TimelineEntry): string {
  return namedIn(entry) ?? 'of no device';
}

/** The SN that a topic names; a wildcard names none. */
function namedIn({ gateway, details: { topic } }: TimelineEntry): string | undefined {
  return topic === undefined ? gateway : parseDeviceTopic(topic)?.sn;
}

function clientInWords({ clientId, account }: TimelineEntry): string {
  return `Client id "${clientId}" with account "${account}"`;
}
