/** How accounts are shown. */
import { passwordKind } from '../../password-hashes/index.js';
import { disabledOrExpired } from '../../access/expiry.js';
import { DockhookError } from '../../errors.js';
import type { Account } from '../../stores/types.js';

export function noAccount(name: string): DockhookError {
  return new DockhookError('not_found', `there is no account "${name}"; dockhook account list shows all`);
}

/** An account without its hash. */
export function publicAccount(account: Account): Record<string, unknown> {
  const { passwordHash: _hash, ...rest } = account;
  return { ...rest, disabled: account.disabled ?? false, passwordKind: passwordKind(account.passwordHash) };
}

export function stateOf(account: Account): string {
  return disabledOrExpired(account, Date.now()) ?? 'enabled';
}
