/** Changing an account, and whether its sessions must end after that. */
import { isDeepStrictEqual } from 'node:util';
import type { Account, Scope } from '../stores/types.js';

/** What is undefined stays as it is; null removes it. */
export interface AccountChanges {
  scope?: Scope | undefined;
  passwordHash?: string | undefined;
  organizationId?: string | null | undefined;
  certificateCn?: string | null | undefined;
  expiresAt?: string | null | undefined;
  note?: string | null | undefined;
  disabled?: true | null | undefined;
}

/** Returns a changed copy, and leaves `account` as it is. */
export function changeAccount(account: Account, changes: AccountChanges): Account {
  const { scope = account.scope, passwordHash = account.passwordHash } = changes;
  const changed = { ...account, scope, passwordHash };
  if (changes.organizationId === null) delete changed.organizationId;
  else if (changes.organizationId !== undefined) changed.organizationId = changes.organizationId;
  if (changes.certificateCn === null) delete changed.certificateCn;
  else if (changes.certificateCn !== undefined) changed.certificateCn = changes.certificateCn;
  if (changes.expiresAt === null) delete changed.expiresAt;
  else if (changes.expiresAt !== undefined) changed.expiresAt = changes.expiresAt;
  if (changes.note === null) delete changed.note;
  else if (changes.note !== undefined) changed.note = changes.note;
  if (changes.disabled === null) delete changed.disabled;
  else if (changes.disabled !== undefined) changed.disabled = changes.disabled;
  return changed;
}

/** Whether the account's present sessions must end: clients that reconnect are checked against the new account. */
export function endsSessions(before: Account, after: Account): boolean {
  return (
    !isDeepStrictEqual(before.scope, after.scope) ||
    before.passwordHash !== after.passwordHash ||
    before.organizationId !== after.organizationId ||
    before.certificateCn !== after.certificateCn ||
    before.expiresAt !== after.expiresAt
  );
}
