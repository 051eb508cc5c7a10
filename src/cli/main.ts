#!/usr/bin/env node
/** The `dockhook` command: one file per command, all listed here. */
import { Command, CommanderError } from 'commander';
import { DockhookError } from '../errors.js';
import { addAccountCommand } from './account.js';
import { addBindingCommand } from './binding.js';
import { addDevCommand } from './dev.js';
import { addDockCommand } from './dock.js';
import { addDoctorCommand } from './doctor.js';
import { addEmqxCommand } from './emqx.js';
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
  addDockCommand,
  addEmqxCommand,
  addDoctorCommand,
  addSimulateCommand,
];

const json = process.argv.includes('--json');

/** Options that take any number of values. */
const MANY = new Set(['--gateway', '--publish', '--subscribe']);

const program = new Command('dockhook')
  .description('Lets DJI docks join your cloud through the MQTT broker you already run.')
  .version(version)
  .option('--json', 'print one JSON value on stdout, and errors as {"code","message"} on stderr')
  .option('--data-dir <directory>', 'folder of the embedded database (DOCKHOOK_DATA_DIR)')
  .configureOutput({ outputError: () => undefined, ...(json ? { writeErr: () => undefined } : {}) })
  .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict.')
  .exitOverride();
// Subcommands inherit what was set up above, so they come after it.
for (const add of commands) add(program);

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // If the reader has left (`dockhook … | head`): finish in silence. What stays up stops.
  if (error.code !== 'EPIPE') {
    const text = `standard output cannot be written: ${error.message}`;
    process.exitCode = reportError(new DockhookError('failed', text), json);
  }
  if (process.listenerCount('SIGINT') > 0) process.kill(process.pid, 'SIGINT');
});

try {
  await program.parseAsync();
} catch (error) {
  // Commander throws for --help and --version too, with exit code 0.
  if (!(error instanceof CommanderError && error.exitCode === 0)) {
    process.exitCode = reportError(asUsage(error), json);
  }
}

/** Commander's own errors in our words. */
function asUsage(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  const swallowed = error.code === 'commander.missingArgument' && process.argv.some((word) => MANY.has(word));
  const hint = swallowed ? `; write it before ${[...MANY].join(', ')}, which take all words that follow` : '';
  const message = error.message.replace(/^error: /, '').replace(/^\(outputHelp\)$/, 'say which command');
  return new DockhookError('usage', `${message}${hint} (--help shows the options)`);
}
