/**
 * Whether listeners are closed when EMQX starts. Up to 5.8 they must be: EMQX opens them before it has authenticators and
 * hooks, and dockhook opens them later. REST does not show what emqx.conf says, only what holds now. But a listener that
 * runs, and that dockhook does not open, was opened by EMQX itself.
 */
import { answers, type ListedListener } from '../../emqx/api-answers.js';
import { closedOn, isForDocks, isRunning } from '../../emqx/listeners.js';
import { opensBeforeHooks } from '../../emqx/versions.js';
import { isLoopback } from '../../listen.js';
import type { EmqxContext } from './context.js';
import { hostOf } from './listeners.js';
import type { Finding } from '../../finding.js';

/** Finds nothing from EMQX 5.9 on, which opens its listeners after its hooks. */
export async function checkOpenListeners({ api, versions, opens }: EmqxContext): Promise<Finding[]> {
  if (!versions.some(opensBeforeHooks)) return [];
  const nodes = await api.get('/nodes', answers.nodes);
  const listed = await api.get('/listeners', answers.listeners);
  const running = nodes.filter(isRunning).length;
  const open = listed.filter((listener) => closedOn(listener, nodes).length < running);
  const others = open.filter(({ id }) => !opens.includes(id));
  const [early, local] = [others.filter((one) => !isLocal(one)), others.filter(isLocal)];
  const closed = listed.filter(
    (listener) => opens.includes(listener.id) && closedOn(listener, nodes).length > 0,
  );
  const unknown =
    listed.length > 0 ? opens.filter((id) => !listed.some((listener) => listener.id === id)) : [];
  const findings: Finding[] = [];
  if (early.length > 0) {
    findings.push({
      level: 'error',
      code: 'emqx_open_at_start',
      what: `open from the start of EMQX: ${early.map(({ id }) => id).join(', ')}`,
      why:
        'before 5.9, EMQX opens listeners before it has authenticators and hooks. A client that connects then with a wrong ' +
        'password stays connected and gets the license, and docks get no answers',
      fix: [closeAndLetOpen(early, opens)],
    });
  }
  if (local.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_open_at_start_local',
      what: `open from the start of EMQX, for its own machine only: ${local.map(({ id }) => id).join(', ')}`,
      why: 'before 5.9 that is too early: a proxy in front of it must wait until EMQX has its hooks',
      fix: [
        'let the proxy ask EMQX, as deploy/emqx/haproxy.cfg does',
        'or close the listener, and let dockhook open it',
      ],
    });
  }
  for (const listener of closed) {
    findings.push({
      level: 'error',
      code: 'emqx_listener_closed',
      what: `listener ${listener.id} is closed on ${closedOn(listener, nodes).join(', ')}`,
      why: 'it is to be opened by dockhook, and is still closed: no dock can connect there',
      fix: [
        'run dockhook serve with these settings; its log says what it is waiting for (emqx_listeners_closed)',
      ],
    });
  }
  if (unknown.length > 0) {
    findings.push({
      level: 'error',
      code: 'emqx_listener_unknown',
      what: `DOCKHOOK_EMQX_LISTENERS names ${unknown.join(', ')}, which EMQX does not have`,
      why: 'a listener that does not exist cannot be opened',
      fix: [`use the ids that EMQX has: ${listed.map(({ id }) => id).join(', ')}`],
    });
  }
  // If no listener is open at all, the check of the listeners says so.
  if (findings.length > 0 || (opens.length === 0 && open.length === 0)) return findings;
  return [
    {
      level: 'ok',
      code: 'emqx_doors',
      what:
        `dockhook opens ${opens.join(', ') || 'no listener'}, and no other runs. EMQX does not show what emqx.conf says: after its ` +
        'next restart the log of dockhook must say emqx_listener_opened for each',
    },
  ];
}

/** Of the listeners that are closed, dockhook opens only those that docks use. */
function closeAndLetOpen(early: readonly ListedListener[], opens: readonly string[]): string {
  const close = early.map(({ id }) => `listeners.${id.replace(':', '.')}.enable = false`).join(', ');
  const forDocks = early.filter(isForDocks).map(({ id }) => id);
  const open =
    forDocks.length === 0
      ? ''
      : `; then set DOCKHOOK_EMQX_LISTENERS=${[...opens, ...forDocks].join(',')} for dockhook serve, which opens them in time`;
  return `in emqx.conf of every node: ${close}${open}`;
}

function isLocal({ bind = '' }: ListedListener): boolean {
  return isLoopback(hostOf(String(bind)));
}
