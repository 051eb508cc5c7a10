/** Where clients connect to EMQX, and the MQTT settings by which replies vanish or names change. */
import { answers, type Listener, type Zone } from '../../emqx/api-answers.js';
import { opensBeforeHooks, skipsWebSocketHooks } from '../../emqx/versions.js';
import { isLoopback } from '../../listen.js';
import { accountsWantCertificate } from '../check.js';
import { ofClientId } from './client-id.js';
import type { EmqxContext } from './context.js';
import { limitsOfListener } from './listener-limits.js';
import { limitsOfMqtt, ofFlapping } from './mqtt-settings.js';
import type { Finding } from '../../finding.js';

interface NamedListener extends Listener {
  id: string;
  type: string;
}

export async function checkListeners(context: EmqxContext): Promise<Finding[]> {
  const { api, accounts } = context;
  const listed = await api.get('/listeners', answers.listeners);
  const listeners: NamedListener[] = [];
  for (const { id, type, node_status: states = [] } of listed) {
    const listener = await api.find(`/listeners/${encodeURIComponent(id)}`, answers.listener);
    if (!listener) continue;
    // `enabled` is the name before 5.1.2. What was started past the configuration runs all the same.
    const isEnabled = (listener.enable ?? listener.enabled) !== false;
    if (isEnabled || states.some(({ status }) => status.running === true))
      listeners.push({ ...listener, id, type });
  }
  const findings = listeners.flatMap((listener) => ofListener(listener, context));
  const needCertificate = accounts.filter(({ certificateCn }) => certificateCn !== undefined).length;
  if (needCertificate > 0 && !listeners.some(({ ssl_options: tls }) => tls?.verify === 'verify_peer')) {
    findings.push({
      level: 'error',
      code: 'emqx_no_client_certificates',
      what: `${accountsWantCertificate(needCertificate)}, and no listener asks for one`,
      why: 'EMQX then tells dockhook no common name, and these accounts are always refused',
      fix: [
        'ssl_options.verify = verify_peer and cacertfile for a TLS listener: dockhook emqx config --listeners client-certificate',
      ],
    });
  }
  if (listeners.length === 0) {
    findings.push({
      level: 'error',
      code: 'emqx_no_listener',
      what: 'EMQX has no enabled listener',
      why: 'no dock can connect',
      fix: [howToOpen(listed.length > 0, context)],
    });
  }
  return findings;
}

function howToOpen(hasListeners: boolean, { versions, opens }: EmqxContext): string {
  if (!hasListeners || !versions.some(opensBeforeHooks)) return 'dockhook emqx config prints listeners';
  return opens.length > 0
    ? 'run dockhook serve with these settings: it opens them'
    : 'set DOCKHOOK_EMQX_LISTENERS=tcp:default,ssl:default (what dockhook emqx config closed), and restart dockhook serve';
}

