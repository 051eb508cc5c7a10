/** Whether an account can be used at all, whoever comes with it. One answer for the server and for all who tell of it. */
import type { Account } from '../stores/types.js';

/** Why an account cannot be used now; undefined if it can. */
export function standingOf(
  account: Pick<Account, 'disabled' | 'expiresAt'>,
  now: number,
): 'disabled' | 'expired' | undefined {
  if (account.disabled) return 'disabled';
  return hasExpired(account, now) ? 'expired' : undefined;
}

/** Whatever else may be wrong with it. */
export function hasExpired({ expiresAt }: Pick<Account, 'expiresAt'>, now: number): boolean {
  // Not `<=`: a date that cannot be read compares as false either way, and must mean "expired".
  return expiresAt !== undefined && !(Date.parse(expiresAt) > now);
}
