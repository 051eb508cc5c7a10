/** What `doctor` checks in Mosquitto's configuration: that it asks dockhook about everybody, and changes nothing on the way. */
import { existsSync } from 'node:fs';
import type { Config } from '../../config.js';
import { messageOf } from '../../errors.js';
import { allOf, type Finding, type Found } from '../../finding.js';
import { isLoopback } from '../../listen.js';
import type { Account } from '../../stores/types.js';
import { counted, listed } from '../../text.js';
import { lastOf, readConfiguration, type Configuration, type Line, type Listener } from './configuration.js';
import { checkOptions, type ServerPort } from './plugin-options.js';

/** Beside the file. */
export interface MosquittoFacts extends ServerPort {
  unknownAccounts: Config['unknownAccounts'];
  accounts: readonly Account[];
  /** How many docks there are. */
  docks: number;
}

/** Finds an error if the file cannot be read. */
export function checkMosquitto(path: string, facts: MosquittoFacts): Finding[] {
  let configuration: Configuration;
  try {
    configuration = readConfiguration(path);
  } catch (error) {
    return [
      {
        level: 'error',
        code: 'mosquitto_unreadable',
        what: `the configuration of Mosquitto cannot be read: ${messageOf(error)}`,
        why: 'nothing in Mosquitto could be checked',
        fix: ['name the file that Mosquitto is started with (mosquitto -c FILE), as a user who may read it'],
      },
    ];
  }
  const findings = CHECKS.flatMap((check) => allOf(check(configuration, facts)));
  if (findings.length > 0) return findings;
  const ports = configuration.listeners.map(({ port }) => port).join(', ');
  return [{ level: 'ok', code: 'mosquitto', what: `${path} has Mosquitto ask dockhook, on port ${ports}` }];
}

/** Certificates that it shows to docks. */
export function certificatesOf(path: string): string[] {
  try {
    const { lines } = readConfiguration(path);
    return [...new Set(lines.filter(({ key }) => key === 'certfile').map(({ value }) => value))];
  } catch {
    return [];
  }
}

type Check = (configuration: Configuration, facts: MosquittoFacts) => Found;

const CHECKS: readonly Check[] = [
  checkPlugin,
  checkOtherPlugins,
  checkListeners,
  checkAnonymous,
  checkLocalFiles,
  checkCertificateAccounts,
  checkDocks,
  ({ lines }) => SETTINGS.flatMap((setting) => lines.flatMap((line) => settingFinding(setting, line) ?? [])),
  checkNoDelay,
];

const isOurs = ({ path }: { path: string }): boolean => /dockhook[^/]*\.so$/.test(path);

const LINES_OF_PLUGIN = [
  'plugin /usr/local/lib/mosquitto_dockhook.so',
  'plugin_opt_url http://127.0.0.1:9000',
];

function checkPlugin({ plugins }: Configuration, facts: MosquittoFacts): Found {
  const ours = plugins.filter(isOurs);
  if (ours.length === 0) {
    return {
      level: 'error',
      code: 'mosquitto_no_plugin',
      what: 'Mosquitto does not load the plugin of dockhook',
      why: 'it does not ask dockhook who may connect, and nobody answers docks',
      fix: ['build and install it: deploy/mosquitto/README.md', ...LINES_OF_PLUGIN],
    };
  }
  return ours.flatMap((plugin) => [...allOf(pluginFile(plugin)), ...checkOptions(plugin, facts)]);
}

function pluginFile({ path, where }: { path: string; where: string }): Finding | undefined {
  if (existsSync(path)) return undefined;
  return {
    level: 'error',
    code: 'mosquitto_plugin_absent',
    what: `${where}: ${path} is not on this machine, or not to be seen by this user`,
    why: 'Mosquitto does not start without it',
    fix: ['build and install it: deploy/mosquitto/README.md', 'or run doctor on the machine of Mosquitto'],
  };
}

