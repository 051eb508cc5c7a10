/** What of an account may be shown. */
import { disabledOrExpired } from '../access/expiry.js';
import { passwordKind } from '../password-hashes/index.js';
import type { Account } from '../stores/types.js';

/** An account without its hash. */
export function publicAccount(account: Account): Record<string, unknown> {
  const { passwordHash, ...rest } = account;
  return { ...rest, disabled: account.disabled ?? false, passwordKind: passwordKind(passwordHash) };
}

/** The state now, by this machine's clock. */
export function stateOf(account: Account): 'enabled' | 'disabled' | 'expired' {
  return disabledOrExpired(account, Date.now()) ?? 'enabled';
}
