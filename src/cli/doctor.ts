/** `dockhook doctor`: prints what the checks find. */
import type { Command } from 'commander';
import type { CheckedPart } from '../doctor/doctor.js';
import { DockhookError } from '../errors.js';
import type { Finding } from '../finding.js';
import { counted } from '../text.js';
import { demandSerialNumber, readPassword } from './input.js';
import { addMqttFlags, mqttOptions, type MqttFlags } from './mqtt-flags.js';
import { addSettingFlags, inspectConfigOf, wantsJson } from './options.js';
import { print, printJson, style, wrapped } from './output.js';
import { firstSignal } from './signals.js';

interface DoctorFlags extends MqttFlags {
  probe?: boolean;
  broker?: string;
  username?: string;
  passwordStdin?: boolean;
  gateway?: string;
  mqttTlsCert?: string;
  mosquittoConf?: string;
  provider?: string;
}

/** The exit code is 1 if a check finds an error; warnings do not count. */
export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .description('check everything that can be set up wrong, and say how to fix it')
    .option('--mqtt-tls-cert <file>', "certificate of the broker's TLS listener, to check it for docks")
    .option(
      '--mosquitto-conf <file>',
      'configuration of Mosquitto, to check it and the files that it includes',
    )
    .option('--provider <name>', 'name of the provider in EMQX (default: dockhook)')
    .option('--probe', 'also try it: connect to the broker as a dock and as a stranger')
    .option('--broker <url>', 'for --probe: mqtt://host:1883 or mqtts://host:8883')
    .option(
      '--username <name>',
      'for --probe: an account of a dock (default: the probe makes one, and removes it)',
    )
    .option('--password-stdin', 'for --probe: read its password from standard input')
    .option('--gateway <sn>', 'for --probe: an SN that the account may act as');
  addMqttFlags(command).optionsGroup('Settings, as dockhook serve has them (its --help explains them):');
  addSettingFlags(command, { isBrief: true })
    .addHelpText(
      'after',
      `
Run it where dockhook serve runs, with the same settings. It changes nothing. To see whether EMQX asks dockhook, it
publishes one message under an SN that no device has, and dockhook drops it. --probe adds two accounts that expire in
five minutes, and removes them when it ends. Exit code 1 if there are errors; warnings do not count.

Examples:
  dockhook doctor
  dockhook doctor --mosquitto-conf /etc/mosquitto/mosquitto.conf
  dockhook doctor --probe --broker mqtt://127.0.0.1:1883
  dockhook doctor --probe --broker mqtts://broker.example:8883 --ca ca.pem --json`,
    )
    .action(doctor);
}

async function doctor(options: DoctorFlags, command: Command): Promise<void> {
  const probe = await probeOptions(options);
  // Before the probe makes an account, which must be removed whatever happens.
  const stop = new AbortController();
  void firstSignal().then((signal) => {
    stop.abort(new DockhookError('failed', `stopped by ${signal}`));
  });
  const json = wantsJson(command);
  const { config, faults } = inspectConfigOf(command);
  const { checkAll } = await import('../doctor/doctor.js');
  const parts = checkAll({
    ...{ config, faults, probe, mqttTlsCert: options.mqttTlsCert, provider: options.provider },
    mosquittoConf: options.mosquittoConf,
    signal: stop.signal,
  });
  const all: Finding[] = [];
  for await (const part of parts) {
    all.push(...part.findings);
    if (!json) printPart(part);
  }
  stop.signal.throwIfAborted();
  if (json) printJson(all);
  else printSummary(all);
  if (all.some(({ level }) => level === 'error')) process.exitCode = 1;
}

async function probeOptions(options: DoctorFlags) {
  const { probe, broker, username, gateway, passwordStdin } = options;
  if (!probe) {
    if (broker === undefined && username === undefined && gateway === undefined && !passwordStdin)
      return undefined;
    throw new DockhookError('usage', '--broker, --username, --password-stdin and --gateway are for --probe');
  }
  if (broker === undefined)
    throw new DockhookError('usage', '--probe needs the address of the broker: --broker mqtt://host:1883');
  const { brokerUrl } = await import('../simulator/mqtt-connect.js');
  const { protocol, host } = brokerUrl(broker);
  const how = { url: `${protocol}//${host}`, ...(await mqttOptions(options)) };
  if (username === undefined && gateway === undefined && !passwordStdin) return how;
  if (username === undefined || gateway === undefined || !passwordStdin) {
    throw new DockhookError(
      'usage',
      '--username, --password-stdin and --gateway go together: give all or none',
    );
  }
  demandSerialNumber('--gateway', gateway);
  return { ...how, dock: { username, gateway, password: await readPassword() } };
}

const SIGNS = { ok: ['green', '✓'], warning: ['yellow', '!'], error: ['red', '✗'] } as const;

function printPart({ title, findings, note }: CheckedPart): void {
  if (findings.length > 0) {
    print(style('bold', title));
    findings.forEach(printFinding);
    print('');
  }
  if (note !== undefined) print(`${note}\n`);
}

function printFinding({ level, what, why, fix = [] }: Finding): void {
  const [colour, sign] = SIGNS[level];
  print(`  ${style(colour, sign)} ${hanging(what, 4)}`);
  if (why !== undefined) print(`    ${style('dim', 'why')}  ${hanging(why, 9)}`);
  // As it is: a command that is broken into lines cannot be pasted.
  for (const step of fix) print(`    ${style('dim', 'fix')}  ${step}`);
}

/** The text behind so many columns. */
function hanging(text: string, columns: number): string {
  const width = process.stdout.columns as number | undefined;
  return wrapped(text, width === undefined ? undefined : width - columns).replaceAll(
    '\n',
    `\n${' '.repeat(columns)}`,
  );
}

function printSummary(findings: readonly Finding[]): void {
  const [errors = 0, warnings = 0, fine = 0] = (['error', 'warning', 'ok'] as const).map(
    (level) => findings.filter((finding) => finding.level === level).length,
  );
  const text = `${counted(errors, 'error')}, ${counted(warnings, 'warning')}, ${fine} fine`;
  print(style(['bold', errors > 0 ? 'red' : warnings > 0 ? 'yellow' : 'green'], text));
}
