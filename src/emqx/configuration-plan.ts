/** Which configuration an EMQX gets: by its version, with what must be known of that version, and the files it needs. */
import { command } from '../command.js';
import { DockhookError } from '../errors.js';
import {
  BROKER_FILES,
  configuration,
  listenerIds,
  LISTENERS,
  type BrokerFiles,
  type ListenerName,
} from './configuration.js';
import type { ProviderSettings } from './provider.js';
import { parseRules, rulesConfiguration } from './rules.js';
import {
  lineOf,
  losesHooks,
  opensBeforeHooks,
  overridesClientId,
  parseVersion,
  verifiesExhook,
  type Line,
  type Version,
} from './versions.js';

interface ConfigurationPlan {
  line: Line;
  /** For `emqx.conf`. */
  configuration: string;
  /** Ids of the listeners that it keeps closed, for dockhook to open. */
  closedListeners: string[];
  /** What this version of EMQX cannot do. */
  warnings: string[];
  /** Files that must be on each node: one that lacks them does not open its listener, or never reaches dockhook. */
  files: string[];
}

/**
 * @param options.version as an operator names it: `5.8`, `6`, `5.8.9`
 * @param options.listeners names, separated by commas
 * @param options.rules names, separated by commas; none unless given
 * @throws DockhookError `usage`
 */
export function planConfiguration(options: {
  version: string;
  listeners: string;
  rules?: string | undefined;
  server: ProviderSettings;
  files: { [Name in keyof BrokerFiles]: string | undefined };
}): ConfigurationPlan {
  const { server } = options;
  const { version, line } = versionFor(options.version);
  const listeners = listenersIn(options.listeners);
  const rules =
    options.rules === undefined ? '' : `\n${rulesConfiguration(parseRules(options.rules), version)}`;
  const files = {
    cert: options.files.cert ?? BROKER_FILES.cert,
    key: options.files.key ?? BROKER_FILES.key,
    docksCa: options.files.docksCa ?? BROKER_FILES.docksCa,
  };
  return {
    line,
    configuration: configuration({ line, version, server, listeners, files }) + rules,
    closedListeners: opensBeforeHooks(version) ? listenerIds(listeners) : [],
    warnings: warningsAbout(options.version, version, server.ssl !== undefined),
    files: neededFiles(listeners, files, server),
  };
}

function versionFor(wanted: string): { version: Version; line: Line } {
  const version = parseVersion(wanted);
  // "5" alone stands for two lines that differ.
  if (!version || /^[ev]?5$/.test(wanted)) {
    throw new DockhookError(
      'usage',
      `--emqx-version ${wanted}: write 5.8, 5.10, 6, or a whole version such as 5.8.9`,
    );
  }
  const line = lineOf(version);
  if (line) return { version, line };
  throw new DockhookError(
    'usage',
    version[0] > 6
      ? `--emqx-version ${wanted}: nothing is known of EMQX 7 and later; try 6, and check it: ${command('doctor')}`
      : `--emqx-version ${wanted}: EMQX before 5.1.2 cannot be kept closed while it starts; upgrade it, best to 5.8.9 or later`,
  );
}

function listenersIn(list: string): Set<ListenerName> {
  const names = list.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !LISTENERS.some((known) => known === name));
  if (unknown !== undefined) {
    const known = LISTENERS.join(', ');
    throw new DockhookError('usage', `--listeners ${list}: "${unknown}" is not one of ${known}`);
  }
  return new Set(LISTENERS.filter((known) => names.includes(known)));
}

function warningsAbout(name: string, version: Version, isTls: boolean): string[] {
  const warnings: string[] = [];
  if (losesHooks(version)) {
    warnings.push(
      `EMQX ${name} loses dockhook at the second longer outage and then asks nobody; the authenticator in this ` +
        'configuration keeps strangers out meanwhile. Mended in 6.0.3, 6.1.2 and 6.2.0',
    );
  }
  if (!overridesClientId(version)) {
    warnings.push(
      `EMQX ${name} cannot make the account part of a client id: a client that comes with the client id of another ` +
        'account takes over its session. 5.8.3 and later can; until then keep the ids of backends for them: ' +
        command('account', 'set', 'BACKEND', '--client-id', 'ID'),
    );
  }
  if (isTls && !verifiesExhook(version)) {
    warnings.push(
      `EMQX ${name} does not verify dockhook's certificate as it is told to; 5.8.8, 5.9.2 and 5.10.1 do`,
    );
  }
  return warnings;
}

function neededFiles(
  listeners: ReadonlySet<ListenerName>,
  { cert, key, docksCa }: BrokerFiles,
  { ssl }: ProviderSettings,
): string[] {
  const files: string[] = [];
  const demandsCertificate = listeners.has('client-certificate');
  if (demandsCertificate || listeners.has('tls')) files.push(cert, key);
  if (demandsCertificate) files.push(docksCa);
  if (ssl) files.push(ssl.cacertfile, ssl.certfile, ssl.keyfile);
  return files;
}
