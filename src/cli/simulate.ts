/** `dockhook simulate`: a simulated dock, or a fleet of them, against any broker. */
import type { Command } from 'commander';
import type { SimulatedControllerOptions } from '../simulator/simulated-dock.js';
import type { FleetDock } from '../simulator/simulated-fleet.js';
import type { Step } from '../simulator/step-report.js';
import { command as commandOf } from '../command.js';
import { DockhookError, hasCode, messageOf } from '../errors.js';
import { demandSerialNumber, readPassword } from './input.js';
import { addMqttFlags, mqttOptions, positive, type MqttFlags } from './mqtt-flags.js';
import { wantsJson } from './options.js';
import { print, printJson, terminal } from './output.js';
import { firstSignal } from './signals.js';

interface SimulateOptions extends MqttFlags {
  broker?: string;
  username?: string;
  passwordStdin?: boolean;
  gateway?: string;
  /** False with `--no-drone`. */
  drone?: string | false;
  model?: string;
  controller?: boolean;
  organization?: string;
  bindingCode?: string;
  clientId?: string;
  stay?: boolean;
  leaveAfter?: string;
  docks?: string;
  accounts?: string;
  atOnce: string;
}

/** The command binds the SNs that it is given, as a real dock would. */
export function addSimulateCommand(program: Command): void {
  const command = program
    .command('simulate')
    .description('walk the access sequence of a dock against a broker, and say where it fails')
    .option('--broker <url>', 'mqtt://host:1883 or mqtts://host:8883 (tcp:// and ssl:// also work); required')
    .option('--username <name>', 'MQTT account')
    .option('--password-stdin', 'read its password from standard input')
    .option('--gateway <sn>', 'SN of the dock')
    .option('--drone <sn>', 'SN of its drone')
    .option('--no-drone', 'a dock whose drone is away, as without --drone')
    .option('--model <key>', 'of the dock: 3-1-0 (Dock), 3-2-0 (Dock 2), 3-3-0 (Dock 3, the default), …')
    .option(
      '--controller',
      'a remote controller (default model: 2-174-0): it asks for nothing, and is not bound',
    )
    .option('--organization <id>', 'organization id, as typed into DJI Pilot 2; a dock needs it to be bound')
    .option(
      '--binding-code <code>',
      'device binding code, as typed into DJI Pilot 2; a dock needs it to be bound',
    )
    .option('--client-id <id>', 'MQTT client id (default: the SN of the dock)')
    .option('--stay', 'stay online, and send osd, until Ctrl-C')
    .option('--leave-after <step>', 'leave after a step: config leaves as a dock that refuses the license');
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
It binds the SNs it is given: dockhook binding remove SN undoes that. A remote controller is not bound. Of a fleet,
each dock stays online until all have come. An account for --docks must be one of --any-gateway or
--client-id-is-gateway.

Examples:
  printf '%s' "$PASSWORD" | dockhook simulate --broker mqtt://127.0.0.1:1883 --username dock-north \\
    --password-stdin --gateway 7CTDTEST00000A --drone 1581FTEST000000000B \\
    --organization north --binding-code abcde-fghjk
  printf '%s' "$PASSWORD" | dockhook simulate --broker mqtt://127.0.0.1:1883 --username rc-north \\
    --password-stdin --controller --gateway 9N9CNTEST00RC2 --drone 1581FTEST000000000B --stay
  printf '%s' "$PASSWORD" | dockhook simulate --broker mqtts://broker.example:8883 --ca ca.pem --mqtt 5 \\
    --username fleet --password-stdin --gateway SIMDOCK --docks 1000 --at-once 100 \\
    --organization north --binding-code abcde-fghjk`,
    )
    .action(simulate);
}

async function simulate(options: SimulateOptions, command: Command): Promise<void> {
  await checkOptions(options);
  const atOnce = positive('--at-once', options.atOnce);
  const how = { url: options.broker ?? '', model: options.model, ...(await mqttOptions(options)) };
  const json = wantsJson(command);
  if (!isFleet(options)) {
    await one(options, { ...how, ...(await gatewayOf(options)) }, json);
    return;
  }
  const { reportFleet } = await import('./simulate-fleet.js');
  await reportFleet(await fleetOf(options, { ...how, ...placeOf(options) }), { atOnce, json });
}

function isFleet({ docks, accounts }: SimulateOptions): boolean {
  return docks !== undefined || accounts !== undefined;
}

const NAMES_A_DOCK = ['docks', 'username', 'passwordStdin', 'gateway', 'drone', 'clientId'] as const;

/** Rejects with `usage` that lists all that is missing or cannot be used. */
async function checkOptions(options: SimulateOptions): Promise<void> {
  const { accounts, controller } = options;
  const faults: string[] = [];
  const missing = neededBy(options, await asksForOrganization(options))
    .filter(([name]) => options[name] === undefined)
    .map(([, flag]) => flag);
  if (missing.length > 0) faults.push(`missing: ${missing.join(' ')}`);
  if (accounts !== undefined && NAMES_A_DOCK.some((name) => options[name] !== undefined)) {
    faults.push('--accounts already names the docks: leave out --docks, --username, --gateway, …');
  }
  if (isFleet(options)) {
    if (options.clientId !== undefined) faults.push('--client-id is for one dock, not for a fleet');
    if (options.stay || options.leaveAfter !== undefined || controller) {
      faults.push('--stay, --leave-after and --controller are for one gateway, not for a fleet');
    }
  }
  if (controller && (options.organization ?? options.bindingCode) !== undefined) {
    faults.push('--controller is bound nowhere: leave out --organization and --binding-code');
  }
  faults.push(...(await wrongValues(options)));
  if (faults.length === 1) throw new DockhookError('usage', faults.join());
  if (faults.length > 1) throw new DockhookError('usage', `it cannot be done:\n  ${faults.join('\n  ')}`);
}

async function wrongValues(options: SimulateOptions): Promise<string[]> {
  const { broker, gateway, drone, model, controller, leaveAfter } = options;
  const { brokerUrl } = await import('../simulator/mqtt-connect.js');
  const { DOMAIN, domainOf, isModel } = await import('../simulator/models.js');
  const { LEAVE_AFTER } = await import('../simulator/simulated-dock.js');
  const faults: string[] = [];
  const attempt = (work: () => unknown): void => {
    try {
      work();
    } catch (error) {
      faults.push(messageOf(error));
    }
  };
  if (broker !== undefined) attempt(() => brokerUrl(broker));
  for (const [flag, sn] of [['--gateway', gateway] as const, ['--drone', drone] as const]) {
    if (typeof sn !== 'string') continue;
    attempt(() => {
      demandSerialNumber(flag, sn);
    });
  }
  const domain = controller ? DOMAIN.controller : DOMAIN.dock;
  if (model !== undefined && !(isModel(model) && domainOf(model) === domain)) {
    const example = controller ? '2-174-0' : '3-2-0';
    faults.push(`--model ${model}: write domain, type and sub type, such as ${example}`);
  }
  if (leaveAfter !== undefined && !LEAVE_AFTER.includes(leaveAfter)) {
    faults.push(`--leave-after ${leaveAfter}: the steps are ${LEAVE_AFTER.join(', ')}`);
  }
  return faults;
}

/** Whether it comes to the step that sends what a person typed into DJI Pilot 2. */
async function asksForOrganization({ controller, leaveAfter = '' }: SimulateOptions): Promise<boolean> {
  const { LEAVE_AFTER } = await import('../simulator/simulated-dock.js');
  const before = LEAVE_AFTER.slice(0, LEAVE_AFTER.indexOf('airport_organization_get'));
  return !controller && !before.includes(leaveAfter);
}

/** Options, and how they are written. */
function neededBy({ accounts }: SimulateOptions, asks: boolean): [keyof SimulateOptions, string][] {
  const place: [keyof SimulateOptions, string][] = [
    ['organization', '--organization ID'],
    ['bindingCode', '--binding-code CODE'],
  ];
  const who: [keyof SimulateOptions, string][] = [
    ['username', '--username NAME'],
    ['passwordStdin', '--password-stdin'],
    ['gateway', '--gateway SN'],
  ];
  return [['broker', '--broker URL'], ...(accounts === undefined ? who : []), ...(asks ? place : [])];
}

function placeOf({ organization = '', bindingCode = '' }: SimulateOptions) {
  return { organizationId: organization, bindingCode, checkOrganization: true };
}

/** The one that is named by options. */
async function gatewayOf({ username = '', gateway = '', drone, clientId }: SimulateOptions) {
  const given = { username, gateway, drone: drone || undefined, clientId };
  return { ...given, password: await readPassword() };
}

async function fleetOf(
  options: SimulateOptions,
  common: Omit<FleetDock, 'username' | 'password' | 'gateway'>,
): Promise<FleetDock[]> {
  if (options.accounts !== undefined) {
    const { readAccounts } = await import('./simulate-fleet.js');
    return (await readAccounts(options.accounts)).map((account) => ({ ...common, ...account }));
  }
  const count = positive('--docks', options.docks ?? '');
  const { numberedDocks } = await import('../simulator/simulated-fleet.js');
  return numberedDocks({ ...common, ...(await gatewayOf(options)) }, count);
}

async function one(
  options: SimulateOptions,
  gateway: Omit<SimulatedControllerOptions, 'onStep'>,
  json: boolean,
): Promise<void> {
  const { stay, controller, leaveAfter } = options;
  const signalled = stay ? firstSignal() : undefined;
  const { simulateController, simulateDock } = await import('../simulator/simulated-dock.js');
  const { formatStep } = await import('../simulator/step-report.js');
  const steps: Step[] = [];
  const onStep = (step: Step): void => {
    steps.push(step);
    if (!json) print(formatStep(step, terminal()));
  };
  const walk = { ...gateway, leaveAfter, onStep };
  const session = await (
    controller ? simulateController(walk) : simulateDock({ ...walk, ...placeOf(options) })
  ).catch((error: unknown) => {
    if (!hasCode(error, 'failed')) throw error;
    // The broker may be that of another machine, and its database, too.
    const look = commandOf('dock', 'show', gateway.gateway);
    throw new DockhookError('failed', `${error.message}\nwhat dockhook saw of it, on its machine: ${look}`, {
      cause: error,
    });
  });
  const [kind, online] = controller ? ['controller', 'is online'] : ['dock', 'is online and bound'];
  const state = session.left ? `has left after ${leaveAfter ?? ''}` : online;
  try {
    if (json) printJson({ gateway: gateway.gateway, steps });
    else print(`${kind} ${gateway.gateway} ${state}`);
    if (signalled && !session.left) {
      if (!json) print('It stays online, and sends osd, until Ctrl-C.');
      await session.stay(signalled);
    }
  } finally {
    await session.close();
  }
}
