/** `dockhook doctor`: finds what an operator got wrong. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Config, SettingName } from '../config.js';
import type { Finding } from '../finding.js';
import { DockhookError } from '../errors.js';
import type { Stores } from '../stores/types.js';
import { demandSerialNumber, readPassword } from './input.js';
import { addMqttFlags, mqttOptions, type MqttFlags } from './mqtt-flags.js';
import { describeDatabase, openDatabase } from '../open-database.js';
import { addSettingFlags, inspectConfigOf, wantsJson } from './options.js';
import { print, printJson, style } from './output.js';
import { firstSignal } from './signals.js';

interface DoctorOptions extends MqttFlags {
  probe?: boolean;
  broker?: string;
  username?: string;
  passwordStdin?: boolean;
  gateway?: string;
  mqttTlsCert?: string;
  provider?: string;
}

/** Told of each group of findings as soon as it is there. */
type Report = (title: string, findings: Finding[]) => void;

export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .description('check everything that can be set up wrong, and say how to fix it')
    .option('--mqtt-tls-cert <file>', "certificate of the broker's TLS listener, to check it for docks")
    .option('--provider <name>', 'name of the provider in EMQX (default: dockhook)')
    .option('--probe', 'also try it: come to the broker as a dock and as a stranger')
    .option('--broker <url>', 'for --probe: mqtt://host:1883 or mqtts://host:8883')
    .option(
      '--username <name>',
      'for --probe: an account of a dock (default: one that is made, and removed after)',
    )
    .option('--password-stdin', 'for --probe: read its password from standard input')
    .option('--gateway <sn>', 'for --probe: an SN that the account may act for');
  addSettingFlags(addMqttFlags(command))
    .addHelpText(
      'after',
      `
Run it where dockhook serve runs, with the same settings. It changes nothing. To see that EMQX asks dockhook it
publishes one message under an SN that no device has, which dockhook drops. --probe adds two accounts that expire in
five minutes, and removes them at its end. Exit code 1 if anything is wrong; warnings do not count.

Examples:
  dockhook doctor
  dockhook doctor --probe --broker mqtt://127.0.0.1:1883
  dockhook doctor --probe --broker mqtts://broker.example:8883 --ca ca.pem --json`,
    )
    .action(doctor);
}

async function doctor(options: DoctorOptions, command: Command): Promise<void> {
  const probing = await probeOptions(options);
  // Before an account is made, for it must go whatever happens.
  const stop = new AbortController();
  void firstSignal().then((signal) => {
    stop.abort(new DockhookError('failed', `stopped by ${signal}`));
  });
  const json = wantsJson(command);
  const all: Finding[] = [];
  const report: Report = (title, findings) => {
    all.push(...findings);
    if (!json && findings.length > 0) printGroup(title, findings);
  };
  await examine(command, options, { probing, report, signal: stop.signal });
  stop.signal.throwIfAborted();
  if (json) printJson(all);
  else printSummary(all);
  if (all.some(({ level }) => level === 'error')) process.exitCode = 1;
}

type Probing = Awaited<ReturnType<typeof probeOptions>>;

async function examine(
  command: Command,
  options: DoctorOptions,
  { probing, report, signal }: { probing: Probing; report: Report; signal: AbortSignal },
): Promise<void> {
  const { checked, notChecked } = await import('../doctor/check.js');
  const { checkSettings } = await import('../doctor/settings.js');
  const { checkGrpcTls, checkMqttCertificate } = await import('../doctor/tls-files.js');
  const { checkGrpc, checkHttp } = await import('../doctor/ports.js');
  const { config, faults } = inspectConfigOf(command);
  report('Settings', checkSettings(config, faults));

  const isUnsure = (name: SettingName): boolean => faults.some(({ setting }) => setting === name);
  const database =
    isUnsure('databaseUrl') || isUnsure('dataDir')
      ? { findings: [notChecked('the database', 'it is not known which one is meant')] }
      : await examineDatabase(config);
  report('Database', database.findings);
  const { stores } = database;
  try {
    if (stores) {
      const { checkLicense } = await import('../doctor/license.js');
      const { checkOrganizations } = await import('../doctor/organizations.js');
      const { checkAccounts } = await import('../doctor/accounts.js');
      report('License', await checked('the license', () => checkLicense(stores.license)));
      report('Organizations', await checked('organizations', () => checkOrganizations(stores)));
      report('Accounts', await checked('accounts', () => checkAccounts(stores.accounts)));
    }
    report('Server', [
      ...(isUnsure('grpcListen') ? [] : await checked('the ExHook port', () => checkGrpc(config))),
      ...(isUnsure('httpListen') ? [] : await checked('the HTTP port', () => checkHttp(config.httpListen))),
    ]);
    report('TLS', [
      ...(await checked('TLS of the ExHook port', async () => checkGrpcTls(config))),
      ...(options.mqttTlsCert === undefined ? [] : checkMqttCertificate(options.mqttTlsCert)),
    ]);
    report('EMQX', await checked('EMQX', () => examineEmqx(config, stores, options.provider)));
    if (config.emqxUrl === undefined && !wantsJson(command)) print(NO_EMQX);
    if (probing) {
      const { examineBroker } = await import('../doctor/probe/examine-broker.js');
      report(
        `Probe of ${probing.url}`,
        await examineBroker({ ...probing, accounts: stores?.accounts, signal }),
      );
    }
  } finally {
    await stores?.close();
  }
}

