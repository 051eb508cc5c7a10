/** What a listener of EMQX does to a connection or a topic before dockhook is asked. */
import type { Listener } from '../../emqx/api-answers.js';
import { allOf, type Finding } from '../../finding.js';

/** With this share of its connections taken, a listener is nearly full. */
const NEARLY_FULL = 0.9;

/** What EMQX does with these clients: neither they nor dockhook learn why. */
function cutOff(whose: string): string {
  return `EMQX closes the connection of ${whose} without a message, and does not ask dockhook`;
}

/** @param name what texts call the listener */
export function checkListenerLimits(listener: Listener & { id: string }, name: string): Finding[] {
  const { id, mountpoint = '', proxy_protocol: proxied, access_rules: rules = [] } = listener;
  const setting = `listeners.${id.replace(':', '.')}`;
  const findings: Finding[] = [];
  if (mountpoint !== '') {
    findings.push({
      level: 'error',
      code: 'emqx_mountpoint',
      what: `${name} puts ${mountpoint} in front of every topic (mountpoint)`,
      why: 'EMQX then asks dockhook about other topics than the dock uses: it connects and subscribes, but nobody answers its requests',
      fix: [`${setting}.mountpoint = ""`],
    });
  }
  if (proxied === true) {
    findings.push({
      level: 'warning',
      code: 'emqx_proxy_protocol',
      what: `${name} has proxy_protocol = true`,
      why: cutOff('a client that does not come through a proxy with this protocol'),
      fix: [
        `${setting}.proxy_protocol = false, unless all docks come through such a proxy (send-proxy-v2 in HAProxy)`,
      ],
    });
  }
  return allOf(findings, checkAccessRules(rules, name, setting), checkConnections(listener, name, setting));
}

/** The first rule that fits an address decides; if none fits, the client may connect (esockd_access and its caller, read). */
function checkAccessRules(rules: readonly string[], name: string, setting: string): Finding | undefined {
  const deciding = rules.map((rule) => rule.trim().toLowerCase().replace(/\s+/g, ' '));
  const [first] = deciding;
  if (first === undefined || first === 'allow all' || !deciding.some((rule) => rule.startsWith('deny')))
    return undefined;
  const shuts = first === 'deny all';
  return {
    level: shuts ? 'error' : 'warning',
    code: shuts ? 'emqx_access_rules_shut' : 'emqx_access_rules',
    what: `${name} has access_rules = ${rules.join(', ')}`,
    why: shuts ? cutOff('every client') : cutOff('a client from a denied address'),
    fix: [
      `${setting}.access_rules = ["allow all"]${shuts ? '' : ', unless the addresses of all docks are allowed'}`,
    ],
  };
}

function checkConnections(
  { max_connections, current_connections }: Listener,
  name: string,
  setting: string,
): Finding | undefined {
  const [places, taken] = [Number(max_connections), current_connections ?? 0];
  // `infinity`, or not told.
  if (!Number.isFinite(places) || max_connections === undefined || taken < places * NEARLY_FULL)
    return undefined;
  const full = taken >= places;
  return {
    level: full ? 'error' : 'warning',
    code: 'emqx_listener_full',
    what: `${name} has ${taken} of ${places} connections (max_connections)`,
    why: cutOff(full ? 'the next client' : 'each client while the listener is full'),
    fix: [`${setting}.max_connections = infinity, or more than the number of your docks`],
  };
}
