/** `dockhook simulate`: a simulated dock, or a fleet of them, against any broker. */
import type { Command } from 'commander';
import type { FleetDock } from '../simulator/simulated-fleet.js';
import type { Step } from '../simulator/step-report.js';
import { DockhookError } from '../errors.js';
import { demandSerialNumber, readPassword } from './input.js';
import { addMqttFlags, mqttOptions, positive, type MqttFlags } from './mqtt-flags.js';
import { wantsJson } from './options.js';
import { print, printJson, terminal } from './output.js';

interface SimulateOptions extends MqttFlags {
  broker: string;
  username?: string;
  passwordStdin?: boolean;
  gateway?: string;
  drone?: string;
  organization: string;
  bindingCode: string;
  clientId?: string;
  docks?: string;
  accounts?: string;
  atOnce: string;
}

/** The command binds the SNs that it is given, as a real dock would. */
export function addSimulateCommand(program: Command): void {
  const command = program
    .command('simulate')
    .description('walk the access sequence of a dock against a broker, and say where it fails')
    .requiredOption('--broker <url>', 'mqtt://host:1883 or mqtts://host:8883 (tcp:// and ssl:// also work)')
    .option('--username <name>', 'MQTT account')
    .option('--password-stdin', 'read its password from standard input')
    .option('--gateway <sn>', 'SN of the dock')
    .option('--drone <sn>', 'SN of its drone')
    .requiredOption('--organization <id>', 'organization id, as typed into DJI Pilot 2')
    .requiredOption('--binding-code <code>', 'device binding code, as typed into DJI Pilot 2')
    .option('--client-id <id>', 'MQTT client id (default: the SN of the dock)');
  addMqttFlags(command)
    .option('--docks <n>', 'a fleet of n docks; their SNs are the given ones, followed by 00001, 00002, …')
    .option(
      '--accounts <file>',
      'a fleet: one dock for each line of a CSV file with name, password and gateways (or SNs as names)',
    )
    .option('--at-once <n>', 'how many docks of a fleet connect at the same time', '50')
    .addHelpText(
      'after',
      `
It binds the SNs it is given: dockhook binding remove SN undoes that. Of a fleet, each dock stays online until all
have come. An account for --docks must be one of --any-gateway or --client-id-is-gateway.

Examples:
  printf '%s' "$PASSWORD" | dockhook simulate --broker mqtt://127.0.0.1:1883 --username dock-north \\
    --password-stdin --gateway 7CTDTEST00000A --drone 1581FTEST000000000B \\
    --organization north --binding-code abcde-fghjk
  printf '%s' "$PASSWORD" | dockhook simulate --broker mqtts://broker.example:8883 --ca ca.pem --mqtt 5 \\
    --username fleet --password-stdin --gateway SIMDOCK --docks 1000 --at-once 100 \\
    --organization north --binding-code abcde-fghjk`,
    )
    .action(simulate);
}

async function simulate(options: SimulateOptions, command: Command): Promise<void> {
  const atOnce = positive('--at-once', options.atOnce);
  const common = {
    url: options.broker,
    organizationId: options.organization,
    bindingCode: options.bindingCode,
    ...(await mqttOptions(options)),
    checkOrganization: true,
  };
  const docks = await docksOf(options, common);
  const [dock] = docks;
  const json = wantsJson(command);
  if (options.docks === undefined && options.accounts === undefined && dock) await one(dock, json);
  else {
    const { reportFleet } = await import('./simulate-fleet.js');
    await reportFleet(docks, { atOnce, json });
  }
}

/** Which docks connect: one, or a fleet. */
async function docksOf(
  options: SimulateOptions,
  common: Omit<FleetDock, 'username' | 'password' | 'gateway'>,
): Promise<FleetDock[]> {
  const { username, gateway, drone, clientId } = options;
  if (options.accounts !== undefined) {
    const given = ['docks', 'username', 'passwordStdin', 'gateway', 'drone', 'clientId'] as const;
    if (given.some((name) => options[name] !== undefined)) {
      throw new DockhookError(
        'usage',
        '--accounts already names the docks: leave out --docks, --username, --gateway, …',
      );
    }
    const { readAccounts } = await import('./simulate-fleet.js');
    return (await readAccounts(options.accounts)).map((account) => ({ ...common, ...account }));
  }
  if (username === undefined || gateway === undefined) {
    throw new DockhookError(
      'usage',
      'say which dock connects: --username NAME --password-stdin --gateway SN',
    );
  }
  if (!options.passwordStdin) {
    throw new DockhookError('usage', 'give the password on standard input with --password-stdin');
  }
  for (const [flag, sn] of [['--gateway', gateway] as const, ['--drone', drone] as const]) {
    if (sn !== undefined) demandSerialNumber(flag, sn);
  }
  const dock = {
    ...common,
    ...{ username, gateway, drone, clientId },
    password: await readPassword(),
  };
  if (options.docks === undefined) return [dock];
  if (clientId !== undefined)
    throw new DockhookError('usage', '--client-id is for one dock, not for --docks');
  const { numberedDocks } = await import('../simulator/simulated-fleet.js');
  return numberedDocks(dock, positive('--docks', options.docks));
}

async function one(dock: FleetDock, json: boolean): Promise<void> {
  const { simulateDock } = await import('../simulator/simulated-dock.js');
  const { formatStep } = await import('../simulator/step-report.js');
  const steps: Step[] = [];
  const session = await simulateDock({
    ...dock,
    onStep: (step) => {
      steps.push(step);
      if (!json) print(formatStep(step, terminal()));
    },
  });
  await session.close();
  if (json) printJson({ gateway: dock.gateway, steps });
  else print(`dock ${dock.gateway} is online and bound`);
}