function ofListener(listener: NamedListener, { versions }: EmqxContext): Finding[] {
  const { id, type, ssl_options: tls, enable_authn: asks, authentication = [], zone = 'default' } = listener;
  const bind = String(listener.bind ?? '');
  const name = `listener ${id} on ${bind}`;
  const findings: Finding[] = [];
  if (asks === false) {
    findings.push({
      level: 'error',
      code: 'emqx_listener_open',
      what: `${name} has enable_authn = false`,
      why: 'it lets everybody in, and dockhook is not asked',
      fix: [`listeners.${id.replace(':', '.')}.enable_authn = true`],
    });
  }
  if (authentication.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_listener_authentication',
      what: `${name} has an authentication of its own`,
      why: 'it takes the place of the authenticator that keeps strangers out while EMQX has no hooks',
      fix: [`take listeners.${id.replace(':', '.')}.authentication out of emqx.conf`],
    });
  }
  if ((type === 'ws' || type === 'wss') && versions.some(skipsWebSocketHooks)) {
    findings.push({
      level: 'error',
      code: 'emqx_websocket_skips_hooks',
      what: `${name} takes WebSocket clients, whose hooks crash before EMQX 5.8.5 (emqx/emqx#14543)`,
      why: 'a hook that crashes is skipped: dockhook is not asked about them',
      fix: [`listeners.${id.replace(':', '.')}.enable = false, or EMQX 5.8.5 or later`],
    });
  }
  if ((type === 'tcp' || type === 'ws') && !isLoopback(hostOf(bind))) {
    findings.push({
      level: 'warning',
      code: 'emqx_listener_plain',
      what: `${name} does not encrypt`,
      why: 'passwords and the license of your app travel in the clear',
      fix: ['connect docks over TLS (ssl://broker:8883 in Pilot 2), and let this listener bind 127.0.0.1'],
    });
  }
  // EMQX ships a pair at this place whose private key the whole world has.
  if (tls?.certfile?.endsWith('/certs/cert.pem')) {
    findings.push({
      level: 'warning',
      code: 'emqx_demo_certificate',
      what: `${name} uses the file in which EMQX ships its demo certificate (${tls.certfile})`,
      why: 'everybody has its private key; unless you replaced the file, anybody can pose as your broker',
      fix: [`listeners.${id.replace(':', '.')}.ssl_options.certfile and keyfile: your own (deploy/tls)`],
    });
  }
  findings.push(...limitsOfListener(listener, name));
  if (zone !== 'default') {
    findings.push({
      level: 'warning',
      code: 'emqx_listener_zone',
      what: `${name} is in zone "${zone}", whose MQTT settings were not checked`,
      why: 'a zone may set ignore_loop_deliver, peer_cert_as_username, or a limit for itself',
      fix: [`see that zones.${zone}.mqtt in emqx.conf sets none of what docs/emqx.md calls checked`],
    });
  }
  if (findings.length > 0) return findings;
  return [{ level: 'ok', code: 'emqx_listener', what: `${name}: ${securityOf(listener)}` }];
}

function securityOf({ ssl_options: tls, type }: NamedListener): string {
  if (type === 'tcp' || type === 'ws') return 'this machine only';
  if (tls?.verify !== 'verify_peer') return 'TLS, asks for no client certificate';
  return tls.fail_if_no_peer_cert === true
    ? 'TLS, demands a client certificate'
    : 'TLS, verifies a client certificate if there is one';
}

/** EMQX binds a bare port to all addresses. */
export function hostOf(bind: string): string {
  return bind.replace(/:?\d+$/, '').replace(/^\[|\]$/g, '');
}

export async function checkMqtt({ api, versions }: EmqxContext): Promise<Finding[]> {
  const zone = await api.get('/configs/global_zone', answers.zone);
  return [...ofMqtt(zone), ...ofClientId(zone.mqtt.clientid_override, versions)];
}

function ofMqtt({ mqtt, flapping_detect: flapping }: Zone): Finding[] {
  const findings: Finding[] = [];
  if (mqtt.ignore_loop_deliver === true) {
    findings.push({
      level: 'error',
      code: 'emqx_ignore_loop_deliver',
      what: 'mqtt.ignore_loop_deliver = true',
      why: 'a reply comes from the dock’s own session, and EMQX then keeps it from a dock that speaks MQTT 3.1.1',
      fix: ['mqtt.ignore_loop_deliver = false'],
    });
  }
  for (const [setting, place] of [
    ['peer_cert_as_username', 'account'],
    ['peer_cert_as_clientid', 'client id'],
  ] as const) {
    const value = mqtt[setting] ?? 'disabled';
    if (value === 'disabled') continue;
    findings.push({
      level: 'warning',
      code: `emqx_${setting}`,
      what: `mqtt.${setting} = ${value}`,
      why: `the certificate's ${value} takes the place of the ${place} that was typed into the dock`,
      fix: [
        `mqtt.${setting} = disabled; dockhook account add --cert-cn compares the certificate beside the account`,
      ],
    });
  }
  findings.push(...limitsOfMqtt(mqtt), ...ofFlapping(flapping));
  if (findings.length > 0) return findings;
  return [
    {
      level: 'ok',
      code: 'emqx_mqtt',
      what: 'EMQX keeps no reply from the dock that asked, and changes no account and no client id',
    },
  ];
}
