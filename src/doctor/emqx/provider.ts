/** Whether EMQX asks dockhook, asks it first, and does the safe thing if it gets no answer. */
import { PROBE, REGISTER } from '../../fixes.js';
import { command } from '../../command.js';
import { answers, type Provider } from '../../emqx/api-answers.js';
import { durationMs } from '../../emqx/durations.js';
import { hookDifference, missingHooks } from '../../emqx/mounted-hooks.js';
import { isSameAddress, PROVIDER, unconnectedNodes } from '../../emqx/provider.js';
import { makeTestCall, faultOfCall } from '../../emqx/test-call.js';
import { verifiesExhook } from '../../emqx/versions.js';
import { isLoopback } from '../../listen.js';
import { counted, printableUrl } from '../../text.js';
import type { EmqxContext } from './context.js';
import { allOf, type Finding } from '../../finding.js';

/** dockhook answers within this time, so EMQX must wait longer. In milliseconds. */
const ANSWER_MS = 2000;
/** With a longer `auto_reconnect`, EMQX refuses docks for much longer than dockhook was away. In milliseconds. */
const MAX_RECONNECT_MS = 10_000;

/** Whether EMQX has dockhook as a provider, reaches it, and refuses clients while it does not. */
export async function checkProvider(context: EmqxContext): Promise<Finding[]> {
  const name = context.provider ?? PROVIDER;
  const providers = await context.api.get('/exhooks', answers.providers);
  const provider = providers.find((one) => one.name === name);
  if (!provider) {
    const others = providers.map((one) => `"${one.name}"`).join(', ');
    return [
      {
        level: 'error',
        code: 'emqx_provider_missing',
        what: `EMQX has no provider "${name}"`,
        why: 'it never asks dockhook: no dock gets a license, and dockhook decides nothing',
        fix: [
          others === ''
            ? REGISTER
            : `if dockhook is one of ${others} there, run ${command('doctor', '--provider', 'NAME')}; if not, ${REGISTER}`,
        ],
      },
    ];
  }
  return allOf(
    await checkConnection(provider, context),
    checkOrder(provider, providers),
    checkTimes(provider),
    checkAddress(provider, context),
  );
}

async function checkConnection(provider: Provider, context: EmqxContext): Promise<Finding[]> {
  const { name, hooks } = provider;
  const url = printableUrl(provider.url);
  const why = 'EMQX has no hooks until it has reached dockhook, and asks it nothing';
  if (provider.enable === false) {
    return [
      {
        level: 'error',
        code: 'emqx_provider_disabled',
        what: `provider "${name}" is disabled in EMQX`,
        why,
        fix: [REGISTER],
      },
    ];
  }
  const unconnected = unconnectedNodes(provider);
  if (unconnected.length > 0) {
    return [
      {
        level: 'error',
        code: 'emqx_provider_not_connected',
        what: `provider "${name}" at ${url} is not connected on ${unconnected.join(', ')}`,
        why,
        fix: [howToReach(provider.url, context)],
      },
    ];
  }
  const missing = missingHooks(hooks);
  if (missing.length > 0) {
    return [
      {
        level: 'error',
        code: 'emqx_hooks_missing',
        what: `provider "${name}" is connected, but not mounted: ${missing.join(', ')}`,
        why: 'EMQX keeps the hooks that it got when it connected, and does not ask for others',
        fix: [`check that it is dockhook that listens at ${url}`, `then: ${REGISTER}`],
      },
    ];
  }
  return [await tryCall(provider, context), ...checkHooks(provider, context)];
}

/** Whether EMQX has the hooks that dockhook asks for now, and no others. */
function checkHooks({ hooks }: Provider, context: EmqxContext): Finding[] {
  const { missing = [], unwanted = [] } = hookDifference(hooks, context) ?? {};
  const findings: Finding[] = [];
  if (missing.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_hooks_timeline',
      what: `not mounted: ${missing.join(', ')}`,
      why: missing.some((name) => name.startsWith('client.'))
        ? 'dockhook does not see when docks connect and disconnect, and so cannot tell a license that failed'
        : 'dockhook is not asked about what docks publish there, so it neither answers it nor notes it',
      fix: [
        'give every dockhook serve the DOCKHOOK_TIMELINE and DOCKHOOK_ANSWER_FOR_BACKEND of this command',
        `then: ${REGISTER}`,
      ],
    });
  }
  if (unwanted.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_hooks_outdated',
      what: `EMQX calls dockhook for what it no longer asks for: ${unwanted.join(', ')}`,
      why:
        'EMQX keeps the hooks that an earlier dockhook asked for, and each call costs time. A dock waits for ' +
        'client.connected when it connects',
      fix: [
        'if dockhook serve has another DOCKHOOK_TIMELINE or DOCKHOOK_ANSWER_FOR_BACKEND, run this command with the same',
        `in a quiet hour: ${REGISTER}`,
      ],
    });
  }
  return findings;
}

