/** `dockhook emqx …`: configures EMQX for dockhook, and asks it how it stands. */
import type { Command } from 'commander';
import type { Provider } from '../../emqx/api-answers.js';
import type { ListenerName } from '../../emqx/configuration.js';
import type { ExhookServer } from '../../emqx/provider.js';
import { DockhookError } from '../../errors.js';
import { printableUrl } from '../../text.js';
import { apiOf, waitOf } from './api.js';
import { addOpenCommand, closedDoors, listenerStates, printListeners } from './open.js';
import { addExamples, addSettingFlags, configOf, inspectConfigOf, wantsJson } from '../options.js';
import {
  print,
  printFields,
  printJson,
  printRaw,
  printTable,
  reportError,
  say,
  style,
  warn,
} from '../output.js';

/** How long `register` waits for EMQX unless told otherwise, in seconds: six attempts of EMQX to reach dockhook. */
const WAIT_S = 30;

interface ExhookOptions {
  name?: string;
  exhook?: string;
  exhookCa?: string;
  exhookCert?: string;
  exhookKey?: string;
}

interface ConfigOptions extends ExhookOptions {
  emqxVersion: string;
  listeners: string;
  mqttCert?: string;
  mqttKey?: string;
  docksCa?: string;
}

export function addEmqxCommand(program: Command): void {
  const emqx = program.command('emqx').description('configure EMQX for dockhook, and see how it stands');
  const config = emqx
    .command('config')
    .description('print a configuration for EMQX that keeps out whom dockhook has not let in')
    .requiredOption('--emqx-version <version>', 'for which EMQX: 5.8, 5.10, 6, or exactly, such as 5.8.9');
  addExhookFlags(config)
    .option(
      '--listeners <names>',
      'where docks connect, separated by commas: tcp (1883), tls (8883), client-certificate (8884)',
      'tcp,tls',
    )
    .option('--mqtt-cert <path>', 'certificate chain that docks see, on the machine of EMQX')
    .option('--mqtt-key <path>', 'its private key, on the machine of EMQX')
    .option('--docks-ca <path>', 'CA of the certificates of docks, on the machine of EMQX')
    .action(printConfiguration);
  addExamples(
    config,
    'dockhook emqx config --emqx-version 5.8 >> /etc/emqx/emqx.conf',
    'dockhook emqx config --emqx-version 6 --exhook https://dockhook.example:9000 --listeners tls',
  );

  const apiFlags = ['emqxUrl', 'emqxApiKeyFile', 'emqxApiSecretFile'] as const;
  const registration = emqx
    .command('register')
    .description(
      'make dockhook a provider of a running EMQX over its REST API, and wait until it is connected',
    );
  addExhookFlags(registration)
    .option('--wait <seconds>', 'how long EMQX may take to reach dockhook', String(WAIT_S))
    .addHelpText(
      'after',
      '\nRun again it changes nothing. It does not close EMQX to strangers: that is what `emqx config` is for.',
    )
    .action(registerProvider);
  addExamples(
    addSettingFlags(registration, apiFlags),
    'export DOCKHOOK_EMQX_API_KEY_FILE=emqx-key DOCKHOOK_EMQX_API_SECRET_FILE=emqx-secret',
    'dockhook emqx register --emqx http://127.0.0.1:18083',
  );

  addOpenCommand(emqx);

  const status = emqx
    .command('status')
    .description('show whether EMQX asks dockhook: version, nodes, hooks, calls, listeners')
    .option('--name <name>', 'name of the provider in EMQX (default: dockhook)')
    .action(showStatus);
  addExamples(
    addSettingFlags(status, [...apiFlags, 'emqxListeners']),
    'dockhook emqx status --emqx http://127.0.0.1:18083',
  );
}

