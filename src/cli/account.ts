/** `dockhook account …`: the MQTT usernames and passwords of docks and backends. */
import type { Command } from 'commander';
import { DockhookError } from '../errors.js';
import { addAccount, printHash } from './account-add.js';
import { addExportCommand } from './account-export.js';
import { addImportCommand } from './account-import.js';
import { passwordKind, publicAccount, stateOf } from './account-output.js';
import { addPasswordOptions } from './account-password.js';
import { addScopeOptions, describeScope } from './account-scope.js';
import { setAccount } from './account-set.js';
import { withStores } from './open-stores.js';
import { addExamples, wantsJson } from './options.js';
import { print, printFields, printJson, printTable, reportBadRows } from './output.js';
import { disconnectClients } from './revocation.js';

export function addAccountCommand(program: Command): void {
  const account = program.command('account').description('MQTT accounts of docks and backends');
  addAddCommand(account);
  addSetCommand(account);
  addExamples(
    account.command('list').description('list accounts').action(listAccounts),
    'dockhook account list',
  );
  addExamples(
    account.command('show <name>').description('show one account').action(showAccount),
    'dockhook account show dock-north',
  );
  addExamples(
    account
      .command('enable <name>')
      .description('let an account connect again')
      .action((name: string, _options: unknown, command: Command) => setDisabled(name, false, command)),
    'dockhook account enable dock-north',
  );
  addExamples(
    account
      .command('disable <name>')
      .description('refuse an account from its next connect on')
      .action((name: string, _options: unknown, command: Command) => setDisabled(name, true, command)),
    'dockhook account disable dock-north',
  );
  addExamples(
    account.command('remove <name>').description('delete an account').action(removeAccount),
    'dockhook account remove dock-north',
  );
  addImportCommand(account);
  addExportCommand(account);
  const hash = account
    .command('hash')
    .description('make a password hash, for an account that is written by SQL')
    .action(printHash);
  addExamples(
    addPasswordOptions(hash),
    'dockhook account hash --generate',
    'printf \'%s\' "$PASSWORD" | dockhook account hash --password-stdin',
  );
}

function addAddCommand(account: Command): void {
  const add = account
    .command('add <name>')
    .description('create an account; say whose topics it may use, and where its password comes from')
    .action(addAccount);
  addPasswordOptions(
    addScopeOptions(add)
      .option('--cert-cn <cn>', 'also demand a TLS client certificate with this common name')
      .option('--expires <when>', 'stop working after 30m, 12h, 90d, or at a date'),
  ).option('--note <text>', 'a note for other operators');
  addExamples(
    add,
    'dockhook account add dock-north --gateway 7CTDTEST00000A --generate',
    'printf \'%s\' "$PASSWORD" | dockhook account add fleet --client-id-is-gateway --password-stdin',
    "dockhook account add backend --service --subscribe 'thing/product/#' 'sys/product/#' --generate",
  );
}

function addSetCommand(account: Command): void {
  const set = account
    .command('set <name>')
    .description('change an account: only what is named here changes')
    .action(setAccount);
  addPasswordOptions(
    addScopeOptions(set)
      .option('--cert-cn <cn>', 'also demand a TLS client certificate with this common name')
      .option('--no-cert-cn', 'demand no certificate any longer')
      .option('--expires <when>', 'stop working after 30m, 12h, 90d, or at a date')
      .option('--never-expires', 'go on working'),
  ).option('--note <text>', "a note for other operators; '' removes it");
  addExamples(
    set,
    'dockhook account set dock-north --generate',
    'dockhook account set dock-north --gateway 7CTDTEST00000A 7CTDTEST00000B',
    'dockhook account set contractor --expires 30d',
    'dockhook account set dock-north --never-expires --no-cert-cn',
  );
}

async function listAccounts(_options: unknown, command: Command): Promise<void> {
  const { records, badRows } = await withStores(command, (stores) => stores.accounts.list());
  if (wantsJson(command)) printJson(records.map(publicAccount));
  else if (records.length === 0) print('no accounts yet: dockhook account add --help');
  else {
    printTable(
      ['NAME', 'STATE', 'ACTS FOR', 'PASSWORD', 'NOTE'],
      records.map((account) => [
        account.name,
        stateOf(account),
        describeScope(account.scope),
        passwordKind(account),
        account.note ?? '',
      ]),
    );
  }
  reportBadRows(badRows, wantsJson(command));
}

async function showAccount(name: string, _options: unknown, command: Command): Promise<void> {
  const account = await withStores(command, (stores) => stores.accounts.get(name));
  if (!account)
    throw new DockhookError('not_found', `there is no account "${name}"; dockhook account list shows all`);
  if (wantsJson(command)) {
    printJson(publicAccount(account));
    return;
  }
  printFields({
    account: account.name,
    state: stateOf(account),
    'acts for': describeScope(account.scope),
    password: passwordKind(account),
    'certificate CN': account.certificateCn,
    expires: account.expiresAt,
    note: account.note,
    created: account.createdAt,
  });
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

async function removeAccount(name: string, _options: unknown, command: Command): Promise<void> {
  await withStores(command, (stores) => stores.accounts.remove(name));
  const { text, disconnected } = await disconnectClients(command, { account: name });
  if (wantsJson(command)) printJson({ name, disconnected });
  else print(`account "${name}" removed. ${text}`);
}
