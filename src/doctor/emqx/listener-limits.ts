/** What a listener of EMQX does to a connection or a topic before dockhook is asked. */
import type { Listener } from '../../emqx/api-answers.js';
import type { Finding } from '../../finding.js';

/** From this share of its places on, a listener is nearly full. */
const NEARLY_FULL = 0.9;

/** @param name how the listener is called in texts */
export function limitsOfListener(listener: Listener & { id: string }, name: string): Finding[] {
  const { id, mountpoint = '', proxy_protocol: proxied, access_rules: rules = [] } = listener;
  const setting = `listeners.${id.replace(':', '.')}`;
  const findings: Finding[] = [];
  if (mountpoint !== '') {
    findings.push({
      level: 'error',
      code: 'emqx_mountpoint',
      what: `${name} puts ${mountpoint} before every topic (mountpoint)`,
      why: 'a dock’s requests then have another name than EMQX asks dockhook about: it connects, subscribes, and nobody answers',
      fix: [`${setting}.mountpoint = ""`],
    });
  }
  if (proxied === true) {
    findings.push({
      level: 'warning',
      code: 'emqx_proxy_protocol',
      what: `${name} has proxy_protocol = true`,
      why: 'a client that does not come through a proxy that speaks it is cut off without a word, and dockhook hears nothing of it',
      fix: [
        `${setting}.proxy_protocol = false, unless all docks come through such a proxy (send-proxy-v2 in HAProxy)`,
      ],
    });
  }
  return [...findings, ...ofAccessRules(rules, name, setting), ...ofPlaces(listener, name, setting)];
}

/** In order; the first that fits an address decides, and none means yes (esockd_access and its caller, read). */
function ofAccessRules(rules: readonly string[], name: string, setting: string): Finding[] {
  const deciding = rules.map((rule) => rule.trim().toLowerCase().replace(/\s+/g, ' '));
  const [first] = deciding;
  if (first === undefined || first === 'allow all' || !deciding.some((rule) => rule.startsWith('deny')))
    return [];
  const shuts = first === 'deny all';
  return [
    {
      level: shuts ? 'error' : 'warning',
      code: shuts ? 'emqx_access_rules_shut' : 'emqx_access_rules',
      what: `${name} has access_rules = ${rules.join(', ')}`,
      why: shuts
        ? 'every connection is cut off before a word is said'
        : 'who comes from a denied address is cut off without a word, and dockhook hears nothing of it',
      fix: [
        `${setting}.access_rules = ["allow all"]${shuts ? '' : ', unless the addresses of all docks are allowed'}`,
      ],
    },
  ];
}

function ofPlaces(
  { max_connections, current_connections }: Listener,
  name: string,
  setting: string,
): Finding[] {
  const [places, taken] = [Number(max_connections), current_connections ?? 0];
  // `infinity`, or nothing said.
  if (!Number.isFinite(places) || max_connections === undefined || taken < places * NEARLY_FULL) return [];
  const full = taken >= places;
  return [
    {
      level: full ? 'error' : 'warning',
      code: 'emqx_listener_full',
      what: `${name} has ${taken} of ${places} connections (max_connections)`,
      why: `${full ? 'the next client is' : 'when it is full, clients are'} cut off without a word, and dockhook hears nothing of it`,
      fix: [`${setting}.max_connections = infinity, or more than you have docks`],
    },
  ];
}