function addExhookFlags(command: Command): Command {
  return command
    .option('--name <name>', 'name of the provider in EMQX (default: dockhook)')
    .option(
      '--exhook <url>',
      'where EMQX reaches dockhook; https for mutual TLS (default: the loopback address of DOCKHOOK_GRPC_LISTEN, with ' +
        'https if DOCKHOOK_GRPC_TLS_CERT is set; else http://127.0.0.1:9000)',
    )
    .option('--exhook-ca <path>', "CA of dockhook's certificate, on the machine of EMQX")
    .option('--exhook-cert <path>', 'certificate that EMQX shows to dockhook, on the machine of EMQX')
    .option('--exhook-key <path>', 'its private key, on the machine of EMQX');
}

async function printConfiguration(options: ConfigOptions, command: Command): Promise<void> {
  const { BROKER_FILES, configuration, listenerIds, LISTENERS } = await import('../../emqx/configuration.js');
  const { lineOf, losesHooks, opensBeforeHooks, overridesClientId, parseVersion, verifiesExhook } =
    await import('../../emqx/versions.js');
  const wanted = options.emqxVersion;
  const version = parseVersion(wanted);
  // "5" alone stands for two lines that differ.
  if (!version || /^[ev]?5$/.test(wanted)) {
    throw new DockhookError(
      'usage',
      `--emqx-version ${wanted}: write 5.8, 5.10, 6, or a whole version such as 5.8.9`,
    );
  }
  const line = lineOf(version);
  if (!line) {
    throw new DockhookError(
      'usage',
      version[0] > 6
        ? `--emqx-version ${wanted}: nothing is known of EMQX 7 and later; try 6, and check it with dockhook doctor`
        : `--emqx-version ${wanted}: EMQX before 5.1.2 cannot be kept closed while it starts; upgrade it, best to 5.8.9 or later`,
    );
  }
  const listeners = listenersOf(options.listeners);
  const server = await serverOf(options, command);
  const json = wantsJson(command);
  if (losesHooks(version)) {
    warn(
      `EMQX ${wanted} loses dockhook at the second longer outage and then asks nobody; the authenticator in this ` +
        'configuration keeps strangers out meanwhile. Mended in 6.0.3, 6.1.2 and 6.2.0',
      json,
    );
  }
  if (!overridesClientId(version)) {
    warn(
      `EMQX ${wanted} cannot make the account part of a client id: a client that comes with the client id of another ` +
        'account takes over its session. 5.8.3 and later can; until then keep the ids of backends for them: dockhook ' +
        'account set BACKEND --client-id ID',
      json,
    );
  }
  if (server.ssl && !verifiesExhook(version)) {
    warn(
      `EMQX ${wanted} does not verify dockhook's certificate as it is told to; 5.8.8, 5.9.2 and 5.10.1 do`,
      json,
    );
  }
  const files = {
    cert: options.mqttCert ?? BROKER_FILES.cert,
    key: options.mqttKey ?? BROKER_FILES.key,
    docksCa: options.docksCa ?? BROKER_FILES.docksCa,
  };
  const text = configuration({ line, version, server, listeners, files });
  const opener = opensBeforeHooks(version) ? listenerIds(listeners) : [];
  if (json) printJson({ line, configuration: text, listeners: opener });
  else await printRaw(text);
  if (!json && opener.length > 0) {
    say(
      'EMQX starts with every listener closed; dockhook serve opens them once every node asks it, if it has\n' +
        `DOCKHOOK_EMQX_LISTENERS=${opener.join(',')} beside DOCKHOOK_EMQX_URL and the files of its API key.`,
    );
  }

  const demandsCertificate = listeners.has('client-certificate');
  const needed = [
    ...(demandsCertificate || listeners.has('tls') ? [files.cert, files.key] : []),
    ...(demandsCertificate ? [files.docksCa] : []),
    ...(server.ssl ? [server.ssl.cacertfile, server.ssl.certfile, server.ssl.keyfile] : []),
  ];
  // A node that lacks one of them does not open its listener, or never reaches dockhook.
  if (!json && needed.length > 0) {
    say(
      'First put these files on each node of EMQX, where EMQX may read them (deploy/tls makes some to try it):\n' +
        needed.map((file) => `  ${file}`).join('\n'),
    );
  }

  function listenersOf(list: string): Set<ListenerName> {
    const names = list.split(',').map((name) => name.trim());
    const unknown = names.find((name) => !LISTENERS.some((known) => known === name));
    if (unknown !== undefined) {
      throw new DockhookError(
        'usage',
        `--listeners ${list}: "${unknown}" is not one of ${LISTENERS.join(', ')}`,
      );
    }
    return new Set(LISTENERS.filter((known) => names.includes(known)));
  }
}

