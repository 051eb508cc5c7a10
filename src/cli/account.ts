/** `dockhook account …`: the MQTT usernames and passwords of docks and backends. */
import type { Command } from 'commander';
import { filterFault } from '../access/filters.js';
import { accountNameFault } from '../access/names.js';
import { generatePassword, hashChosen, hashGenerated, isFast } from '../access/passwords.js';
import { isSerialNumber } from '../dock/topics.js';
import { DockhookError } from '../errors.js';
import type { Account, Scope } from '../stores/types.js';
import { parseExpiry, readPassword } from './input.js';
import { withStores } from './open-stores.js';
import { wantsJson } from './options.js';
import { print, printFields, printJson, printTable, reportBadRows, warn } from './output.js';
import { disconnectClients } from './revocation.js';

/** Shorter chosen passwords are warned about. */
const SHORT_PASSWORD = 12;

interface AddOptions {
  gateway?: string[];
  clientIdIsGateway?: boolean;
  anyGateway?: boolean;
  service?: boolean;
  publish?: string[];
  subscribe?: string[];
  certCn?: string;
  expires?: string;
  passwordStdin?: boolean;
  generate?: boolean;
  note?: string;
}

export function addAccountCommand(program: Command): void {
  const account = program.command('account').description('MQTT accounts of docks and backends');
  account
    .command('add <name>')
    .description('create an account; say whose topics it may use, and where its password comes from')
    .option('--gateway <sn...>', 'acts as these gateways (docks); recommended, one account per dock')
    .option(
      '--client-id-is-gateway',
      'acts as the gateway that its MQTT client id names (SN, PREFIX-SN or SN-SUFFIX)',
    )
    .option('--any-gateway', 'acts as any gateway; isolates nothing')
    .option('--service', 'is a backend and no dock')
    .option('--publish <filter...>', 'topics a service may publish to (default: #)')
    .option('--subscribe <filter...>', 'topics a service may subscribe to (default: #)')
    .option('--cert-cn <cn>', 'also demand a TLS client certificate with this common name')
    .option('--expires <when>', 'stop working after 30m, 12h, 90d, or at a date')
    .option('--password-stdin', 'read the password from standard input')
    .option('--generate', 'make a password and print it once')
    .option('--note <text>', 'a note for other operators')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  dockhook account add dock-north --gateway 7CTDTEST00000A --generate\n' +
        '  printf \'%s\' "$PASSWORD" | dockhook account add fleet --client-id-is-gateway --password-stdin\n' +
        "  dockhook account add backend --service --subscribe 'thing/product/#' 'sys/product/#' --generate",
    )
    .action(addAccount);
  account.command('list').description('list accounts').action(listAccounts);
  account.command('show <name>').description('show one account').action(showAccount);
  account
    .command('enable <name>')
    .description('let an account connect again')
    .action((name: string, _options: unknown, command: Command) => setDisabled(name, false, command));
  account
    .command('disable <name>')
    .description('refuse an account from its next connect on')
    .action((name: string, _options: unknown, command: Command) => setDisabled(name, true, command));
  account.command('remove <name>').description('delete an account').action(removeAccount);
}

