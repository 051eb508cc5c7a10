/** Connects that were refused. Pure. */
import { disabledOrExpired } from '../../access/expiry.js';
import { isOwnGateway, serialNumbersIn } from '../../access/topic-rules.js';
import { command } from '../../command.js';
import { addAccount } from '../../fixes.js';
import type { Account, TimelineEntry } from '../../stores/types.js';
import { onBroker } from '../brokers.js';
import { codeFor } from '../codes.js';
import type { DockFinding } from '../dock-finding.js';
import { listingAccounts, type DockFacts } from '../facts.js';
import { gatewayKind } from '../gateway-kind.js';
import type { History } from '../history.js';
import { refusalText } from '../reasons.js';

/** For these reasons a connected client is refused all its topics, and its next connect will be refused, too. */
const ALSO_WHILE_CONNECTED = new Set<string>(['unknown_account', 'disabled', 'expired', 'wrong_certificate']);

/** Whether a topic was refused for a reason for which a connect is refused. */
export function isRefusedLikeConnect({ step, reason }: TimelineEntry): boolean {
  return step === 'authorize' && reason !== undefined && ALSO_WHILE_CONNECTED.has(reason);
}

/**
 * The last refused connect. Anybody can cause one. So it counts against the dock only if the dock is not connected and
 * did not come from another address.
 */
export function refusedConnect(history: History, facts: DockFacts): DockFinding | undefined {
  const isOnline = history.sessions.length > 0;
  const last = isOnline ? history.entries.findLast(isRefusedByUs) : lastRefusal(history, facts);
  if (last === undefined || isOfSecondSession(last, history, facts)) return undefined;
  if (isOnline && last.lastAt < (history.sessions[0]?.since ?? 0)) return undefined;
  if (isFixed(last, facts)) {
    if (isOnline || isFromElsewhere(last, history)) return undefined;
    return waitsForDock(firstOfKind(last, history).at, refusalText(last, facts).brief);
  }
  const text = refusalText(last, facts);
  const what = `Client${clientInWords(last).slice(6)} was refused: ${text.what}.`;
  const base = { state: 'refused', since: firstOfKind(last, history).at } as const;
  if (isOnline && last.step === 'authenticate') {
    return {
      ...base,
      code: 'another_refused',
      level: 'warning',
      brief: `another client is refused: ${text.brief}`,
      what: `It is connected, but another client was refused. ${what}`,
      fix: [
        `see who is at ${last.details.peerHost || 'that address'}: a stranger, or a second device with this account`,
      ],
    };
  }
  const code = codeFor(last.reason);
  if (!isFromElsewhere(last, history)) return { ...base, code, level: 'error', ...text, what };
  const doubt = 'The dock never came from this address, so it may be somebody else.';
  return { ...base, code, level: 'warning', ...text, what: `${what} ${doubt}` };
}

/** A second session, for direct remote control (DRC): the backend hands out with what it connects. */
export function secondSessionRefused(history: History, facts: DockFacts): DockFinding | undefined {
  const last = history.entries.findLast(
    (entry) => isRefusedByUs(entry) && isOfSecondSession(entry, history, facts),
  );
  if (last === undefined || isFixed(last, facts)) return undefined;
  const wasLetIn = history.hasLater(last, ({ own, step, clientId }) => {
    const isSecond = serialNumbersIn(clientId).includes(facts.sn) && !history.speakers.has(clientId);
    return own && step === 'authenticate' && isSecond;
  });
  if (wasLetIn) return undefined;
  const kind = gatewayKind(history, facts);
  const account = history.lastAccepted?.account ?? listingAccounts(facts)[0] ?? 'NAME';
  const scope = facts.accounts.get(account)?.scope.kind;
  // One of a bridge may act as any dock.
  const isOfGateways = scope === undefined || scope === 'gateways' || scope === 'client-id';
  return {
    code: 'second_session_refused',
    level: 'warning',
    state: 'online',
    since: last.at,
    brief: `its second session (DRC) is refused: ${refusalText(last, facts).brief}`,
    what:
      `A second session of the ${kind} was refused: ${clientInWords(last)}, because ${refusalText(last, facts).what}. The ${kind} takes ` +
      'its account, password and client id from drc_mode_enter, which your backend sends.',
    fix: [
      isOfGateways
        ? `let drc_mode_enter hand out the account of the ${kind}, "${account}", with its password, and a client id such as drc-${facts.sn}`
        : `let drc_mode_enter hand out an account that acts only as ${facts.sn}, with its password, and a client id such as drc-${facts.sn}: ${addAccount('NAME', facts.sn)}`,
      ...onBroker(
        facts,
        'EMQX',
        `or, if your backend makes passwords of its own (JWT): give EMQX a JWT authenticator, and start ${command('serve', '--unknown-accounts', 'ignore')}`,
      ),
    ],
  };
}