const NO_EMQX =
  'EMQX is not looked at: set DOCKHOOK_EMQX_URL, DOCKHOOK_EMQX_API_KEY_FILE and DOCKHOOK_EMQX_API_SECRET_FILE\n';

/** Without the stores, no account is known. */
async function examineEmqx(
  config: Config,
  stores: Stores | undefined,
  provider: string | undefined,
): Promise<Finding[]> {
  const { checkEmqx } = await import('../doctor/emqx/emqx.js');
  const { openEmqx } = await import('../emqx/api.js');
  const { ownExhookUrl } = await import('../emqx/provider.js');
  const api = await openEmqx(config);
  if (!api) return [];
  const accounts = (await stores?.accounts.list())?.records ?? [];
  const { unknownAccounts, timeline, emqxListeners: opens } = config;
  const facts = { accounts, unknownAccounts, timeline, opens, exhookUrl: ownExhookUrl(config) };
  return checkEmqx(api, { ...facts, provider: provider ?? config.emqxProvider });
}

/** Opens the stores if they can be looked at. */
async function examineDatabase(config: Config): Promise<{ findings: Finding[]; stores?: Stores }> {
  const { checkDatabase, noDatabase, unreachable, WITHOUT_TABLES } = await import('../doctor/database.js');
  const where = await describeDatabase(config);
  // Opening it would make one.
  if (config.databaseUrl === undefined && !existsSync(join(config.dataDir, 'postgres'))) {
    return { findings: [noDatabase(config.dataDir)] };
  }
  try {
    const database = await openDatabase(config, { onProgress: () => undefined });
    const findings = await checkDatabase(database, where);
    if (!findings.some(({ code }) => WITHOUT_TABLES.has(code))) {
      const { openStores } = await import('../stores/stores.js');
      const stores = openStores(database);
      try {
        // All tables are there, so none is made; what they hold may still be for another version.
        await stores.ping();
        return { findings, stores };
      } catch (error) {
        findings.push(unreachable(where, error));
      }
    }
    await database.close();
    return { findings };
  } catch (error) {
    return { findings: [unreachable(where, error)] };
  }
}

async function probeOptions(options: DoctorOptions) {
  const { probe, broker, username, gateway, passwordStdin } = options;
  if (!probe) {
    if (broker === undefined && username === undefined && gateway === undefined && !passwordStdin)
      return undefined;
    throw new DockhookError('usage', '--broker, --username, --password-stdin and --gateway are for --probe');
  }
  if (broker === undefined)
    throw new DockhookError('usage', '--probe needs to know where: --broker mqtt://host:1883');
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

function printGroup(title: string, findings: readonly Finding[]): void {
  print(style('bold', title));
  for (const { level, what, why, fix = [] } of findings) {
    const [colour, sign] = SIGNS[level];
    print(`  ${style(colour, sign)} ${what}`);
    if (why !== undefined) print(`    ${style('dim', 'why')}  ${why}`);
    for (const step of fix) print(`    ${style('dim', 'fix')}  ${step}`);
  }
  print('');
}

function printSummary(findings: readonly Finding[]): void {
  const count = (level: Finding['level']): number =>
    findings.filter((finding) => finding.level === level).length;
  const [errors, warnings] = [count('error'), count('warning')];
  const text = `${errors} ${errors === 1 ? 'error' : 'errors'}, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}, ${count('ok')} fine`;
  print(style(['bold', errors > 0 ? 'red' : warnings > 0 ? 'yellow' : 'green'], text));
}
