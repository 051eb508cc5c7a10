/** `dockhook doctor`: which checks are made, in which order, and with what. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config, ConfigFault, SettingName } from '../config.js';
import { openEmqx } from '../emqx/api.js';
import { ownExhookUrl } from '../emqx/provider.js';
import { serverSilence } from '../diagnosis/servers.js';
import type { Finding } from '../finding.js';
import { describeDatabase, openDatabase } from '../open-database.js';
import { openStores } from '../stores/stores.js';
import type { Account, Binding, HeardServers, Stores } from '../stores/types.js';
import { checkAccounts } from './accounts.js';
import { knownBrokers, unchecked, wordsFor, type KnownBrokers } from './brokers.js';
import { checkDatabase, noDatabase, unreachable, WITHOUT_TABLES } from './database.js';
import { checkEmqx } from './emqx/emqx.js';
import { checkLicense } from './license.js';
import { certificatesOf, checkMosquitto } from './mosquitto/mosquitto.js';
import { checked, notChecked } from './not-checked.js';
import { checkOrganizations } from './organizations.js';
import { checkGrpc, checkHttp } from './ports.js';
import { probeBroker, type ProbeOptions } from './probe/probe.js';
import { checkSettings } from './settings.js';
import { checkGrpcTls, checkMqttCertificate } from './tls-files.js';

interface DoctorOptions {
  config: Config;
  /** What is wrong with the settings; `config` has defaults in the place of these. */
  faults: readonly ConfigFault[];
  /** The certificate file of the broker's TLS listener. */
  mqttTlsCert?: string | undefined;
  /** The file with which Mosquitto is started. */
  mosquittoConf?: string | undefined;
  /** The provider's name in EMQX, if it is another than the settings say. */
  provider?: string | undefined;
  /** Where to try it as a dock and as a stranger. */
  probe?: Omit<ProbeOptions, 'accounts' | 'broker' | 'signal'> | undefined;
  /** Ends the probe; the checks reject then. */
  signal: AbortSignal;
}

/** What one part of the installation is found to be. */
export interface CheckedPart {
  title: string;
  findings: Finding[];
  /** To be told to people who read along. */
  note?: string;
}

/** Yields each part as soon as it was checked. Changes nothing, but for the accounts of a probe, which it removes. */
export async function* checkAll(options: DoctorOptions): AsyncGenerator<CheckedPart> {
  const { config, faults, mqttTlsCert, mosquittoConf, signal } = options;
  const isUnsure = (...names: SettingName[]): boolean =>
    faults.some(({ setting }) => setting !== undefined && names.includes(setting));
  yield { title: 'Settings', findings: checkSettings(config, faults) };
  const { findings, stores } = isUnsure('databaseUrl', 'dataDir', 'databaseSchema')
    ? { findings: [notChecked('the database', 'it is not known which one is meant')] }
    : await openChecked(config);
  try {
    yield { title: 'Database', findings };
    const heard = await stores?.servers.heard().catch(() => undefined);
    const brokers = knownBrokers(config, mosquittoConf, heard?.servers ?? []);
    if (stores) yield* checkRecords(stores, brokers);
    const grpc = isUnsure('grpcListen') ? [] : await checked('the ExHook port', () => checkGrpc(config));
    const http = isUnsure('httpListen')
      ? []
      : await checked('the HTTP port', () => checkHttp(config.httpListen));
    yield { title: 'Server', findings: [...grpc, ...http, ...(heard ? [checkHeard(heard)] : [])] };
    const tls = await checked('TLS of the ExHook port', () => checkGrpcTls(config));
    const mqtt = mqttTlsCert === undefined ? [] : checkMqttCertificate(mqttTlsCert);
    yield { title: 'TLS', findings: [...tls, ...mqtt] };
    yield { title: 'EMQX', findings: await checkConfiguredEmqx(options, stores) };
    const note = unchecked(brokers, config, mosquittoConf);
    yield {
      title: 'Mosquitto',
      findings: await checkMosquittoFile(options, stores),
      ...(note ? { note } : {}),
    };
    if (options.probe) {
      const probe = { ...options.probe, accounts: stores?.accounts, broker: wordsFor(brokers), signal };
      yield { title: `Probe of ${probe.url}`, findings: await probeBroker(probe) };
    }
  } finally {
    await stores?.close();
  }
}

async function* checkRecords(stores: Stores, brokers: KnownBrokers): AsyncGenerator<CheckedPart> {
  yield {
    title: 'License',
    findings: await checked('the license', () => checkLicense(stores.license)),
  };
  yield {
    title: 'Organizations',
    findings: await checked('organizations', () => checkOrganizations(stores)),
  };
  yield {
    title: 'Accounts',
    findings: await checked('accounts', () => checkAccounts(stores.accounts, brokers)),
  };
}

/** A server on another machine, too. */
function checkHeard(heard: HeardServers): Finding {
  const what = 'a dockhook server writes to this database';
  return serverSilence(heard) ?? { level: 'ok', code: 'server_heard', what };
}

/** Opens the stores if they can be looked at. */
async function openChecked(config: Config): Promise<{ findings: Finding[]; stores?: Stores }> {
  // Opening the embedded database would make it.
  if (config.databaseUrl === undefined && !existsSync(join(config.dataDir, 'postgres')))
    return { findings: [noDatabase(config.dataDir)] };
  const where = await describeDatabase(config);
  try {
    const database = await openDatabase(config, { onProgress: () => undefined });
    const findings = await checkDatabase(database, where, config.databaseSchema);
    if (!findings.some(({ code }) => WITHOUT_TABLES.has(code))) {
      const stores = openStores(database, { schema: config.databaseSchema });
      try {
        // The tables are up to date, so none is changed; but a newer dockhook may have made them.
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

function countDocks(accounts: readonly Account[], bindings: readonly Binding[]): number {
  const listed = accounts.flatMap(({ scope }) => (scope.kind === 'gateways' ? scope.gateways : []));
  return new Set([...listed, ...bindings.map(({ gateway }) => gateway)]).size;
}

async function checkConfiguredEmqx(
  { config, provider }: DoctorOptions,
  stores: Stores | undefined,
): Promise<Finding[]> {
  return checked('EMQX', async () => {
    const api = await openEmqx(config);
    if (!api) return [];
    const { accounts, docks } = await knownDocks(stores);
    const { unknownAccounts, timeline, answerForBackend, emqxListeners: opens, emqxProvider } = config;
    return checkEmqx(api, {
      ...{ accounts, docks, unknownAccounts, timeline, answerForBackend, opens },
      exhookUrl: ownExhookUrl(config),
      provider: provider ?? emqxProvider,
    });
  });
}

async function checkMosquittoFile(
  { config, mosquittoConf, mqttTlsCert }: DoctorOptions,
  stores: Stores | undefined,
): Promise<Finding[]> {
  if (mosquittoConf === undefined) return [];
  return checked('Mosquitto', async () => {
    const certificates = certificatesOf(mosquittoConf).filter((path) => path !== mqttTlsCert);
    return [
      ...checkMosquitto(mosquittoConf, { ...config, ...(await knownDocks(stores)) }),
      ...certificates.flatMap(checkMqttCertificate),
    ];
  });
}

/** Without the stores, none is known. */
async function knownDocks(stores: Stores | undefined): Promise<{ accounts: Account[]; docks: number }> {
  const accounts = (await stores?.accounts.list())?.records ?? [];
  const bindings = (await stores?.bindings.list())?.records ?? [];
  return { accounts, docks: countDocks(accounts, bindings) };
}