/**
 * Whether a refused client is a second session of a dock that came before: its client id has the SN in it, or it came
 * with the SN as account (DJI's demo server hands out both), and the dock itself never used that client id.
 */
function isOfSecondSession(
  { step, clientId, account }: TimelineEntry,
  { own }: History,
  { sn }: DockFacts,
): boolean {
  if (step !== 'authenticate' || clientId === sn || own.length === 0) return false;
  if (!serialNumbersIn(clientId).includes(sn) && account !== sn) return false;
  return !own.some((entry) => entry.clientId === clientId);
}

function waitsForDock(since: number, brief: string): DockFinding {
  return {
    code: 'mended',
    level: 'error',
    state: 'refused',
    since,
    brief: 'fixed; waits for the dock',
    what: `The last connect was refused (${brief}), but that has been mended since.`,
    fix: ['wait until the dock tries again, or restart it'],
  };
}

/** The last refused connect of the dock itself, if it was not in since. */
export function lastRefusal(history: History, facts: DockFacts): TimelineEntry | undefined {
  const last = history.entries.findLast(
    (entry) => isRefused(entry) && !isOfSecondSession(entry, history, facts),
  );
  return last !== undefined && !history.hasLater(last, isSignOfSession) ? last : undefined;
}

/** The first refusal for the same reason since the dock was let in last. */
function firstOfKind(last: TimelineEntry, { entries, own }: History): TimelineEntry {
  const first = entries.find(
    (entry) =>
      isRefused(entry) &&
      entry.reason === last.reason &&
      !own.some((later) => isSignOfSession(later) && later.at > entry.at),
  );
  return first ?? last;
}

/** Of a long story the connect may be cut off, but what the dock did later shows that it was let in. */
function isSignOfSession({ own, step, outcome }: TimelineEntry): boolean {
  return own && step !== 'disconnected' && outcome !== 'refused' && outcome !== 'dropped';
}

/** One with an unknown account may have been left to the broker, which may let it in. */
function isRefusedByUs(entry: TimelineEntry): boolean {
  return isRefused(entry) && entry.outcome === 'refused';
}

function isRefused(entry: TimelineEntry): boolean {
  if (entry.step === 'authenticate') return entry.outcome !== 'ok';
  return isRefusedLikeConnect(entry);
}

/** Whether what a connect was refused for is not so any more. A password cannot be compared again. */
export function isFixed(
  { reason, account: name, clientId }: TimelineEntry,
  facts: Omit<DockFacts, 'sn'>,
): boolean {
  const account = facts.accounts.get(name);
  if (account === undefined || disabledOrExpired(account, facts.now) !== undefined) return false;
  switch (reason) {
    case 'disabled':
    case 'expired':
    case 'unknown_account':
      return true;
    case 'wrong_certificate':
      return account.certificateCn === undefined;
    case 'kept_client_id':
      return ![...facts.accounts.values()].some((other) => other.name !== name && keeps(other, clientId));
    case 'foreign_gateway':
      return serialNumbersIn(clientId).every((sn) => !isForeign(sn, account, facts));
    default:
      return false;
  }
}

function keeps({ scope }: Account, clientId: string): boolean {
  return scope.kind === 'service' && scope.clientIds?.includes(clientId) === true;
}

/** Whether this SN is another account's gateway. */
function isForeign(
  sn: string,
  { name, scope }: Account,
  { listings, bindings }: Omit<DockFacts, 'sn'>,
): boolean {
  if (scope.kind !== 'client-id' && isOwnGateway(scope, sn, sn)) return false;
  const binding = bindings.get(sn);
  const isBoundByAnother = binding?.gateway === sn && binding.account !== name;
  return listings.has(sn) || isBoundByAnother;
}

/** Whether a client came from an address that the dock never used. */
export function isFromElsewhere({ own, details }: TimelineEntry, history: History): boolean {
  const hosts = history.own.map((entry) => entry.details.peerHost).filter((host) => host !== undefined);
  return !own && hosts.length > 0 && !hosts.includes(details.peerHost ?? '');
}

function clientInWords({ clientId, account, details }: TimelineEntry): string {
  const as = account === '' ? '' : ` with account "${account}"`;
  return `client id "${clientId}"${as} from ${details.peerHost || 'an unknown address'}`;
}
