/** `dockhook account …`: the MQTT usernames and passwords of docks and backends. */
import type { Command } from 'commander';
import { COLUMNS } from '../../accounts/csv-columns.js';
import { addScopeOptions } from './scope-options.js';
import { addExamples, lazily } from '../options.js';

export function addAccountCommand(program: Command): void {
  const account = program.command('account').description('MQTT accounts of docks and backends');
  addAddCommand(account);
  addSetCommand(account);
  addExamples(
    account
      .command('list')
      .description('list accounts')
      .action(lazily(async () => (await import('./show.js')).listAccounts)),
    'dockhook account list',
  );
  addExamples(
    account
      .command('show <name>')
      .description('show one account')
      .action(lazily(async () => (await import('./show.js')).showAccount)),
    'dockhook account show dock-north',
  );
  addExamples(
    account
      .command('enable <name>')
      .description('let an account connect again')
      .action(lazily(async () => (await import('./set.js')).enableAccount)),
    'dockhook account enable dock-north',
  );
  addExamples(
    account
      .command('disable <name>')
      .description('lock an account out, from its next connect on')
      .action(lazily(async () => (await import('./set.js')).disableAccount)),
    'dockhook account disable dock-north',
  );
  addExamples(
    account
      .command('remove <name>')
      .description('delete an account')
      .action(lazily(async () => (await import('./set.js')).removeAccount)),
    'dockhook account remove dock-north',
  );
  addImportCommand(account);
  addExportCommand(account);
  const hash = account
    .command('hash')
    .description('make a password hash, for an account that is written by SQL')
    .action(lazily(async () => (await import('./add.js')).printHash));
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
    .action(lazily(async () => (await import('./add.js')).addAccount));
  addPasswordOptions(
    addScopeOptions(add)
      .option(
        '--organization <id>',
        'where its remote controllers belong, and other gateways that are bound nowhere: they may carry the drones of it',
      )
      .option('--cert-cn <cn>', 'also require a TLS client certificate with this common name')
      .option('--expires <when>', 'stop working after 30m, 12h, 90d, or at a date'),
  ).option('--note <text>', 'a note for other operators');
  addExamples(
    add,
    'dockhook account add dock-north --gateway 7CTDTEST00000A --generate',
    'dockhook account add rc-north --gateway 9N9CNTEST00RC2 --organization north --generate',
    'printf \'%s\' "$PASSWORD" | dockhook account add fleet --client-id-is-gateway --password-stdin',
    "dockhook account add backend --service --subscribe 'thing/product/#' 'sys/product/#' --generate",
    'dockhook account add worker --service --client-id worker-1 worker-2 --generate',
  );
}

function addSetCommand(account: Command): void {
  const set = account
    .command('set <name>')
    .description('change an account: only what is named here changes')
    .action(lazily(async () => (await import('./set.js')).setAccount));
  addPasswordOptions(
    addScopeOptions(set)
      .option(
        '--organization <id>',
        'where its remote controllers belong, and other gateways that are bound nowhere',
      )
      .option('--no-organization', 'its gateways belong where they are bound, and else nowhere')
      .option('--cert-cn <cn>', 'also require a TLS client certificate with this common name')
      .option('--no-cert-cn', 'no longer require a certificate')
      .option('--expires <when>', 'stop working after 30m, 12h, 90d, or at a date')
      .option('--never-expires', 'never stop working'),
  ).option('--note <text>', "a note for other operators; '' removes it");
  addExamples(
    set,
    'dockhook account set dock-north --generate',
    'dockhook account set dock-north --gateway 7CTDTEST00000A 7CTDTEST00000B',
    'dockhook account set contractor --expires 30d',
    'dockhook account set dock-north --never-expires --no-cert-cn',
  );
}

function addImportCommand(account: Command): void {
  const columns = Object.entries(COLUMNS).map(([name, meaning]) => `  ${name.padEnd(15)} ${meaning}`);
  const imported = account
    .command('import <file>')
    .description('create accounts from a CSV file, or from standard input with -: all of them or none')
    .option('--dry-run', 'check everything, also against the database, and change nothing')
    .option('--continue', 'leave out lines that cannot be imported, and import the others')
    .option(
      '--password-hash-algorithm <name>',
      'how EMQX made the hashes: bcrypt, pbkdf2, sha, sha256, sha512, …',
    )
    .option('--salt-position <where>', 'where EMQX put the salt: prefix, suffix or disable', 'prefix')
    .option('--mac-fun <name>', 'mac_fun of EMQX, for pbkdf2', 'sha256')
    .option('--iterations <count>', 'iterations of EMQX, for pbkdf2', '4096')
    .addHelpText(
      'after',
      `\nThe first line names the columns, in any order; all but name may be left out:\n${columns.join('\n')}\n\n` +
        'Commas separate them, or semicolons or tabs if there is no comma in the first line.\n\n' +
        'Generated passwords are printed once, as CSV (name,password), on standard output; all else goes to standard\n' +
        'error. Exit codes: 0 all imported, 2 a line is wrong, 4 the only fault is that names exist already;\n' +
        'with --continue, 1 if lines were left out. Accounts that exist are never changed.\n\n' +
        'The file is read to its end, and its passwords hashed, before the database is asked for anything. With\n' +
        'the embedded database, a running server lets no dock in while the accounts are added and the passwords\n' +
        'printed: some seconds for 100,000. If that takes longer than half a minute, the import is\n' +
        'undone: stop the server while you import, or import in parts.',
    )
    .action(lazily(async () => (await import('./import.js')).importAccounts));
  addExamples(
    imported,
    'dockhook account import fleet.csv --dry-run',
    '(umask 077; dockhook account import fleet.csv > passwords.csv)',
    'dockhook account import emqx.csv --password-hash-algorithm sha256 --salt-position suffix',
  );
}

function addExportCommand(account: Command): void {
  const exported = account
    .command('export')
    .description(
      'print all accounts as CSV for account import; without hashes, an import makes new passwords',
    )
    .option('--with-hashes', 'with the password hashes, for a backup: keep it as secret as the database')
    .addHelpText(
      'after',
      '\nThe file is for account import. A spreadsheet would read cells that begin with = + - @ as formulas.',
    )
    .action(lazily(async () => (await import('./export.js')).exportAccounts));
  addExamples(
    exported,
    'dockhook account export > fleet.csv',
    '(umask 077; dockhook account export --with-hashes > backup.csv)',
  );
}

function addPasswordOptions(command: Command): Command {
  return command
    .option('--password-stdin', 'read the password from standard input')
    .option('--generate', 'make a password and print it once');
}
