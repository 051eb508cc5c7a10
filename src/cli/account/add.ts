/** `dockhook account add` and `account hash`. */
import type { Command } from 'commander';
import { accountNameFault } from '../../access/unsafe-names.js';
import { changeAccount } from '../../accounts/change.js';
import { demandNoFault } from '../../accounts/conflicts.js';
import { publicAccount } from '../../accounts/public-account.js';
import {
  claimsOf,
  demandUsedOrganization,
  describeScope,
  gatewaysIn,
  sharedClaims,
} from '../../accounts/scope.js';
import { DockhookError } from '../../errors.js';
import { disconnectOthers, printOthers, printPassword, warnOfDoubts } from './output.js';
import { demandPassword, type PasswordOptions } from './password.js';
import { newScope, type ScopeOptions } from './scope-options.js';
import { parseExpiry } from '../input.js';
import { withStores } from '../open-stores.js';
import { wantsJson } from '../options.js';
import { print, printJson } from '../output.js';

interface AddOptions extends ScopeOptions, PasswordOptions {
  organization?: string;
  certCn?: string;
  expires?: string;
  note?: string;
}

/** Rejects with `conflict` if the name is taken. Prints a generated password, which is never shown again. */
export async function addAccount(name: string, options: AddOptions, command: Command): Promise<void> {
  const fault = accountNameFault(name);
  if (fault) throw new DockhookError('usage', `account name "${name}" ${fault}`);
  const scope = newScope(options);
  const { organization: organizationId, certCn: certificateCn, expires, note } = options;
  demandUsedOrganization({ scope, organizationId });
  const expiresAt = expires === undefined ? undefined : parseExpiry(expires, Date.now());
  const createdAt = new Date().toISOString();
  const { passwordHash, generated } = await demandPassword(options, command);
  const account = changeAccount(
    { name, passwordHash, scope, createdAt },
    { organizationId, certificateCn, expiresAt, note },
  );
  const { shared, others } = await withStores(command, async (stores) => {
    const { accounts } = stores;
    await demandNoFault(stores, { organizationId, gateways: gatewaysIn(scope) });
    const taken = await sharedClaims(accounts, claimsOf(scope));
    await accounts.add(account);
    return { shared: taken, others: await disconnectOthers(command, account, undefined, accounts) };
  });
  warnOfDoubts(account, shared, command);
  if (wantsJson(command)) {
    printJson({ ...publicAccount(account), password: generated, disconnected: others?.disconnected });
    return;
  }
  print(`account "${name}" added: ${describeScope(scope)}`);
  printOthers(others);
  printPassword(generated);
}

/** Makes a password hash without an account, for those who write rows by SQL. */
export async function printHash(options: PasswordOptions, command: Command): Promise<void> {
  const { passwordHash, generated } = await demandPassword(options, command);
  if (wantsJson(command)) {
    printJson({ passwordHash, password: generated });
    return;
  }
  print(passwordHash);
  printPassword(generated);
}
