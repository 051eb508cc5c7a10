/**
 * Every setting of dockhook in one table: the command line, the environment and docs/reference.md all follow
 * from it. Reading reports all faults at once.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { parseAnswerForBackend } from './answer-for-backend.js';
import { DockhookError, messageOf } from './errors.js';
import { formatListen, isLoopback, parseListen } from './listen.js';

interface Setting<T> {
  environment: string;
  /** Without one, the setting is only read from the environment: secrets do not belong in process arguments. */
  flag?: string;
  /** Names that go on working: only one of old and new may be set. */
  formerly?: { environment: string; flag: string };
  /** What the value is, for the help of the flag: `host:port`. */
  value?: string;
  /** The commands that take the flag; without, those of {@link TAKERS}. */
  takenBy?: readonly string[];
  description: string;
  /** As a person would write it; '' is "not set". */
  default: string;
  /** Throws an error that says what is wrong with the text. */
  parse: (text: string) => T;
}

/** Commands that start a server, or check one. */
const TAKERS = ['serve', 'dev', 'doctor'];
/** Commands that ask EMQX. */
const EMQX_TAKERS = [...TAKERS, 'emqx register', 'emqx open', 'emqx status'];

const setting = <T>(definition: Setting<T>): Setting<T> => definition;

const settings = {
  databaseUrl: setting({
    environment: 'DATABASE_URL',
    description:
      'PostgreSQL to keep everything in, as `postgres://user:password@host:5432/database`. ' +
      'Without it and `DATABASE_URL_FILE`, or with `--data-dir`, the embedded database is used.',
    default: '',
    parse: optional(text),
  }),
  databaseUrlFile: setting({
    environment: 'DATABASE_URL_FILE',
    description: 'File that holds `DATABASE_URL`. dockhook reads it again when it changes.',
    default: '',
    parse: optional(text),
  }),
  databaseSchema: setting({
    environment: 'DOCKHOOK_DATABASE_SCHEMA',
    description:
      'Schema of the tables in the database. It is created if the role of `DATABASE_URL` may do that. All commands need ' +
      'the same one.',
    default: 'public',
    parse: schemaName,
  }),
  databaseConnections: setting({
    environment: 'DOCKHOOK_DATABASE_CONNECTIONS',
    flag: 'database-connections',
    value: 'n',
    description:
      'The most connections to PostgreSQL that `dockhook serve` opens, at least 2: one hears of changes, the ' +
      'others read and write. Every other command opens 2.',
    default: '11',
    parse: wholeNumber(2, 1000),
  }),
  dataDir: setting({
    environment: 'DOCKHOOK_DATA_DIR',
    flag: 'data-dir',
    value: 'directory',
    description: 'Folder of the embedded database. The variable is ignored if `DATABASE_URL` is set.',
    default: './.dockhook',
    parse: notEmpty,
  }),
  grpcListen: setting({
    environment: 'DOCKHOOK_GRPC_LISTEN',
    flag: 'grpc-listen',
    value: 'host:port',
    description:
      'Where the broker reaches ExHook. Anybody who reaches this port can read the license and bind any device.',
    default: '127.0.0.1:9000',
    parse: parseListen,
  }),
  grpcTlsCert: setting({
    environment: 'DOCKHOOK_GRPC_TLS_CERT',
    flag: 'grpc-tls-cert',
    value: 'file',
    description: 'Certificate chain (PEM file) of the ExHook port.',
    default: '',
    parse: optional(readablePath),
  }),
  grpcTlsKey: setting({
    environment: 'DOCKHOOK_GRPC_TLS_KEY',
    flag: 'grpc-tls-key',
    value: 'file',
    description: 'Private key (PEM file) that goes with the certificate.',
    default: '',
    parse: optional(readablePath),
  }),
  grpcTlsClientCa: setting({
    environment: 'DOCKHOOK_GRPC_TLS_CLIENT_CA',
    flag: 'grpc-tls-client-ca',
    value: 'file',
    description: 'CA (PEM file) that must have signed the certificate of the broker.',
    default: '',
    parse: optional(readablePath),
  }),
  grpcInsecure: setting({
    environment: 'DOCKHOOK_GRPC_INSECURE',
    flag: 'grpc-insecure',
    value: 'yes|no',
    description:
      '`yes` allows the ExHook port beyond loopback without a client CA: only in a network you trust.',
    default: 'no',
    parse: yesOrNo,
  }),
  httpListen: setting({
    environment: 'DOCKHOOK_HTTP_LISTEN',
    flag: 'http-listen',
    value: 'host:port',
    description: 'Where `/healthz`, `/readyz` and `/metrics` are served.',
    default: '127.0.0.1:9464',
    parse: parseListen,
  }),
  mqttListen: setting({
    environment: 'DOCKHOOK_MQTT_LISTEN',
    flag: 'mqtt-listen',
    value: 'host:port',
    takenBy: ['dev'],
    description: 'Where the embedded MQTT broker of `dockhook dev` listens.',
    default: '127.0.0.1:1883',
    parse: parseListen,
  }),
  unknownAccounts: setting({
    environment: 'DOCKHOOK_UNKNOWN_ACCOUNTS',
    flag: 'unknown-accounts',
    value: 'deny|ignore',
    description:
      '`deny`, or `ignore` to leave accounts that dockhook does not know to the other authenticators and rules ' +
      'of the broker. **EMQX 5.9 and later lets such a client in if it has no authenticator of its own.**',
    default: 'deny',
    parse: oneOf('deny', 'ignore'),
  }),
  answerForBackend: setting({
    environment: 'DOCKHOOK_ANSWER_FOR_BACKEND',
    flag: 'answer-for-backend',
    formerly: { environment: 'DOCKHOOK_EMPTY_REPLIES', flag: 'empty-replies' },
    value: 'names',
    description:
      'What to answer where no backend does, separated by commas: `update_topo`, without which a drone is not reported; ' +
      '`events` that ask for a reply; `offline_map_get` and `flight_areas_get`, for which each take-off else waits 40 s; or ' +
      'another method of `requests`, which gets `{"result":0}`. **Nobody else sees what is answered**: the reply takes ' +
      'the place of the message. With EMQX, a change of `update_topo` or `events` needs `dockhook emqx register`. It was ' +
      'called `DOCKHOOK_EMPTY_REPLIES` before, which still works.',
    default: '',
    parse: parseAnswerForBackend,
  }),
  timeline: setting({
    environment: 'DOCKHOOK_TIMELINE',
    flag: 'timeline',
    value: 'on|off',
    description:
      '`off` keeps no access timeline for `dockhook dock`, and asks the broker not to report connected and ' +
      'disconnected clients, nor the status of docks.',
    default: 'on',
    parse: (value) => oneOf('on', 'off')(value) === 'on',
  }),
  emqxUrl: setting({
    environment: 'DOCKHOOK_EMQX_URL',
    flag: 'emqx',
    value: 'url',
    takenBy: EMQX_TAKERS,
    description:
      "EMQX's REST API, as `http://host:18083`. `dockhook emqx` and `dockhook doctor` need it. With it, `serve` opens " +
      'listeners, and a disabled account is disconnected at once.',
    default: '',
    parse: optional(webAddress),
  }),
  emqxApiKeyFile: setting({
    environment: 'DOCKHOOK_EMQX_API_KEY_FILE',
    flag: 'emqx-api-key-file',
    value: 'file',
    takenBy: EMQX_TAKERS,
    description: 'File that holds an API key of EMQX.',
    default: '',
    parse: optional(readablePath),
  }),
  emqxApiSecretFile: setting({
    environment: 'DOCKHOOK_EMQX_API_SECRET_FILE',
    flag: 'emqx-api-secret-file',
    value: 'file',
    takenBy: EMQX_TAKERS,
    description: 'File that holds the secret of that key.',
    default: '',
    parse: optional(readablePath),
  }),
  emqxListeners: setting({
    environment: 'DOCKHOOK_EMQX_LISTENERS',
    flag: 'emqx-listeners',
    value: 'ids',
    takenBy: [...TAKERS, 'emqx open', 'emqx status'],
    description:
      'Listeners of EMQX that `serve` opens once every node asks dockhook, and keeps open, as ' +
      '`tcp:default,ssl:default`. Name those that `dockhook emqx config` closes up to EMQX 5.8. dockhook touches no other.',
    default: '',
    parse: listenerIds,
  }),
  emqxProvider: setting({
    environment: 'DOCKHOOK_EMQX_PROVIDER',
    description: 'The name of dockhook in EMQX, if you gave it another one (`--name`).',
    default: 'dockhook',
    parse: notEmpty,
  }),
  logLevel: setting({
    environment: 'DOCKHOOK_LOG_LEVEL',
    flag: 'log-level',
    value: 'level',
    description: '`debug`, `info`, `warn` or `error`.',
    default: 'info',
    parse: oneOf('debug', 'info', 'warn', 'error'),
  }),
};