/** Makes a call, once EMQX says that it is connected: if it does not, it says why. */
async function tryCall(provider: Provider, context: EmqxContext): Promise<Finding> {
  const { name, hooks, node_status: nodes } = provider;
  const proof = await makeTestCall(context.api, provider);
  const problem = faultOfCall(proof);
  if (problem === undefined) {
    return {
      level: 'ok',
      code: 'emqx_provider',
      what: `provider "${name}" is connected on ${nodes.length === 1 ? '1 node' : `all ${nodes.length} nodes`} with ${counted(hooks.length, 'hook')}, and answered a call`,
    };
  }
  if (proof.kind === 'untried') {
    return {
      level: 'warning',
      code: 'emqx_provider_untried',
      what: problem,
      why: 'EMQX may say that it is connected when dockhook has gone',
      fix: [`fix what it says, or try it as a dock: ${PROBE}`],
    };
  }
  return {
    level: 'error',
    code: 'emqx_provider_silent',
    what: `provider "${name}" at ${printableUrl(provider.url)}: ${problem}`,
    why: 'EMQX refuses every client that connects now',
    fix: [howToReach(provider.url, context)],
  };
}

/** What to do if EMQX does not reach dockhook: mostly dockhook is away, sometimes EMQX has a wrong address. */
function howToReach(url: string, { exhookUrl }: EmqxContext): string {
  if (exhookUrl !== undefined && !isSameAddress(url, exhookUrl)) {
    return (
      `dockhook listens at ${exhookUrl} by these settings: if EMQX runs on the same machine, ` +
      `${command('emqx', 'register', '--exhook', exhookUrl)} puts that address in; else use the address by which EMQX reaches dockhook`
    );
  }
  return (
    `see that dockhook runs and that EMQX's machine reaches ${printableUrl(url)}; EMQX's log says why it fails. If that address is ` +
    `wrong, give the right one: ${command('emqx', 'register', '--exhook', 'URL')}`
  );
}

function checkOrder(provider: Provider, providers: readonly Provider[]): Finding | undefined {
  const before = providers.slice(0, providers.indexOf(provider)).filter(({ enable }) => enable !== false);
  if (before.length === 0) return undefined;
  return {
    level: 'warning',
    code: 'emqx_provider_order',
    what: `EMQX asks ${before.map(({ name }) => `"${name}"`).join(', ')} before "${provider.name}"`,
    why: 'a provider that is asked first may let clients in, or change requests, without dockhook',
    fix: [`put dockhook first: ${REGISTER}`],
  };
}

function checkTimes(provider: Provider): Finding[] {
  const { name, failed_action: action, request_timeout: timeout, auto_reconnect: reconnect } = provider;
  const findings: Finding[] = [];
  if (action !== undefined && action !== 'deny') {
    findings.push({
      level: 'error',
      code: 'emqx_failed_action',
      what: `provider "${name}" has failed_action = ${action}`,
      why: 'while dockhook is away, EMQX lets clients publish and subscribe to anything',
      fix: [`failed_action = deny (${REGISTER} sets it)`],
    });
  }
  const waits = durationMs(timeout);
  // Above one second, EMQX rounds it down to whole seconds (seen on 5.8.9).
  const told = waits === undefined || waits <= 1000 ? waits : Math.floor(waits / 1000) * 1000;
  if (told !== undefined && told <= ANSWER_MS) {
    findings.push({
      level: 'error',
      code: 'emqx_request_timeout_short',
      what: `provider "${name}" has request_timeout = ${String(timeout)}`,
      why: `while its database is slow, dockhook answers within ${ANSWER_MS / 1000} s, and EMQX refuses the dock before that`,
      fix: [`request_timeout = 5s (${REGISTER} sets it)`],
    });
  } else if (told !== waits) {
    findings.push({
      level: 'warning',
      code: 'emqx_request_timeout_cut',
      what: `provider "${name}" has request_timeout = ${String(timeout)}, and EMQX rounds it down to whole seconds`,
      why: 'calls end earlier than the setting says',
      fix: [`request_timeout = 5s (${REGISTER} sets it)`],
    });
  }
  const again = reconnect === false ? Infinity : durationMs(reconnect);
  if (again !== undefined && again > MAX_RECONNECT_MS) {
    findings.push({
      level: again === Infinity ? 'error' : 'warning',
      code: 'emqx_auto_reconnect',
      what: `provider "${name}" has auto_reconnect = ${String(reconnect)}`,
      why: 'for that long after an outage, EMQX does not reconnect to dockhook, and refuses every dock',
      fix: [`auto_reconnect = 5s (${REGISTER} sets it)`],
    });
  }
  return findings;
}

function checkAddress({ url, ssl }: Provider, { versions }: EmqxContext): Finding | undefined {
  if (!URL.canParse(url)) return undefined;
  const { protocol, hostname } = new URL(url);
  if (protocol === 'http:') {
    if (isLoopback(hostname)) return undefined;
    return {
      level: 'warning',
      code: 'emqx_exhook_plain',
      what: `EMQX asks dockhook over plain HTTP at ${printableUrl(url)}`,
      why: 'everybody on the way can read passwords and your license, and everybody who reaches that port can bind any device',
      fix: [
        `use TLS, with certificates as in deploy/tls: ${command('emqx', 'register', '--exhook', 'https://DOCKHOOK:9000')}`,
      ],
    };
  }
  if (ssl?.verify !== 'verify_peer' || !versions.every(verifiesExhook)) {
    return {
      level: 'warning',
      code: 'emqx_exhook_unverified',
      what: `EMQX does not verify the certificate of dockhook at ${printableUrl(url)}`,
      why: 'whoever takes over that address gets every password that a dock sends',
      fix: [
        'set verify = verify_peer in the ssl block of exhook.servers; it takes EMQX 5.8.8, 5.9.2, 5.10.1 or later',
      ],
    };
  }
  return undefined;
}
