/** `dockhook account list` and `account show`. */
import { command } from '../../command.js';
import type { Command } from 'commander';
import { publicAccount, stateOf } from '../../accounts/public-account.js';
import { describeScope } from '../../accounts/scope.js';
import { passwordKind } from '../../password-hashes/index.js';
import { noAccount } from './output.js';
import { withStores } from '../open-stores.js';
import { wantsJson } from '../options.js';
import { print, printFields, printJson, printTable, reportBadRows } from '../output.js';

const ADD_HELP = command('account', 'add', '--help');

/** Rows that cannot be read go to stderr and make the exit code 1. */
export async function listAccounts(_options: unknown, command: Command): Promise<void> {
  const { records, badRows } = await withStores(command, (stores) => stores.accounts.list());
  if (wantsJson(command)) printJson(records.map(publicAccount));
  else if (records.length === 0) print(`no accounts yet: ${ADD_HELP}`);
  else {
    printTable(
      ['NAME', 'STATE', 'ACTS FOR', 'ORGANIZATION', 'PASSWORD', 'NOTE'],
      records.map((account) => [
        account.name,
        stateOf(account),
        describeScope(account.scope),
        account.organizationId ?? '',
        passwordKind(account.passwordHash),
        account.note ?? '',
      ]),
    );
  }
  reportBadRows(badRows, wantsJson(command));
}

/** Shows what kind of password the account has, never the hash. Rejects with `not_found`. */
export async function showAccount(name: string, _options: unknown, command: Command): Promise<void> {
  const account = await withStores(command, (stores) => stores.accounts.get(name));
  if (!account) throw noAccount(name);
  if (wantsJson(command)) {
    printJson(publicAccount(account));
    return;
  }
  printFields({
    account: account.name,
    state: stateOf(account),
    'acts for': describeScope(account.scope),
    password: passwordKind(account.passwordHash),
    organization: account.organizationId,
    'certificate CN': account.certificateCn,
    expires: account.expiresAt,
    note: account.note,
    created: account.createdAt,
  });
}
