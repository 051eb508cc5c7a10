/** The program that `dockhook` is: every command and option. It runs nothing, so that tests can ask it, too. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addAccountCommand } from './account/account.js';
import { addBindingCommand } from './binding.js';
import { addDevCommand } from './dev.js';
import { addDockCommand } from './dock/dock.js';
import { addDoctorCommand } from './doctor.js';
import { addEmqxCommand } from './emqx/emqx.js';
import { addLicenseCommand } from './license.js';
import { addOrganizationCommand } from './organization.js';
import { addServeCommand } from './serve.js';
import { printHelp } from './output.js';
import { addSimulateCommand } from './simulate.js';

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

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** @param json whether usage errors are printed as JSON, and so not by commander */
export function createProgram({ json }: { json: boolean }): Command {
  const program = new Command('dockhook')
    .description('Lets DJI docks join your cloud through the MQTT broker you already run.')
    .version(version)
    .option('--json', 'print one JSON value on stdout, and errors as {"code","message"} on stderr')
    .option('--data-dir <directory>', 'folder of the embedded database (DOCKHOOK_DATA_DIR)')
    .configureOutput({
      writeOut: printHelp,
      outputError: () => undefined,
      ...(json ? { writeErr: () => undefined } : {}),
    })
    .configureHelp({ showGlobalOptions: true, minWidthToWrap: 20 })
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 conflict.')
    .exitOverride();
  // Subcommands inherit what was set up above, so they come after it.
  for (const add of commands) add(program);
  return program;
}
