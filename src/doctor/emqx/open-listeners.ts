/**
 * Whether EMQX starts with its doors closed, where it must: up to 5.8 its listeners open before its authenticators and
 * hooks are there. What emqx.conf says REST does not show, only what is in force now; but a listener that runs and that
 * dockhook is not to open was opened by EMQX itself.
 */
import { answers, type ListedListener } from '../../emqx/api-answers.js';
import { closedOn, isForDocks, isRunning } from '../../emqx/listener-gate.js';
import { opensBeforeHooks } from '../../emqx/versions.js';
import { isLoopback } from '../../listen.js';
import type { EmqxContext } from './context.js';
import { hostOf } from './listeners.js';
import type { Finding } from '../../finding.js';

export async function checkDoors({ api, versions, opens }: EmqxContext): Promise<Finding[]> {
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
        'before 5.9 EMQX opens listeners before its authenticators and hooks are there; who comes in then with a wrong ' +
        'password stays and gets the license, and docks are left without answers',
      fix: [closeAndLetOpen(early, opens)],
    });
  }
  if (local.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_open_at_start_local',
      what: `open from the start of EMQX, for this machine alone: ${local.map(({ id }) => id).join(', ')}`,
      why: 'before 5.9 that is too early; a proxy that leads there must wait until EMQX has its hooks',
      fix: [
        'let the proxy ask EMQX, as deploy/emqx/haproxy.cfg does; or close the listener and let dockhook open it',
      ],
    });
  }
  for (const listener of closed) {
    findings.push({
      level: 'error',
      code: 'emqx_listener_closed',
      what: `listener ${listener.id} is closed on ${closedOn(listener, nodes).join(', ')}`,
      why: 'dockhook is to open it and has not: no dock can connect there',
      fix: ['run dockhook serve with these settings; its log says what it waits for (emqx_listeners_closed)'],
    });
  }
  if (unknown.length > 0) {
    findings.push({
      level: 'error',
      code: 'emqx_listener_unknown',
      what: `DOCKHOOK_EMQX_LISTENERS names ${unknown.join(', ')}, which EMQX does not have`,
      why: 'nothing can be opened under this name',
      fix: [`write ids of EMQX: ${listed.map(({ id }) => id).join(', ')}`],
    });
  }
  // That no dock can connect is told of the listeners.
  if (findings.length > 0 || (opens.length === 0 && open.length === 0)) return findings;
  return [
    {
      level: 'ok',
      code: 'emqx_doors',
      what:
        `dockhook opens ${opens.join(', ') || 'no listener'}, and no other runs. EMQX does not tell what emqx.conf says: after its ` +
        'next restart the log of dockhook must say emqx_listener_opened for each',
    },
  ];
}

/** Only listeners that docks use are to be opened again. */
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
