/** `dockhook account set`, which changes only what is named; `enable`, `disable` and `remove`. */
import { command } from '../../command.js';
import type { Command } from 'commander';
import { changeAccount, endsSessions, type AccountChanges } from '../../accounts/change.js';
import { demandNoFault } from '../../accounts/conflicts.js';
import { publicAccount } from '../../accounts/public-account.js';
import { claimsOf, demandUsedOrganization, describeScope, sharedClaims } from '../../accounts/scope.js';
import { DockhookError } from '../../errors.js';
import type { Account } from '../../stores/types.js';
import { disconnectOthers, noAccount, printOthers, printPassword, warnOfDoubts } from './output.js';
import { newPassword, type PasswordOptions } from './password.js';
import { changedScope, namesScope, type ScopeOptions } from './scope-options.js';
import { disconnectClients } from '../disconnect.js';
import { parseExpiry } from '../input.js';
import { withStores } from '../open-stores.js';
import { wantsJson } from '../options.js';
import { print, printFields, printJson } from '../output.js';

const HELP = command('account', 'set', '--help');

interface SetOptions extends ScopeOptions, PasswordOptions {
  /** False for `--no-organization`. */
  organization?: string | false;
  /** False for `--no-cert-cn`. */
  certCn?: string | false;
  expires?: string;
  neverExpires?: boolean;
  note?: string;
}

/** Changes only what the options name; rejects with `usage` if they name nothing. */
export async function setAccount(name: string, options: SetOptions, command: Command): Promise<void> {
  const { organization, certCn, expires, neverExpires, note } = options;
  if (expires !== undefined && neverExpires) {
    throw new DockhookError('usage', 'take one of --expires and --never-expires');
  }
  const expiresAt = expires === undefined ? undefined : parseExpiry(expires, Date.now());
  const password = await newPassword(options, command);
  const named =
    namesScope(options) || [organization, certCn, expiresAt, neverExpires, note, password].some(isNamed);
  if (!named) throw new DockhookError('usage', `say what to change: ${HELP}`);

  const changes: AccountChanges = {
    passwordHash: password?.passwordHash,
    organizationId: organization === false ? null : organization,
    certificateCn: certCn === false ? null : certCn,
    expiresAt: neverExpires ? null : expiresAt,
    note: note === '' ? null : note,
  };
  const edit = (account: Account): Account => {
    const edited = changeAccount(account, { ...changes, scope: changedScope(options, account.scope) });
    demandUsedOrganization(edited);
    return edited;
  };

  const { before, after, shared, others } = await withStores(command, async (stores) => {
    const { accounts } = stores;
    const found = await accounts.get(name);
    if (!found) throw noAccount(name);
    const claims = claimsOf(edit(found).scope, found.scope);
    const organizationId = organization === false ? undefined : organization;
    await demandNoFault(stores, { organizationId, gateways: claims.gateways });
    const taken = await sharedClaims(accounts, claims);
    let old = found;
    const written = await accounts.update(name, (account) => edit((old = account)));
    return {
      before: old,
      after: written,
      shared: taken,
      others: await disconnectOthers(command, written, found, accounts),
    };
  });
  warnOfDoubts(after, shared, command);
  const clients = endsSessions(before, after)
    ? await disconnectClients(command, { account: name })
    : undefined;
  if (wantsJson(command)) {
    printJson({
      ...publicAccount(after),
      password: password?.generated,
      disconnected: clients?.disconnected,
    });
    return;
  }
  const shown = differences(before, after);
  if (Object.keys(shown).length === 0) {
    print(`account "${name}" is already like that`);
    return;
  }
  print(`account "${name}" changed`);
  printFields(shown);
  printPassword(password?.generated);
  if (password) print('The dock needs it, too: type it into DJI Pilot 2.');
  if (clients) print(clients.text);
  printOthers(others);
}

/** Rejects with `not_found`. An account that is enabled already stays as it is. */
export function enableAccount(name: string, _options: unknown, command: Command): Promise<void> {
  return setDisabled(name, false, command);
}

/** Refuses the account from now on, and ends its sessions if EMQX can be asked. */
export function disableAccount(name: string, _options: unknown, command: Command): Promise<void> {
  return setDisabled(name, true, command);
}

async function setDisabled(name: string, disabled: boolean, command: Command): Promise<void> {
  const account = await withStores(command, (stores) =>
    stores.accounts.update(name, (before) => changeAccount(before, { disabled: disabled || null })),
  );
  const clients = disabled ? await disconnectClients(command, { account: name }) : undefined;
  if (wantsJson(command)) printJson({ ...publicAccount(account), disconnected: clients?.disconnected });
  else if (clients) print(`account "${name}" disabled. ${clients.text}`);
  else print(`account "${name}" enabled`);
}

/** Rejects with `not_found`. Also ends the account's sessions if EMQX can be asked. */
export async function removeAccount(name: string, _options: unknown, command: Command): Promise<void> {
  await withStores(command, (stores) => stores.accounts.remove(name));
  const { text, disconnected } = await disconnectClients(command, { account: name });
  if (wantsJson(command)) printJson({ name, disconnected });
  else print(`account "${name}" removed. ${text}`);
}

function isNamed(value: unknown): boolean {
  return value !== undefined;
}

/** What is different, as `before → after`. */
function differences(before: Account, after: Account): Record<string, string | undefined> {
  const change = (old: string, now: string): string | undefined =>
    old === now ? undefined : `${old} → ${now}`;
  const shown = {
    'acts for': change(describeScope(before.scope), describeScope(after.scope)),
    organization: change(before.organizationId ?? 'none', after.organizationId ?? 'none'),
    'certificate CN': change(before.certificateCn ?? 'none', after.certificateCn ?? 'none'),
    expires: change(before.expiresAt ?? 'never', after.expiresAt ?? 'never'),
    note: change(before.note ?? 'none', after.note ?? 'none'),
    password: before.passwordHash === after.passwordHash ? undefined : 'a new one',
  };
  return Object.fromEntries(Object.entries(shown).filter(([, text]) => text !== undefined));
}
