/**
 * What `doctor` checks over EMQX's REST API, part by part. If EMQX does not answer a check, that is a warning and never
 * an "ok".
 */
import { PROBE } from '../../fixes.js';
import { command } from '../../command.js';
import { answers, type Node } from '../../emqx/api-answers.js';
import { messageOf } from '../../errors.js';
import { statusOf, type EmqxApi } from '../../emqx/api.js';
import { dialectOf, lineOf, losesHooks, parseVersion, versionsOf } from '../../emqx/versions.js';
import { isLoopback } from '../../listen.js';
import { checkAuthentication } from './authentication.js';
import { checkAuthorization } from './authorization.js';
import { checkBans } from './bans.js';
import { checkOpenListeners } from './open-listeners.js';
import type { EmqxContext, EmqxFacts } from './context.js';
import { checkKey } from './api-key.js';
import { checkLicense } from './license.js';
import { checkListeners } from './listeners.js';
import { checkMessages } from './messages.js';
import { checkMqtt } from './mqtt-settings.js';
import { checkRetained } from './retained-requests.js';
import { checkTopics } from './topics.js';
import { checkProvider } from './provider.js';
import { checkRules } from './rules.js';
import { allOf, type Finding, type Found } from '../../finding.js';

/** Never rejects: what could not be checked is a finding, too. */
export async function checkEmqx(api: EmqxApi, facts: EmqxFacts): Promise<Finding[]> {
  let nodes: Node[] = [];
  const findings: Finding[] = [];
  try {
    nodes = await api.get('/nodes', answers.nodes);
    findings.push(...checkNodes(nodes));
  } catch (error) {
    const status = statusOf(error);
    // No answer at all, or none with this key: further calls would only fail in the same way.
    if (status === undefined || status === 401 || status < 400) return [unreachable(error)];
    findings.push(partNotChecked('its version', error));
  }
  const context: EmqxContext = { ...facts, api, versions: versionsOf(nodes) };
  const checks: [string, (context: EmqxContext) => Promise<Found>][] = [
    ['whether it asks dockhook', checkProvider],
    ['its authenticators', checkAuthentication],
    ['its authorization', checkAuthorization],
    ['its listeners', async (its) => [...(await checkListeners(its)), ...(await checkOpenListeners(its))]],
    ['its MQTT settings', checkMqtt],
    ['what it rewrites and subscribes', checkTopics],
    ['what it does to messages', checkMessages],
    ['what it retains', checkRetained],
    ['its rules', checkRules],
    ['whom it bans', checkBans],
    ['its license', checkLicense],
    ['what the API key may do', checkKey],
  ];
  for (const [what, check] of checks) {
    const found = await check(context).catch((error: unknown) => partNotChecked(what, error));
    findings.push(...allOf(found));
  }
  return allOf(checkAddress(api), findings);
}

function checkAddress({ address }: EmqxApi): Finding | undefined {
  const { protocol, hostname } = new URL(address);
  if (protocol === 'https:' || isLoopback(hostname)) return undefined;
  return {
    level: 'warning',
    code: 'emqx_api_plain',
    what: `EMQX's REST API is used over plain HTTP at ${address}`,
    why: 'everybody on the way can read the API key, and change EMQX with it',
    fix: ['DOCKHOOK_EMQX_URL=https://… (EMQX: dashboard.listeners.https.bind = 18084)'],
  };
}

function checkNodes(nodes: readonly Node[]): Finding[] {
  const findings: Finding[] = [];
  const told = [...new Set(nodes.flatMap(({ version }) => version ?? []))];
  for (const text of told) {
    const version = parseVersion(text);
    const where = `EMQX ${text} on ${nodes.filter((node) => node.version === text).length} of ${nodes.length} nodes`;
    if (!version || version[0] > 6) {
      findings.push({
        level: 'warning',
        code: 'emqx_version_unknown',
        what: `${where}: dockhook does not know this version`,
        why: 'these checks may be wrong for it',
        fix: [`try it: ${PROBE}`],
      });
    } else if (!lineOf(version)) {
      findings.push({
        level: 'error',
        code: 'emqx_version_too_old',
        what: `${where} is too old`,
        why: 'before 5.1.2, a listener that emqx.conf closes may open before EMQX asks dockhook',
        fix: ['upgrade EMQX to 5.8 or later'],
      });
    } else if (losesHooks(version)) {
      findings.push({
        level: 'warning',
        code: 'emqx_version_loses_hooks',
        what: `${where} calls hooks twice after an outage of dockhook, and has no hooks after the next outage`,
        why: 'then it does not ask dockhook, and only its empty authenticator refuses strangers (emqx/emqx#16890)',
        fix: [
          'upgrade EMQX to 6.0.3, 6.1.2, or 6.2 or later',
          'until then, restart the node after each outage of dockhook',
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
      why: 'a dock may get another version each time it connects',
      fix: ['finish the upgrade'],
    });
  }
  const down = nodes.filter(({ node_status: status }) => status !== undefined && status !== 'running');
  if (down.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_node_down',
      what: `not running: ${down.map(({ node }) => node).join(', ')}`,
      why: 'it could not be checked, and may let everybody in when it starts',
      fix: [`start the node, and try again: ${command('doctor')}`],
    });
  }
  return findings;
}

function unreachable(error: unknown): Finding {
  return {
    level: 'error',
    code: 'emqx_unreachable',
    what: messageOf(error),
    why: 'nothing in EMQX could be checked, and dockhook cannot disconnect a disabled account',
    fix: [`fix what it says; ${command('emqx', 'status')} shows when EMQX answers`],
  };
}

function partNotChecked(what: string, error: unknown): Finding {
  return {
    level: 'warning',
    code: 'emqx_not_checked',
    what: `${what} could not be checked: ${messageOf(error)}`,
    why: 'EMQX may let clients in without dockhook there',
    fix: [`fix what it says, and try again: ${command('doctor')}`],
  };
}
