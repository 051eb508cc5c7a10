/** `dockhook account set`, which changes what is named and nothing else; `enable`, `disable` and `remove`. */
import type { Command } from 'commander';
import { DockhookError } from '../../errors.js';
import type { Account, Scope } from '../../stores/types.js';
import { disconnectOthers, printOthers, takenOf, warnOf } from './add.js';
import { noAccount, publicAccount } from './output.js';
import { newPassword, printPassword, type PasswordOptions } from './password.js';
import {
  changedScope,
  clientIdsIn,
  describeScope,
  gatewaysIn,
  namesScope,
  type ScopeOptions,
} from './scope-options.js';
import { parseExpiry } from '../input.js';
import { withStores } from '../open-stores.js';
import { wantsJson } from '../options.js';
import { print, printFields, printJson } from '../output.js';
import { disconnectClients } from '../disconnect.js';

interface SetOptions extends ScopeOptions, PasswordOptions {
  /** False for `--no-cert-cn`. */
  certCn?: string | false;
  expires?: string;
  neverExpires?: boolean;
  note?: string;
}

export async function setAccount(name: string, options: SetOptions, command: Command): Promise<void> {
  const { certCn, expires, neverExpires, note } = options;
  if (expires !== undefined && neverExpires) {
    throw new DockhookError('usage', 'take one of --expires and --never-expires');
  }
  const expiresAt = expires === undefined ? undefined : parseExpiry(expires, Date.now());
  const password = await newPassword(options, command);
  const named = namesScope(options) || [certCn, expiresAt, neverExpires, note, password].some(isNamed);
  if (!named) throw new DockhookError('usage', 'say what to change: dockhook account set --help');

  const edit = (account: Account): Account => {
    const { certificateCn: oldCn, expiresAt: oldExpiry, note: oldNote, ...rest } = account;
    const [newCn, newNote] = [certCn === false ? undefined : (certCn ?? oldCn), note ?? oldNote];
    const newExpiry = neverExpires ? undefined : (expiresAt ?? oldExpiry);
    return {
      ...rest,
      scope: changedScope(options, account.scope),
      ...(password === undefined ? {} : { passwordHash: password.passwordHash }),
      ...(newCn === undefined ? {} : { certificateCn: newCn }),
      ...(newExpiry === undefined ? {} : { expiresAt: newExpiry }),
      ...(newNote === undefined || newNote === '' ? {} : { note: newNote }),
    };
  };

  const { before, after, shared, others } = await withStores(command, async ({ accounts }) => {
    const found = await accounts.get(name);
    if (!found) throw noAccount(name);
    const added = addedTo(found.scope, edit(found).scope);
    const taken = await takenOf(accounts, added);
    let old = found;
    const written = await accounts.update(name, (account) => edit((old = account)));
    const ended = await disconnectOthers(command, name, added, accounts);
    return { before: old, after: written, shared: taken, others: ended };
  });
  warnOf(name, after.scope, shared, command);
  const changes = changesOf(before, after);
  const { note: _note, ...rights } = changes;
  const clients =
    Object.keys(rights).length > 0 ? await disconnectClients(command, { account: name }) : undefined;
  if (wantsJson(command)) {
    printJson({
      ...publicAccount(after),
      ...(password?.generated === undefined ? {} : { password: password.generated }),
      ...(clients && { disconnected: clients.disconnected }),
    });
    return;
  }
  if (Object.keys(changes).length === 0) {
    print(`account "${name}" was like that already`);
    return;
  }
  print(`account "${name}" changed`);
  printFields(changes);
  if (password) printPassword(password);
  if (password) print('The dock needs it, too: type it into DJI Pilot 2.');
  if (clients) print(clients.text);
  printOthers(others);
}

/** What a scope has that the other had not, of SNs and client ids. */
function addedTo(old: Scope, now: Scope): Scope {
  const [gateways, clientIds] = [gatewaysIn(old), clientIdsIn(old)];
  if (now.kind === 'gateways')
    return { ...now, gateways: now.gateways.filter((sn) => !gateways.includes(sn)) };
  if (now.kind === 'service')
    return { ...now, clientIds: clientIdsIn(now).filter((id) => !clientIds.includes(id)) };
  return now;
}

export function enableAccount(name: string, _options: unknown, command: Command): Promise<void> {
  return setDisabled(name, false, command);
}

export function disableAccount(name: string, _options: unknown, command: Command): Promise<void> {
  return setDisabled(name, true, command);
}

async function setDisabled(name: string, disabled: boolean, command: Command): Promise<void> {
  const account = await withStores(command, (stores) =>
    stores.accounts.update(name, ({ disabled: _before, ...account }) =>
      disabled ? { ...account, disabled } : account,
    ),
  );
  const clients = disabled ? await disconnectClients(command, { account: name }) : undefined;
  if (wantsJson(command)) {
    printJson({ ...publicAccount(account), ...(clients && { disconnected: clients.disconnected }) });
  } else if (clients) print(`account "${name}" disabled. ${clients.text}`);
  else print(`account "${name}" enabled`);
}

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
function changesOf(before: Account, after: Account): Record<string, string> {
  const shown = {
    'acts for': [describeScope(before.scope), describeScope(after.scope)],
    'certificate CN': [before.certificateCn ?? 'none', after.certificateCn ?? 'none'],
    expires: [before.expiresAt ?? 'never', after.expiresAt ?? 'never'],
    note: [before.note ?? 'none', after.note ?? 'none'],
  };
  const changed = Object.entries(shown).filter(([, [old, now]]) => old !== now);
  const isNewPassword = before.passwordHash !== after.passwordHash;
  return {
    ...Object.fromEntries(changed.map(([label, [old, now]]) => [label, `${old ?? ''} → ${now ?? ''}`])),
    ...(isNewPassword ? { password: 'a new one' } : {}),
  };
}