/** The name in code, such as `grpcListen` for `DOCKHOOK_GRPC_LISTEN`. */
export type SettingName = keyof typeof settings;
/** Every setting, read and checked. What is not set has its default, or is undefined. */
export type Config = { [Name in SettingName]: ReturnType<(typeof settings)[Name]['parse']> };

/** The table, for the command line and docs/reference.md. */
export const settingList: readonly (Setting<unknown> & {
  name: SettingName;
  takenBy: readonly string[];
})[] = Object.entries(settings).map(([name, definition]) => ({
  name: name as SettingName,
  ...definition,
  takenBy: (definition as Setting<unknown>).takenBy ?? TAKERS,
}));

/**
 * Reads the settings; a flag goes before the environment, the environment before the default. An empty environment
 * variable counts as none.
 * @throws DockhookError `usage` that lists every fault
 */
export function readConfig(
  environment: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Partial<Record<SettingName, string>>> = {},
): Config {
  const { config, faults } = inspectConfig(environment, flags);
  if (faults.length > 0) {
    throw new DockhookError(
      'usage',
      `these settings cannot be used:\n${faults.map(({ text }) => `  ${text}`).join('\n')}`,
    );
  }
  return config;
}

/** Why the settings cannot be used. */
export interface ConfigFault {
  /** Absent if each setting is valid by itself, but they do not go together. */
  setting?: SettingName;
  text: string;
}

