/** The listeners of EMQX: who may connect there, and how safely. */
import { EMQX_CONFIG } from '../../fixes.js';
import { command } from '../../command.js';
import { answers, type Listener } from '../../emqx/api-answers.js';
import { opensBeforeHooks, skipsWebSocketHooks } from '../../emqx/versions.js';
import { isLoopback } from '../../listen.js';
import type { EmqxContext } from './context.js';
import { checkListenerLimits } from './listener-limits.js';
import type { Finding } from '../../finding.js';
import { counted } from '../../text.js';

interface NamedListener extends Listener {
  id: string;
  type: string;
}

/** Looks only at listeners that are enabled or run. */
export async function checkListeners(context: EmqxContext): Promise<Finding[]> {
  const { api, accounts } = context;
  const listed = await api.get('/listeners', answers.listeners);
  const listeners: NamedListener[] = [];
  for (const { id, type, node_status: states = [] } of listed) {
    const listener = await api.find(`/listeners/${encodeURIComponent(id)}`, answers.listener);
    if (!listener) continue;
    // `enabled` is the name before 5.1.2. A listener that is off in the configuration may still have been started by hand.
    const isEnabled = (listener.enable ?? listener.enabled) !== false;
    if (isEnabled || states.some(({ status }) => status.running === true))
      listeners.push({ ...listener, id, type });
  }
  const findings = listeners.flatMap((listener) => checkListener(listener, context));
  const needCertificate = accounts.filter(({ certificateCn }) => certificateCn !== undefined).length;
  if (needCertificate > 0 && !listeners.some(({ ssl_options: tls }) => tls?.verify === 'verify_peer')) {
    findings.push({
      level: 'error',
      code: 'emqx_no_client_certificates',
      what: `${counted(needCertificate, 'account')} with a client certificate, and no listener asks for one`,
      why: 'without one, EMQX gives dockhook no common name, and dockhook refuses these accounts',
      fix: [
        `ssl_options.verify = verify_peer and cacertfile for a TLS listener: ${command('emqx', 'config', '--emqx-version', 'VERSION', '--listeners', 'client-certificate')}`,
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
  if (!hasListeners || !versions.some(opensBeforeHooks)) return `${EMQX_CONFIG} prints listeners`;
  return opens.length > 0
    ? 'run dockhook serve with these settings: it opens the listeners'
    : `set DOCKHOOK_EMQX_LISTENERS=tcp:default,ssl:default (those that ${EMQX_CONFIG} closes), and restart dockhook serve`;
}

function checkListener(listener: NamedListener, { versions }: EmqxContext): Finding[] {
  const { id, type, ssl_options: tls, enable_authn: asks, authentication = [], zone = 'default' } = listener;
  const bind = String(listener.bind ?? '');
  const name = `listener ${id} on ${bind}`;
  const findings: Finding[] = [];
  if (asks === false) {
    findings.push({
      level: 'error',
      code: 'emqx_listener_open',
      what: `${name} has enable_authn = false`,
      why: 'it lets everybody in, and EMQX does not ask dockhook',
      fix: [`listeners.${id.replace(':', '.')}.enable_authn = true`],
    });
  }
  if (authentication.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_listener_authentication',
      what: `${name} has an authentication of its own`,
      why: 'it replaces the authenticator that refuses everybody while EMQX has no hooks',
      fix: [`remove listeners.${id.replace(':', '.')}.authentication from emqx.conf`],
    });
  }
  if ((type === 'ws' || type === 'wss') && versions.some(skipsWebSocketHooks)) {
    findings.push({
      level: 'error',
      code: 'emqx_websocket_skips_hooks',
      what: `${name} takes WebSocket clients, and before EMQX 5.8.5 hooks crash for these (emqx/emqx#14543)`,
      why: 'EMQX skips a hook that crashes, and does not ask dockhook about these clients',
      fix: [`listeners.${id.replace(':', '.')}.enable = false, or EMQX 5.8.5 or later`],
    });
  }
  if ((type === 'tcp' || type === 'ws') && !isLoopback(hostOf(bind))) {
    findings.push({
      level: 'warning',
      code: 'emqx_listener_plain',
      what: `${name} does not encrypt`,
      why: 'everybody on the way can read passwords and the license of your app',
      fix: ['connect docks over TLS (ssl://broker:8883 in Pilot 2), and bind this listener to 127.0.0.1'],
    });
  }
  // The certificate that EMQX ships here has a private key that everybody can download.
  if (tls?.certfile?.endsWith('/certs/cert.pem')) {
    findings.push({
      level: 'warning',
      code: 'emqx_demo_certificate',
      what: `${name} uses the file of the demo certificate that EMQX ships (${tls.certfile})`,
      why: 'everybody has its private key: unless you replaced the file, anybody can pose as your broker',
      fix: [`listeners.${id.replace(':', '.')}.ssl_options.certfile and keyfile: your own (deploy/tls)`],
    });
  }
  findings.push(...checkListenerLimits(listener, name));
  if (zone !== 'default') {
    findings.push({
      level: 'warning',
      code: 'emqx_listener_zone',
      what: `${name} is in zone "${zone}", and the MQTT settings of that zone were not checked`,
      why: 'a zone may have its own ignore_loop_deliver, peer_cert_as_username and limits',
      fix: [
        `check that zones.${zone}.mqtt in emqx.conf has none of the settings that docs/emqx.md calls checked`,
      ],
    });
  }
  if (findings.length > 0) return findings;
  return [{ level: 'ok', code: 'emqx_listener', what: `${name}: ${describeSecurity(listener)}` }];
}

function describeSecurity({ ssl_options: tls, type }: NamedListener): string {
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
