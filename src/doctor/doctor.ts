/** `dockhook doctor`: which checks are made, in which order, and with what. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config, ConfigFault, SettingName } from '../config.js';
import { openEmqx } from '../emqx/api.js';
import { ownExhookUrl } from '../emqx/provider.js';
import type { Finding } from '../finding.js';
import { describeDatabase, openDatabase } from '../open-database.js';
import { openStores } from '../stores/stores.js';
import type { Account, Binding, Stores } from '../stores/types.js';
import { checkAccounts } from './accounts.js';
import { checkDatabase, noDatabase, unreachable, WITHOUT_TABLES } from './database.js';
import { checkEmqx } from './emqx/emqx.js';
import { checkLicense } from './license.js';
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
  /** The provider's name in EMQX, if it is another than the settings say. */
  provider?: string | undefined;
  /** Where to try it as a dock and as a stranger. */
  probe?: Omit<ProbeOptions, 'accounts' | 'signal'> | undefined;
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
  const { config, faults, mqttTlsCert, signal } = options;
  const isUnsure = (...names: SettingName[]): boolean =>
    faults.some(({ setting }) => setting !== undefined && names.includes(setting));
  yield { title: 'Settings', findings: checkSettings(config, faults) };
  const { findings, stores } = isUnsure('databaseUrl', 'dataDir', 'databaseSchema')
    ? { findings: [notChecked('the database', 'it is not known which one is meant')] }
    : await openChecked(config);
  try {
    yield { title: 'Database', findings };
    if (stores) yield* checkRecords(stores);
    const grpc = isUnsure('grpcListen') ? [] : await checked('the ExHook port', () => checkGrpc(config));
    const http = isUnsure('httpListen')
      ? []
      : await checked('the HTTP port', () => checkHttp(config.httpListen));
    yield { title: 'Server', findings: [...grpc, ...http] };
    const tls = await checked('TLS of the ExHook port', () => checkGrpcTls(config));
    const mqtt = mqttTlsCert === undefined ? [] : checkMqttCertificate(mqttTlsCert);
    yield { title: 'TLS', findings: [...tls, ...mqtt] };
    yield await checkConfiguredEmqx(options, stores);
    if (options.probe) {
      const probe = { ...options.probe, accounts: stores?.accounts, signal };
      yield { title: `Probe of ${probe.url}`, findings: await probeBroker(probe) };
    }
  } finally {
    await stores?.close();
  }
}

async function* checkRecords(stores: Stores): AsyncGenerator<CheckedPart> {
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
    findings: await checked('accounts', () => checkAccounts(stores.accounts)),
  };
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

const NO_EMQX =
  'EMQX was not checked: set DOCKHOOK_EMQX_URL, DOCKHOOK_EMQX_API_KEY_FILE and DOCKHOOK_EMQX_API_SECRET_FILE';

async function checkConfiguredEmqx(
  { config, provider }: DoctorOptions,
  stores: Stores | undefined,
): Promise<CheckedPart> {
  const title = 'EMQX';
  if (config.emqxUrl === undefined) return { title, findings: [], note: NO_EMQX };
  const findings = await checked(title, async () => {
    const api = await openEmqx(config);
    if (!api) return [];
    // Without the stores, no account is known.
    const accounts = (await stores?.accounts.list())?.records ?? [];
    const bindings = (await stores?.bindings.list())?.records ?? [];
    const { unknownAccounts, timeline, emqxListeners: opens, emqxProvider } = config;
    return checkEmqx(api, {
      ...{ accounts, docks: countDocks(accounts, bindings), unknownAccounts, timeline, opens },
      exhookUrl: ownExhookUrl(config),
      provider: provider ?? emqxProvider,
    });
  });
  return { title, findings };
}
