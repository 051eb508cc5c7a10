/** Whether an account is disabled or has expired. The server, `doctor` and all commands ask here. */
import type { Account } from '../stores/types.js';

/** Why nobody can use the account now; undefined if it can be used. */
export function disabledOrExpired(
  account: Pick<Account, 'disabled' | 'expiresAt'>,
  now: number,
): 'disabled' | 'expired' | undefined {
  if (account.disabled) return 'disabled';
  return hasExpired(account, now) ? 'expired' : undefined;
}

/** Whether the account has expired, disabled or not. */
export function hasExpired({ expiresAt }: Pick<Account, 'expiresAt'>, now: number): boolean {
  // Not `<=`: a date that cannot be read compares as false either way, and must mean "expired".
  return expiresAt !== undefined && !(Date.parse(expiresAt) > now);
}