/** The first plugin that decides wins. */
function checkOtherPlugins({ plugins }: Configuration): Found {
  const ours = plugins.findIndex(isOurs);
  return plugins.slice(0, Math.max(0, ours)).map(({ path, where }) => ({
    level: 'warning',
    code: 'mosquitto_plugin_before',
    what: `${where}: plugin ${path} stands before that of dockhook`,
    why: 'it decides first who may connect, and sees requests with their device binding codes',
    fix: ['put it behind the plugin of dockhook'],
  }));
}

function checkListeners({ listeners, perListener }: Configuration): Found {
  if (listeners.length === 0) {
    return {
      level: 'error',
      code: 'mosquitto_no_listener',
      what: 'there is no listener line',
      why: 'Mosquitto then takes connections of its own machine alone, and anonymous ones',
      fix: ['add deploy/mosquitto/listener-tcp.conf, or one of the listener-….conf with certificates'],
    };
  }
  return listeners.flatMap((listener) => {
    const { where, port, host, plugins } = listener;
    const findings: Finding[] = [];
    if (perListener && !plugins.some(isOurs)) {
      findings.push({
        level: 'error',
        code: 'mosquitto_listener_unprotected',
        what: `${where}: listener ${port} has no plugin line of its own, and per_listener_settings is true`,
        why: 'dockhook is not asked about clients that come there',
        fix: [
          'per_listener_settings false',
          'or put the plugin lines under each listener (Mosquitto 2.0.15 and later)',
        ],
      });
    }
    if (isPlain(listener) && !isLoopback(host)) {
      findings.push({
        level: 'warning',
        code: 'mosquitto_listener_plain',
        what: `${where}: listener ${port} does not encrypt`,
        why: 'everybody on the way can read passwords and the license of your app',
        fix: [
          'connect docks over TLS: deploy/mosquitto/listener-server-certificate.conf',
          `listener ${port} 127.0.0.1`,
        ],
      });
    }
    return findings;
  });
}

function isPlain({ lines, port }: Listener): boolean {
  // Port 0 is a Unix socket.
  return lastOf(lines, 'certfile') === undefined && port !== '0';
}

function checkAnonymous({ lines }: Configuration): Found {
  return lines
    .filter(({ key, value }) => key === 'allow_anonymous' && value === 'true')
    .map(({ where }) => ({
      level: 'error',
      code: 'mosquitto_anonymous',
      what: `${where}: allow_anonymous true`,
      why: 'whoever dockhook leaves to Mosquitto gets in, and everybody on a listener without the plugin',
      fix: ['allow_anonymous false'],
    }));
}

/** They are asked about accounts that dockhook leaves to Mosquitto, and about no others. */
function checkLocalFiles({ lines }: Configuration, { unknownAccounts }: MosquittoFacts): Found {
  if (unknownAccounts === 'ignore') return undefined;
  return lines
    .filter(({ key }) => key === 'password_file' || key === 'acl_file')
    .map(({ key, where }) => ({
      level: 'warning',
      code: 'mosquitto_local_accounts',
      what: `${where}: ${key} has no effect beside the plugin`,
      why: 'dockhook refuses every account that it does not know, and Mosquitto does not look there any more',
      fix: [
        `remove ${key}`,
        'or let Mosquitto decide about these accounts: DOCKHOOK_UNKNOWN_ACCOUNTS=ignore',
      ],
    }));
}

function checkCertificateAccounts({ listeners }: Configuration, { accounts }: MosquittoFacts): Found {
  const names = accounts.filter(({ certificateCn }) => certificateCn !== undefined).map(({ name }) => name);
  if (names.length === 0 || listeners.some(({ lines }) => lastOf(lines, 'require_certificate') === 'true'))
    return undefined;
  return {
    level: 'error',
    code: 'mosquitto_certificates_unseen',
    what: `accounts that demand a client certificate: ${listed(names)}; and no listener has require_certificate true`,
    why: 'Mosquitto then tells dockhook no certificate, so these accounts are always refused',
    fix: ['add deploy/mosquitto/listener-client-certificates.conf, and connect these docks to its port'],
  };
}

