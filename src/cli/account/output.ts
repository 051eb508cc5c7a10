/** How accounts are shown. */
import { isForeign } from '../../access/foreign-hashes.js';
import { isFast } from '../../access/passwords.js';
import { disabledOrExpired } from '../../access/expiry.js';
import { DockhookError } from '../../errors.js';
import type { Account } from '../../stores/types.js';

export function noAccount(name: string): DockhookError {
  return new DockhookError('not_found', `there is no account "${name}"; dockhook account list shows all`);
}

/** An account without its hash. */
export function publicAccount(account: Account): Record<string, unknown> {
  const { passwordHash: _hash, ...rest } = account;
  return { ...rest, disabled: account.disabled ?? false, passwordKind: passwordKind(account) };
}

export function passwordKind({ passwordHash }: Account): string {
  if (isFast(passwordHash)) return 'generated';
  return isForeign(passwordHash) ? 'imported' : 'chosen';
}

export function stateOf(account: Account): string {
  return disabledOrExpired(account, Date.now()) ?? 'enabled';
}