async function registerProvider(options: ExhookOptions & { wait: string }, command: Command): Promise<void> {
  const waitMs = waitOf(options.wait);
  const server = await serverOf(options, command);
  const api = await apiOf(command);
  const { register } = await import('../../emqx/register.js');
  const json = wantsJson(command);
  const { action, moved, provider } = await register(api, server, {
    waitMs,
    onWait: (missing) => {
      if (process.stderr.isTTY && !json) say(`waiting for EMQX: ${missing}`);
    },
  });
  if (json) {
    printJson({ action, moved, ...summaryOf(provider) });
    return;
  }
  const did = { created: 'registered', updated: 'updated', unchanged: 'was registered already' }[action];
  const nodes = provider.node_status.length;
  print(
    `provider "${server.name}" ${did}${moved ? ', and put before the others' : ''}: ` +
      `connected on ${nodes === 1 ? '1 node' : `all ${nodes} nodes`}, ${provider.hooks.length} hooks mounted`,
  );
  print('What emqx.conf says of exhook.servers takes its place again at the next restart of EMQX.');
  print('Next: dockhook doctor, which checks that EMQX lets nobody past dockhook.');
}

async function showStatus(options: { name?: string }, command: Command): Promise<void> {
  const api = await apiOf(command);
  const { answers } = await import('../../emqx/api-answers.js');
  const { whatIsWrong } = await import('../../emqx/provider.js');
  const { proveAsked, whatProofSays } = await import('../../emqx/test-call.js');
  const { isRunning } = await import('../../emqx/listener-gate.js');
  const { dialectOf, opensBeforeHooks, parseVersion } = await import('../../emqx/versions.js');
  const name = options.name ?? configOf(command).emqxProvider;
  const nodes = await api.get('/nodes', answers.nodes);
  const providers = await api.get('/exhooks', answers.providers);
  const provider = providers.find((one) => one.name === name);
  if (!provider) {
    throw new DockhookError(
      'not_found',
      `EMQX at ${api.address} has no provider "${name}" and does not ask dockhook: dockhook emqx register` +
        (providers.length > 0
          ? `; it has ${providers.map((one) => `"${one.name}"`).join(', ')} (--name)`
          : ''),
    );
  }
  const hooks =
    (await api.find(`/exhooks/${encodeURIComponent(name)}/hooks`, answers.hooks)) ?? provider.hooks;
  const said = whatIsWrong(provider);
  // Where EMQX says itself that it does not ask, there is nothing to try.
  const proof = said === undefined ? await proveAsked(api, provider) : undefined;
  const wrong = said ?? (proof && whatProofSays(proof));
  const ours = configOf(command).emqxListeners;
  const listeners = await listenerStates(await api.get('/listeners', answers.listeners), nodes, ours);
  const running = nodes.filter(isRunning).length;
  const isKeptClosed = nodes.some(({ version = '' }) => opensBeforeHooks(parseVersion(version) ?? [0, 0, 0]));
  const closed = await closedDoors(listeners, { running, isKeptClosed });
  const states = nodes.map(({ node, version = 'unknown' }) => {
    const parsed = parseVersion(version);
    return {
      node,
      version,
      dialect: parsed ? dialectOf(parsed) : 'unknown',
      status: provider.node_status.find((one) => one.node === node)?.status ?? 'unknown',
    };
  });
  const json = wantsJson(command);
  if (json) {
    printJson({
      ...summaryOf({ ...provider, hooks }),
      nodes: states,
      call: proof?.kind ?? null,
      listeners,
      problem: wrong ?? closed?.problem ?? null,
    });
  } else {
    printFields({
      EMQX: api.address,
      provider: `${name} at ${printableUrl(provider.url)}`,
      position: `${providers.indexOf(provider) + 1} of ${providers.length}`,
      'failed action': provider.failed_action,
      'request timeout': String(provider.request_timeout ?? ''),
    });
    print('');
    printTable(
      ['NODE', 'EMQX', 'EXHOOK', 'STATUS'],
      states.map(({ node, version, dialect, status }) => [node, version, dialect, status]),
    );
    if (hooks.length > 0) {
      print('');
      const count = (value: number | undefined): string => (value === undefined ? '' : String(value));
      printTable(
        ['HOOK', 'SUCCEEDED', 'FAILED', 'TOPICS'],
        hooks.map((hook) => [
          hook.name,
          count(hook.metrics?.succeed),
          count(hook.metrics?.failed),
          hook.params?.topics?.join(' ') ?? '',
        ]),
      );
    }
    print('');
    printListeners(listeners, running);
    print('');
    if (proof?.kind === 'answered' && closed === undefined)
      print(style('green', `EMQX asks dockhook. A call on ${proof.nodes.join(', ')} was answered.`));
    const untried = nodes.length - (proof?.kind === 'answered' ? proof.nodes.length : nodes.length);
    if (untried > 0)
      print(
        'On the other nodes only their own word was taken: give --emqx the address of each to try it there.',
      );
  }
  if (wrong === undefined && closed !== undefined) {
    const text = `EMQX asks dockhook, but ${closed.problem}. ${closed.mend}`;
    process.exitCode = reportError(new DockhookError('failed', text), json);
  }
  if (wrong !== undefined) {
    const error = new DockhookError(
      'failed',
      proof?.kind === 'untried'
        ? wrong
        : `EMQX does not ask dockhook: ${wrong}. Check that dockhook runs, and that EMQX's machine reaches it at ` +
            `${printableUrl(provider.url)}; if that address is wrong: dockhook emqx register`,
    );
    process.exitCode = reportError(error, json);
  }
}