/** As {@link readConfig}, but returns the faults: a setting that cannot be used has its default. */
export function inspectConfig(
  environment: Readonly<Record<string, string | undefined>>,
  flags: Readonly<Partial<Record<SettingName, string>>> = {},
): { config: Config; faults: ConfigFault[] } {
  const faults: ConfigFault[] = [];
  const values: Record<string, unknown> = {};
  const complete = withUrlFromFile(environment, faults);
  for (const setting of settingList) {
    const { name, flag, default: fallback, parse } = setting;
    const variable = variableOf(setting, complete, faults);
    const fromFlag = flag === undefined ? undefined : flags[name];
    const where = fromFlag === undefined ? variable : `--${flag ?? ''}`;
    try {
      values[name] = parse(fromFlag ?? (complete[variable] || fallback));
    } catch (error) {
      faults.push({ setting: name, text: `${where}: ${messageOf(error)}` });
      values[name] = parse(fallback);
    }
  }
  const config = values as Config;
  if (faults.length === 0) faults.push(...contradictions(config).map((fault) => ({ text: fault })));
  return { config, faults };
}

/** The variable that has the setting: the one of before, if that is set. */
function variableOf(
  { name, environment: variable, formerly }: (typeof settingList)[number],
  environment: Readonly<Record<string, string | undefined>>,
  faults: ConfigFault[],
): string {
  if (formerly === undefined || !environment[formerly.environment]) return variable;
  if (!environment[variable]) return formerly.environment;
  const text = `${variable} and ${formerly.environment}, its name before, are both set: keep ${variable}`;
  faults.push({ setting: name, text });
  return variable;
}