async function addAccount(name: string, options: AddOptions, command: Command): Promise<void> {
  const fault = accountNameFault(name);
  if (fault) throw new DockhookError('usage', `account name "${name}" ${fault}`);
  const scope = scopeOf(options);
  if (Boolean(options.generate) === Boolean(options.passwordStdin)) {
    throw new DockhookError('usage', 'say where the password comes from: --generate or --password-stdin');
  }
  const rest = {
    scope,
    ...(options.certCn === undefined ? {} : { certificateCn: options.certCn }),
    ...(options.expires === undefined ? {} : { expiresAt: parseExpiry(options.expires, Date.now()) }),
    ...(options.note === undefined ? {} : { note: options.note }),
    createdAt: new Date().toISOString(),
  };
  const password = options.generate ? generatePassword() : await readPassword();
  const passwordHash = options.generate ? hashGenerated(password) : await hashChosen(password);
  const added: Account = { name, passwordHash, ...rest };
  const shared = await withStores(command, async ({ accounts }) => {
    const listed = scope.kind === 'gateways' ? scope.gateways : [];
    const taken = await Promise.all(listed.map((sn) => accounts.listsGateway(sn)));
    await accounts.add(added);
    return listed.filter((_, index) => taken[index]);
  });
  for (const text of doubts(name, scope, shared)) warn(text, wantsJson(command));
  if (!options.generate && password.length < SHORT_PASSWORD) {
    warn(`the password has fewer than ${SHORT_PASSWORD} characters and can be guessed`, wantsJson(command));
  }
  if (wantsJson(command)) {
    printJson({ ...publicAccount(added), ...(options.generate ? { password } : {}) });
    return;
  }
  print(`account "${name}" added: ${describeScope(scope)}`);
  if (options.generate) print(`password: ${password}\nIt is shown this once. Type it with its hyphens.`);
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

/** What was probably mistyped: names and SNs are compared byte by byte, so it shows only at the dock. */
function doubts(name: string, scope: Scope, shared: string[]): string[] {
  const texts = shared.map((sn) => `another account may act as gateway ${sn}, too`);
  if (name !== name.trim()) texts.push(`the name "${name}" begins or ends with a space`);
  for (const sn of scope.kind === 'gateways' ? scope.gateways : []) {
    if (/[a-z]/.test(sn)) texts.push(`gateway ${sn} has lower-case letters; SNs of DJI docks have none`);
  }
  return texts;
}

function scopeOf(options: AddOptions): Scope {
  const chosen = [options.gateway, options.clientIdIsGateway, options.anyGateway, options.service].filter(
    Boolean,
  );
  if (chosen.length !== 1) {
    throw new DockhookError(
      'usage',
      'say what the account acts for, with one of --gateway SN…, --client-id-is-gateway, --any-gateway, --service',
    );
  }
  if (!options.service && (options.publish || options.subscribe)) {
    throw new DockhookError(
      'usage',
      '--publish and --subscribe are for --service: a dock gets what a dock needs',
    );
  }
  if (options.service) {
    return {
      kind: 'service',
      publish: checkedFilters('--publish', options.publish ?? ['#']),
      subscribe: checkedFilters('--subscribe', options.subscribe ?? ['#']),
    };
  }
  if (options.clientIdIsGateway) return { kind: 'client-id' };
  if (options.anyGateway) return { kind: 'any-gateway' };
  const gateways = options.gateway ?? [];
  for (const sn of gateways) {
    if (!isSerialNumber(sn)) {
      throw new DockhookError(
        'usage',
        `--gateway ${sn}: a serial number has letters and digits only, at most 64; put spaces between several`,
      );
    }
  }
  return { kind: 'gateways', gateways };
}

function checkedFilters(flag: string, filters: string[]): string[] {
  for (const filter of filters) {
    const fault = filterFault(filter);
    if (fault) throw new DockhookError('usage', `${flag} ${filter}: the topic filter ${fault}`);
  }
  return filters;
}

/** An account without its hash. */
function publicAccount(account: Account): Record<string, unknown> {
  const { passwordHash: _hash, ...rest } = account;
  return { ...rest, disabled: account.disabled ?? false, passwordKind: passwordKind(account) };
}

function passwordKind(account: Account): string {
  return isFast(account.passwordHash) ? 'generated' : 'chosen';
}

function stateOf(account: Account): string {
  if (account.disabled) return 'disabled';
  return account.expiresAt !== undefined && Date.parse(account.expiresAt) <= Date.now()
    ? 'expired'
    : 'enabled';
}

function describeScope(scope: Scope): string {
  switch (scope.kind) {
    case 'gateways':
      return scope.gateways.join(' ');
    case 'client-id':
      return 'the gateway in its client id';
    case 'any-gateway':
      return 'any gateway';
    case 'service':
      return `service: publish ${scope.publish.join(' ')}, subscribe ${scope.subscribe.join(' ')}`;
  }
}