function checkDocks({ lines }: Configuration, { docks }: MosquittoFacts): Found {
  return lines
    .filter(
      ({ key, value }) =>
        /^(global_)?max_connections$/.test(key) && Number(value) >= 0 && Number(value) < docks,
    )
    .map(({ key, value, where }) => ({
      level: 'warning',
      code: 'mosquitto_max_connections',
      what: `${where}: ${key} ${value}, and there are ${counted(docks, 'dock')}`,
      why: 'Mosquitto closes further connections without asking dockhook',
      fix: [`remove it, or set it above the number of docks and backends`],
    }));
}

/** A line that changes what dockhook hears, or what a dock gets. */
interface Setting extends Omit<Finding, 'what'> {
  applies: (line: Line) => boolean;
}

const is =
  (key: string, value?: string) =>
  (line: Line): boolean =>
    line.key === key && (value === undefined || line.value === value);

const SETTINGS: readonly Setting[] = [
  {
    level: 'error',
    code: 'mosquitto_mount_point',
    applies: is('mount_point'),
    why: 'topics reach dockhook with that prefix and belong to no dock: every subscribe and publish is refused (not_in_scope)',
    fix: ['remove mount_point'],
  },
  {
    level: 'error',
    code: 'mosquitto_certificate_is_login',
    applies: (line) =>
      is('use_identity_as_username', 'true')(line) || is('use_subject_as_username', 'true')(line),
    why: 'Mosquitto takes the certificate for the whole login, and asks neither dockhook nor for a password',
    fix: ['use_identity_as_username false', 'use_subject_as_username false'],
  },
  {
    level: 'error',
    code: 'mosquitto_username_is_client_id',
    applies: is('use_username_as_clientid', 'true'),
    why: 'all clients of an account then have one client id: each ends the session of the one before, and the client id names no dock',
    fix: ['use_username_as_clientid false'],
  },
  {
    level: 'warning',
    code: 'mosquitto_client_id_prefixes',
    applies: is('clientid_prefixes'),
    why: 'a dock chooses its client id itself, and Mosquitto refuses one that begins otherwise, without asking dockhook',
    fix: ['remove clientid_prefixes'],
  },
  {
    level: 'warning',
    code: 'mosquitto_per_listener_settings',
    applies: is('per_listener_settings', 'true'),
    why: 'Mosquitto before 2.0.15 then gives the plugin no time slices, and it refuses everybody',
    fix: ['per_listener_settings false'],
  },
  {
    level: 'error',
    code: 'mosquitto_max_queued_messages',
    applies: is('max_queued_messages', '0'),
    why: 'Mosquitto 2.0 ends the connection of a client whose publish is refused',
    fix: ['remove max_queued_messages, or set it above 0'],
  },
  {
    level: 'error',
    code: 'mosquitto_packet_too_large',
    applies: ({ key, value }) =>
      /^(max_packet_size|message_size_limit)$/.test(key) && Number(value) > 0 && Number(value) < 65_536,
    why: 'a dock that sends a longer message is not heard, or loses its connection',
    fix: ['remove it, or set it to 65536 or more'],
  },
  {
    level: 'error',
    code: 'mosquitto_max_qos',
    applies: is('max_qos', '0'),
    why: 'a dock publishes its requests with QoS 1 and more, and Mosquitto then ends its connection',
    fix: ['remove max_qos'],
  },
  {
    level: 'warning',
    code: 'mosquitto_bridge',
    applies: is('connection'),
    why: 'dockhook is not asked about a bridge that Mosquitto opens: what it brings reaches docks, and it takes away what its topic lines say',
    fix: [
      'have no bridge on thing/product and sys/product, or let the other broker open it, with an account',
    ],
  },
];

function settingFinding({ applies, ...finding }: Setting, line: Line): Finding | undefined {
  return applies(line) ? { ...finding, what: `${line.where}: ${line.key} ${line.value}` } : undefined;
}

function checkNoDelay({ lines }: Configuration): Found {
  if (lastOf(lines, 'set_tcp_nodelay') === 'true') return undefined;
  return {
    level: 'warning',
    code: 'mosquitto_delay',
    what: 'set_tcp_nodelay is not true',
    why: 'each reply at QoS 1 and 2 takes 40 ms longer',
    fix: ['set_tcp_nodelay true'],
  };
}
