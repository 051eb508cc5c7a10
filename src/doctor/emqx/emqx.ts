/**
 * What `doctor` asks EMQX's REST API. Each check stands alone: one that EMQX does not answer becomes a warning,
 * never an "ok".
 */
import { answers, type Node } from '../../emqx/api-answers.js';
import { statusOf, type EmqxApi } from '../../emqx/api.js';
import { dialectOf, lineOf, losesHooks, parseVersion } from '../../emqx/versions.js';
import { isLoopback } from '../../listen.js';
import { checkAuthentication, checkAuthorization } from './authentication.js';
import { checkDoors } from './open-listeners.js';
import type { EmqxContext, EmqxFacts } from './context.js';
import { checkKey } from './api-key.js';
import { checkListeners, checkMqtt } from './listeners.js';
import { checkBans, checkLicense, checkMessages, checkRetained, checkTopics } from './messages.js';
import { checkProvider } from './provider.js';
import type { Finding } from '../../finding.js';

/** Rejects with nothing: what cannot be found out is a finding too. */
export async function checkEmqx(api: EmqxApi, facts: EmqxFacts): Promise<Finding[]> {
  let nodes: Node[] = [];
  const findings: Finding[] = [];
  try {
    nodes = await api.get('/nodes', answers.nodes);
    findings.push(...ofNodes(nodes));
  } catch (error) {
    const status = statusOf(error);
    // No answer, or none to any question with this key: further ones would only repeat it.
    if (status === undefined || status === 401 || status < 400) return [unreachable(error)];
    findings.push(unchecked('its version', error));
  }
  const versions = nodes
    .map(({ version = '' }) => parseVersion(version))
    .filter((version) => version !== undefined);
  const context: EmqxContext = { ...facts, api, versions };
  const checks: [string, (context: EmqxContext) => Promise<Finding[]>][] = [
    ['whether it asks dockhook', checkProvider],
    ['its authenticators', checkAuthentication],
    ['its authorization', checkAuthorization],
    ['its listeners', async (its) => [...(await checkListeners(its)), ...(await checkDoors(its))]],
    ['its MQTT settings', checkMqtt],
    ['what it rewrites and subscribes', checkTopics],
    ['what it does to messages', checkMessages],
    ['what it retains', checkRetained],
    ['whom it bans', checkBans],
    ['its license', checkLicense],
    ['what the API key may do', checkKey],
  ];
  for (const [what, check] of checks) {
    findings.push(...(await check(context).catch((error: unknown) => [unchecked(what, error)])));
  }
  return [...ofAddress(api), ...findings];
}

function ofAddress({ address }: EmqxApi): Finding[] {
  const { protocol, hostname } = new URL(address);
  if (protocol === 'https:' || isLoopback(hostname)) return [];
  return [
    {
      level: 'warning',
      code: 'emqx_api_plain',
      what: `EMQX's REST API is used over plain HTTP at ${address}`,
      why: 'who listens on the way reads the API key, and with it may change EMQX',
      fix: ['DOCKHOOK_EMQX_URL=https://… (EMQX: dashboard.listeners.https.bind = 18084)'],
    },
  ];
}

function ofNodes(nodes: readonly Node[]): Finding[] {
  const findings: Finding[] = [];
  const told = [...new Set(nodes.flatMap(({ version }) => version ?? []))];
  for (const text of told) {
    const version = parseVersion(text);
    const where = `EMQX ${text} on ${nodes.filter((node) => node.version === text).length} of ${nodes.length} nodes`;
    if (!version || version[0] > 6) {
      findings.push({
        level: 'warning',
        code: 'emqx_version_unknown',
        what: `${where}: nothing is known of this version`,
        why: 'what is said here may not hold for it',
        fix: ['dockhook doctor --probe shows how it behaves'],
      });
    } else if (!lineOf(version)) {
      findings.push({
        level: 'error',
        code: 'emqx_version_too_old',
        what: `${where} cannot be closed to strangers and ask dockhook`,
        why: 'before 5.1.2 a listener that emqx.conf closes may open before dockhook is asked',
        fix: ['upgrade EMQX to 5.8 or later'],
      });
    } else if (losesHooks(version)) {
      findings.push({
        level: 'warning',
        code: 'emqx_version_loses_hooks',
        what: `${where} calls hooks twice after an outage of dockhook, and has none after the next`,
        why: 'then nobody asks dockhook, and only EMQX’s empty authenticator keeps strangers out (emqx/emqx#16890)',
        fix: [
          'upgrade EMQX to 6.0.3, 6.1.2, or 6.2 or later; until then restart the node after outages of dockhook',
        ],
      });
    } else {
      findings.push({
        level: 'ok',
        code: 'emqx_version',
        what: `${where} speaks ExHook ${dialectOf(version)}`,
      });
    }
  }
  if (told.length > 1) {
    findings.push({
      level: 'warning',
      code: 'emqx_versions_differ',
      what: `the nodes run different versions of EMQX: ${told.join(', ')}`,
      why: 'a dock meets another broker at each connect',
      fix: ['finish the upgrade'],
    });
  }
  const down = nodes.filter(({ node_status: status }) => status !== undefined && status !== 'running');
  if (down.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_node_down',
      what: `not running: ${down.map(({ node }) => node).join(', ')}`,
      why: 'it could not be checked, and may be open when it returns',
      fix: ['start the node and run dockhook doctor again'],
    });
  }
  return findings;
}

function unreachable(error: unknown): Finding {
  return {
    level: 'error',
    code: 'emqx_unreachable',
    what: textOf(error),
    why: 'nothing of EMQX could be checked, and a disabled account is not disconnected',
    fix: ['dockhook emqx status shows the same until it is mended'],
  };
}

function unchecked(what: string, error: unknown): Finding {
  return {
    level: 'warning',
    code: 'emqx_not_checked',
    what: `${what} could not be checked: ${textOf(error)}`,
    why: 'an open door may be there and not be seen',
    fix: ['mend what it says and run dockhook doctor again'],
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