function contradictions(config: Config): string[] {
  const faults: string[] = [];
  if (config.emqxListeners.length > 0 && config.emqxUrl === undefined) {
    faults.push(
      'DOCKHOOK_EMQX_LISTENERS needs DOCKHOOK_EMQX_URL, DOCKHOOK_EMQX_API_KEY_FILE and DOCKHOOK_EMQX_API_SECRET_FILE: ' +
        'listeners are opened over the REST API of EMQX',
    );
  }
  // Key and secret alone are all right: the address may be named where it is needed, with --emqx.
  const keyFiles = [config.emqxApiKeyFile, config.emqxApiSecretFile];
  if (keyFiles.includes(undefined) && [config.emqxUrl, ...keyFiles].some((value) => value !== undefined)) {
    faults.push(
      'DOCKHOOK_EMQX_API_KEY_FILE and DOCKHOOK_EMQX_API_SECRET_FILE go together, and DOCKHOOK_EMQX_URL needs both',
    );
  }
  if ((config.grpcTlsCert === undefined) !== (config.grpcTlsKey === undefined)) {
    faults.push('DOCKHOOK_GRPC_TLS_CERT and DOCKHOOK_GRPC_TLS_KEY go together: set both or neither');
  }
  if (config.grpcTlsClientCa !== undefined && config.grpcTlsCert === undefined) {
    faults.push('DOCKHOOK_GRPC_TLS_CLIENT_CA needs DOCKHOOK_GRPC_TLS_CERT and DOCKHOOK_GRPC_TLS_KEY');
  }
  if (!isLoopback(config.grpcListen.host) && config.grpcTlsClientCa === undefined && !config.grpcInsecure) {
    faults.push(
      `DOCKHOOK_GRPC_LISTEN: ${formatListen(config.grpcListen)} can be reached from other machines, and anybody who reaches ` +
        'it can read the license and bind any device. Set DOCKHOOK_GRPC_TLS_CLIENT_CA (with certificate and key) so ' +
        'that only your broker can connect, or DOCKHOOK_GRPC_INSECURE=yes if the network itself is trusted',
    );
  }
  return faults;
}

function withUrlFromFile(
  environment: Readonly<Record<string, string | undefined>>,
  faults: ConfigFault[],
): Readonly<Record<string, string | undefined>> {
  const path = environment['DATABASE_URL_FILE'];
  if (!path) return environment;
  const fault = (what: string): void => {
    faults.push({ setting: 'databaseUrl', text: what });
  };
  if (environment['DATABASE_URL']) {
    fault('DATABASE_URL and DATABASE_URL_FILE are both set: keep one');
    return environment;
  }
  try {
    const url = whatFails('cannot read the file', () => readFileSync(path, 'utf8')).trim();
    if (url === '') fault(`DATABASE_URL_FILE: ${path} is empty`);
    return { ...environment, DATABASE_URL: url };
  } catch (error) {
    fault(`DATABASE_URL_FILE: ${messageOf(error)}`);
    return environment;
  }
}

function text(value: string): string {
  return value;
}

function notEmpty(value: string): string {
  if (value === '') throw new Error('it is empty');
  return value;
}

function optional<T>(parse: (text: string) => T): (text: string) => T | undefined {
  return (value) => (value === '' ? undefined : parse(value));
}

function oneOf<const T extends string>(...choices: T[]): (text: string) => T {
  return (value) => {
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw new Error(`"${value}" is not one of ${choices.join(', ')}`);
    return choice;
  };
}

/** EMQX's ids, as its REST API has them. */
function listenerIds(value: string): string[] {
  const ids = value.split(',').map((id) => id.trim());
  if (value.trim() === '') return [];
  const wrong = ids.find((id) => !/^(tcp|ssl|ws|wss|quic):[A-Za-z0-9_-]+$/.test(id));
  if (wrong !== undefined) throw new Error(`"${wrong}" is not the id of a listener, such as tcp:default`);
  return [...new Set(ids)];
}

/** A name that can stand in SQL between quotes of either kind, and is the same there after PostgreSQL has cut it. */
function schemaName(value: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/.test(value)) {
    throw new Error(
      `"${value}" is not a name of at most 63 letters of ASCII, digits, "_" and "-" that begins with a letter or "_"`,
    );
  }
  if (/^pg_|^information_schema$/.test(value)) throw new Error(`"${value}" belongs to PostgreSQL itself`);
  return value;
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < least || number > most) {
      throw new Error(`"${value}" is not a whole number from ${least} to ${most}`);
    }
    return number;
  };
}

function yesOrNo(value: string): boolean {
  return oneOf('yes', 'no')(value) === 'yes';
}

/** An http or https address without the path that EMQX adds, and without credentials, which belong in files. */
function webAddress(value: string): URL {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new Error('it is not an address such as http://127.0.0.1:18083');
  }
  if (url.username || url.password) throw new Error('key and secret belong in files of their own');
  return url;
}

/** The path of a file that can be read now; it may change later. */
function readablePath(path: string): string {
  return whatFails('cannot read the file', () => {
    accessSync(path, constants.R_OK);
    return path;
  });
}

function whatFails<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Error(`${what}: ${messageOf(error)}`, { cause: error });
  }
}
