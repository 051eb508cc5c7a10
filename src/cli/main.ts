#!/usr/bin/env node
/** The `dockhook` command: one file per command, all listed here. */
import { Command, CommanderError } from 'commander';
import { addAccountCommand } from './account.js';
import { addBindingCommand } from './binding.js';
import { addDevCommand } from './dev.js';
import { addLicenseCommand } from './license.js';
import { addOrganizationCommand } from './organization.js';
import { reportError } from './output.js';
import { addServeCommand } from './serve.js';
import { addSimulateCommand } from './simulate.js';
import { version } from './version.js';

const commands = [
  addServeCommand,
  addDevCommand,
  addAccountCommand,
  addOrganizationCommand,
  addLicenseCommand,
  addBindingCommand,
  addSimulateCommand,
];

const program = new Command('dockhook')
  .description('Lets DJI docks join your cloud through the MQTT broker you already run.')
  .version(version)
  .option('--json', 'print one JSON value on stdout, and errors as {"code","message"} on stderr')
  .option('--data-dir <directory>', 'folder of the embedded database (DOCKHOOK_DATA_DIR)')
  .showHelpAfterError('(add --help for the options)')
  .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict.')
  .exitOverride();
// Subcommands inherit what was set up above, so they come after it.
for (const add of commands) add(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed its own message; help and --version are no errors.
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else {
    process.exitCode = reportError(error, program.opts<{ json?: boolean }>().json ?? false);
  }
}
