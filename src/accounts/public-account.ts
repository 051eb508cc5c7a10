/** What of an account may be shown. */
import { isForeign } from '../access/foreign-hashes.js';
import { isFast } from '../access/passwords.js';
import { standingOf } from '../access/standing.js';
import type { Account } from '../stores/types.js';

/** An account without its hash. */
export function publicAccount(account: Account): Record<string, unknown> {
  const { passwordHash: _hash, ...rest } = account;
  return { ...rest, disabled: account.disabled ?? false, passwordKind: passwordKind(account) };
}

export function passwordKind({ passwordHash }: Account): 'generated' | 'imported' | 'chosen' {
  if (isFast(passwordHash)) return 'generated';
  return isForeign(passwordHash) ? 'imported' : 'chosen';
}

export function stateOf(account: Account): 'enabled' | 'disabled' | 'expired' {
  return standingOf(account, Date.now()) ?? 'enabled';
}