function summaryOf(provider: Provider): Record<string, unknown> {
  return {
    name: provider.name,
    url: printableUrl(provider.url),
    nodes: provider.node_status,
    hooks: provider.hooks.map(({ name, params, metrics }) => ({
      name,
      ...(params?.topics ? { topics: params.topics } : {}),
      ...(metrics ? { succeeded: metrics.succeed, failed: metrics.failed } : {}),
    })),
  };
}

async function serverOf(
  { name, exhook, exhookCa, exhookCert, exhookKey }: ExhookOptions,
  command: Command,
): Promise<ExhookServer> {
  const { EXHOOK_TLS, exhookServer, ownExhookUrl } = await import('../../emqx/provider.js');
  const server = exhookServer({
    name: name ?? inspectConfigOf(command).config.emqxProvider,
    // What else is wrong with the settings is no matter of this command.
    url: exhook ?? ownExhookUrl(inspectConfigOf(command).config),
    tls: {
      ca: exhookCa ?? EXHOOK_TLS.ca,
      cert: exhookCert ?? EXHOOK_TLS.cert,
      key: exhookKey ?? EXHOOK_TLS.key,
    },
  });
  if (!server.ssl && (exhookCa ?? exhookCert ?? exhookKey) !== undefined) {
    throw new DockhookError(
      'usage',
      '--exhook-ca, --exhook-cert and --exhook-key are for an --exhook with https://',
    );
  }
  return server;
}
