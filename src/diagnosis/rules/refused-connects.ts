/** Connects that were refused. Pure. */
import { disabledOrExpired } from '../../access/expiry.js';
import type { TimelineEntry } from '../../stores/types.js';
import type { DockFinding } from '../dock-finding.js';
import type { DockFacts } from '../facts.js';
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
  const last = isOnline ? history.entries.findLast(isRefused) : lastRefusal(history);
  if (last === undefined) return undefined;
  if (isOnline && last.lastAt < (history.sessions[0]?.since ?? 0)) return undefined;
  const text = refusalText(last, facts);
  const what = `${clientInWords(last)} was refused: ${text.what}.`;
  const base = { state: 'refused', since: firstOfKind(last, history).at } as const;
  if (isOnline && last.step === 'authenticate') {
    const second = `see whether it is a second session of the dock (DRC), or a stranger at ${last.details.peerHost ?? '?'}`;
    return {
      ...base,
      code: 'another_refused',
      level: 'warning',
      brief: `another client is refused: ${text.brief}`,
      what: `The dock is connected, but another client was refused. ${what}`,
      fix: [second],
    };
  }
  if (isFixed(last, facts)) return isOnline ? undefined : waitsForDock(base, text.brief);
  const code = last.reason ?? 'refused';
  if (!isFromElsewhere(last, history)) return { ...base, code, level: 'error', ...text, what };
  const doubt = 'The dock never came from this address, so it may be somebody else.';
  return { ...base, code, level: 'warning', ...text, what: `${what} ${doubt}` };
}

function waitsForDock(base: { state: 'refused'; since: number }, brief: string): DockFinding {
  return {
    ...base,
    code: 'mended',
    level: 'error',
    brief: 'fixed; waits for the dock',
    what: `The last connect was refused (${brief}), but the account can be used now.`,
    fix: ['wait until the dock tries again, or restart it'],
  };
}

/** The last refused connect, if the dock was not let in since. */
export function lastRefusal(history: History): TimelineEntry | undefined {
  const last = history.entries.findLast(isRefused);
  return last !== undefined && !history.hasLater(last, isOwnConnect) ? last : undefined;
}

/** The first refusal for the same reason since the dock was let in last. */
function firstOfKind(last: TimelineEntry, { entries, own }: History): TimelineEntry {
  const first = entries.find(
    (entry) =>
      isRefused(entry) &&
      entry.reason === last.reason &&
      !own.some((later) => isOwnConnect(later) && later.at > entry.at),
  );
  return first ?? last;
}

function isOwnConnect({ own, step }: TimelineEntry): boolean {
  return own && step === 'authenticate';
}

function isRefused(entry: TimelineEntry): boolean {
  if (entry.step === 'authenticate') return entry.outcome !== 'ok';
  return isRefusedLikeConnect(entry);
}

/** Whether an account that was disabled, expired or unknown can be used now. */
function isFixed({ reason, account: name }: TimelineEntry, { accounts, now }: DockFacts): boolean {
  const account = accounts.get(name);
  const isOfAccount = reason === 'disabled' || reason === 'expired' || reason === 'unknown_account';
  return isOfAccount && account !== undefined && disabledOrExpired(account, now) === undefined;
}

/** Whether a client came from an address that the dock never used. */
export function isFromElsewhere({ own, details }: TimelineEntry, history: History): boolean {
  const hosts = history.own.map((entry) => entry.details.peerHost).filter((host) => host !== undefined);
  return !own && hosts.length > 0 && !hosts.includes(details.peerHost ?? '');
}

function clientInWords({ clientId, account, details }: TimelineEntry): string {
  const as = account === '' ? '' : ` with account "${account}"`;
  return `Client id "${clientId}"${as} from ${details.peerHost || 'an unknown address'}`;
}
