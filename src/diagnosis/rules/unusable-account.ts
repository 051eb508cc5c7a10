/** The state of the dock's account now, not when the dock last connected. Pure. */
import { disabledOrExpired } from '../../access/expiry.js';
import type { DockFinding } from '../dock-finding.js';
import { listingAccounts, type DockFacts } from '../facts.js';
import { sessionFrom, type History } from '../history.js';
import { accountFault, type AccountFault } from '../reasons.js';
import { isFromElsewhere, lastRefusal } from './refused-connects.js';

/**
 * An account with which the next connect will be refused. Without this finding, a dock that is away seems to have no
 * power, or an operator waits in vain for it to connect again.
 * @param found what else is wrong
 */
export function unusableAccount(
  history: History,
  facts: DockFacts,
  found: readonly DockFinding[],
): DockFinding | undefined {
  const name = accountInUse(history, facts);
  const code = name === undefined ? undefined : faultOf(name, facts);
  if (name === undefined || code === undefined) return undefined;
  const other = found.find(({ level }) => level === 'error');
  // The refused connect says the same already.
  if (found.some((finding) => finding.level === 'error' && finding.code === code)) return undefined;
  const isConnected = history.sessions.length > 0;
  const { brief, what, fix } = accountFault(code, name, facts);
  return {
    code,
    // A dock that is online stays online. But if anything makes it connect again, the account will stop it.
    level: !isConnected || other !== undefined ? 'error' : 'warning',
    ...stateAndSince(history, other),
    brief,
    what: `${what.charAt(0).toUpperCase()}${what.slice(1)}. ${consequence(history)}`,
    fix,
  };
}

function faultOf(name: string, { accounts, now }: DockFacts): AccountFault | undefined {
  const account = accounts.get(name);
  return account === undefined ? 'unknown_account' : disabledOrExpired(account, now);
}

/** The account that the dock will probably use; undefined if it could be another one. */
function accountInUse(history: History, facts: DockFacts): string | undefined {
  const refusal = history.sessions.length > 0 ? undefined : lastRefusal(history, facts);
  // A name that is not an account cannot be the dock's; the refusal itself says so.
  if (refusal !== undefined && !isFromElsewhere(refusal, history))
    return facts.accounts.has(refusal.account) ? refusal.account : undefined;
  const session = history.session ?? (history.lastAccepted && sessionFrom(history.lastAccepted));
  const listing = listingAccounts(facts);
  // If its account was removed and another account lists the dock, it may have been given that one.
  if (session !== undefined && (facts.accounts.has(session.account) || listing.length === 0))
    return session.account;
  return listing.some((name) => faultOf(name, facts) === undefined) ? undefined : listing[0];
}

function consequence({ sessions, own }: History): string {
  if (sessions.length > 0) return 'The dock is still connected, and will be refused when it connects again.';
  if (own.length === 0) return 'The dock was not seen yet, and will be refused.';
  return 'The dock will be refused when it connects again.';
}

function stateAndSince(
  { sessions, own, end, lastAccepted }: History,
  other: DockFinding | undefined,
): Pick<DockFinding, 'state' | 'since'> {
  if (other !== undefined) return { state: other.state, since: other.since };
  const session = sessions.at(-1);
  if (session !== undefined) return { state: 'online', since: session.since };
  const last = end?.lastAt ?? lastAccepted?.lastAt ?? own.at(-1)?.lastAt;
  return last === undefined ? { state: 'never seen', since: 0 } : { state: 'offline', since: last };
}
