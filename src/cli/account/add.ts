/** `dockhook account add` and `account hash`. */
import type { Command } from 'commander';
import { accountNameFault } from '../../access/safe-names.js';
import { DockhookError } from '../../errors.js';
import type { Account, Accounts, Scope } from '../../stores/types.js';
import { publicAccount } from './output.js';
import { demandPassword, printPassword, type PasswordOptions } from './password.js';
import {
  clientIdsIn,
  describeScope,
  doubts,
  gatewaysIn,
  newScope,
  type ScopeOptions,
} from './scope-options.js';
import { parseExpiry } from '../input.js';
import { withStores } from '../open-stores.js';
import { wantsJson } from '../options.js';
import { print, printJson, warn } from '../output.js';
import { disconnectClients, type Disconnected } from '../disconnect.js';

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
  const { shared, clients } = await withStores(command, async ({ accounts }) => {
    const taken = await takenOf(accounts, scope);
    await accounts.add(added);
    return { shared: taken, clients: await disconnectOthers(command, name, scope, accounts) };
  });
  warnOf(name, added.scope, shared, command);
  if (wantsJson(command)) {
    printJson({
      ...publicAccount(added),
      ...(password.generated === undefined ? {} : { password: password.generated }),
      ...(clients && { disconnected: clients.disconnected }),
    });
    return;
  }
  print(`account "${name}" added: ${describeScope(scope)}`);
  printOthers(clients);
  printPassword(password);
}

/** What of a scope another account has, too. */
export interface Shared {
  gateways: string[];
  clientIds: string[];
}

export async function takenOf(accounts: Accounts, scope: Scope): Promise<Shared> {
  const [listed, kept] = [gatewaysIn(scope), clientIdsIn(scope)];
  const isListed = await Promise.all(listed.map((sn) => accounts.listsGateway(sn)));
  const isKept = await Promise.all(kept.map((id) => accounts.keepsClientId(id)));
  return {
    gateways: listed.filter((_, index) => isListed[index]),
    clientIds: kept.filter((_, index) => isKept[index]),
  };
}

/** Ends sessions of others that come as what this account alone may be from now on. */
export function disconnectOthers(
  command: Command,
  name: string,
  scope: Scope,
  accounts: Accounts,
): Promise<Disconnected> | undefined {
  const [gateways, clientIds] = [gatewaysIn(scope), clientIdsIn(scope)];
  if (gateways.length === 0 && clientIds.length === 0) return undefined;
  return disconnectClients(command, {
    keptFor: name,
    gateways,
    clientIds,
    accounts: async () => (await accounts.list()).records,
  });
}

/** Tells what became of them. @param others undefined if there was nothing to look for */
export function printOthers(others: Disconnected | undefined): void {
  if (others?.disconnected === null) {
    print(
      'Clients of other accounts that are connected under its SNs or client ids stay until they reconnect: end them in ' +
        'the broker, or set DOCKHOOK_EMQX_URL.',
    );
  } else if (others !== undefined && others.disconnected > 0) {
    print(`Other accounts used its SNs or client ids: ${others.text}`);
  }
}

export function warnOf(name: string, scope: Scope, shared: Shared, command: Command): void {
  const texts = [
    ...shared.gateways.map((sn) => `another account may act as gateway ${sn}, too`),
    ...shared.clientIds.map((id) => `another account may use the client id ${id}, too`),
  ];
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
