/** `dockhook simulate`: a simulated dock against any broker. */
import type { Command } from 'commander';
import { isSerialNumber } from '../dock/topics.js';
import type { Step } from '../embedded/simulated-dock.js';
import { DockhookError } from '../errors.js';
import { readPassword } from './input.js';
import { wantsJson } from './options.js';
import { print, printJson, terminal } from './output.js';

interface SimulateOptions {
  broker: string;
  username: string;
  passwordStdin?: boolean;
  gateway: string;
  drone?: string;
  organization: string;
  bindingCode: string;
  clientId?: string;
}

export function addSimulateCommand(program: Command): void {
  program
    .command('simulate')
    .description('walk the access sequence of a dock against a broker, and say where it fails')
    .requiredOption('--broker <url>', 'mqtt://host:1883 or mqtts://host:8883 (tcp:// and ssl:// will do)')
    .requiredOption('--username <name>', 'MQTT account')
    .option('--password-stdin', 'read its password from standard input')
    .requiredOption('--gateway <sn>', 'SN of the dock')
    .option('--drone <sn>', 'SN of its drone')
    .requiredOption('--organization <id>', 'organization id, as typed into DJI Pilot 2')
    .requiredOption('--binding-code <code>', 'device binding code, as typed into DJI Pilot 2')
    .option('--client-id <id>', 'MQTT client id (default: the SN of the dock)')
    .addHelpText(
      'after',
      '\nExample:\n' +
        '  printf \'%s\' "$PASSWORD" | dockhook simulate --broker mqtt://127.0.0.1:1883 --username dock-north \\\n' +
        '    --password-stdin --gateway 7CTDTEST00000A --drone 1581FTEST000000000B \\\n' +
        '    --organization north --binding-code abcde-fghjk',
    )
    .action(simulate);
}

async function simulate(options: SimulateOptions, command: Command): Promise<void> {
  if (!options.passwordStdin) {
    throw new DockhookError('usage', 'give the password on standard input with --password-stdin');
  }
  const password = await readPassword();
  for (const [flag, sn] of [['--gateway', options.gateway] as const, ['--drone', options.drone] as const]) {
    if (sn !== undefined && !isSerialNumber(sn)) {
      throw new DockhookError(
        'usage',
        `${flag} ${sn}: a serial number has letters and digits only, at most 64`,
      );
    }
  }
  const { formatStep, simulateDock } = await import('../embedded/simulated-dock.js');
  const json = wantsJson(command);
  const steps: Step[] = [];
  const session = await simulateDock({
    url: options.broker,
    username: options.username,
    password,
    gateway: options.gateway,
    organizationId: options.organization,
    bindingCode: options.bindingCode,
    ...(options.drone === undefined ? {} : { drone: options.drone }),
    ...(options.clientId === undefined ? {} : { clientId: options.clientId }),
    checkOrganization: true,
    onStep: (step) => {
      steps.push(step);
      if (!json) print(formatStep(step, terminal()));
    },
  });
  await session.close();
  if (json) printJson({ gateway: options.gateway, steps });
  else print(`dock ${options.gateway} is online and bound`);
}
