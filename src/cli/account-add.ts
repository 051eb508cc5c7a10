/** `dockhook account add` and `account hash`. */
import type { Command } from 'commander';
import { accountNameFault } from '../access/names.js';
import { DockhookError } from '../errors.js';
import type { Account } from '../stores/types.js';
import { publicAccount } from './account-output.js';
import { demandPassword, printPassword, type PasswordOptions } from './account-password.js';
import { describeScope, doubts, gatewaysIn, newScope, type ScopeOptions } from './account-scope.js';
import { parseExpiry } from './input.js';
import { withStores } from './open-stores.js';
import { wantsJson } from './options.js';
import { print, printJson, warn } from './output.js';

interface AddOptions extends ScopeOptions, PasswordOptions {
  certCn?: string;
  expires?: string;
  note?: string;
}

export async function addAccount(name: string, options: AddOptions, command: Command): Promise<void> {
  const fault = accountNameFault(name);
  if (fault) throw new DockhookError('usage', `account name "${name}" ${fault}`);
  const scope = newScope(options);
  const rest = {
    scope,
    ...(options.certCn === undefined ? {} : { certificateCn: options.certCn }),
    ...(options.expires === undefined ? {} : { expiresAt: parseExpiry(options.expires, Date.now()) }),
    ...(options.note === undefined ? {} : { note: options.note }),
    createdAt: new Date().toISOString(),
  };
  const password = await demandPassword(options, command);
  const added: Account = { name, passwordHash: password.passwordHash, ...rest };
  const shared = await withStores(command, async ({ accounts }) => {
    const listed = gatewaysIn(scope);
    const taken = await Promise.all(listed.map((sn) => accounts.listsGateway(sn)));
    await accounts.add(added);
    return listed.filter((_, index) => taken[index]);
  });
  warnOf(name, added.scope, shared, command);
  if (wantsJson(command)) {
    printJson({
      ...publicAccount(added),
      ...(password.generated === undefined ? {} : { password: password.generated }),
    });
    return;
  }
  print(`account "${name}" added: ${describeScope(scope)}`);
  printPassword(password);
}

/** @param shared gateways that another account lists, too */
export function warnOf(name: string, scope: Account['scope'], shared: string[], command: Command): void {
  const texts = shared.map((sn) => `another account may act as gateway ${sn}, too`);
  for (const text of [...texts, ...doubts(name, scope)]) warn(text, wantsJson(command));
}

/** Makes a password hash without an account, for who writes rows by SQL. */
export async function printHash(options: PasswordOptions, command: Command): Promise<void> {
  const { passwordHash, generated } = await demandPassword(options, command);
  if (wantsJson(command)) {
    printJson({ passwordHash, ...(generated === undefined ? {} : { password: generated }) });
    return;
  }
  print(passwordHash);
  printPassword({ passwordHash, ...(generated === undefined ? {} : { generated }) });
}
