/** What kind of gateway an SN is. It decides what the gateway needs of dockhook. Pure. */
import type { DockFacts } from './facts.js';
import type { History } from './history.js';

export type GatewayKind =
  /** Needs the license and a binding. */
  | 'dock'
  /** Needs neither: a remote controller with DJI Pilot 2. */
  | 'remote controller'
  /** It says `update_topo` without a domain, and does nothing that only docks do: of unknown kind, and needs nothing. */
  | 'gateway';

/** `domain` in `update_topo` (DJI Cloud API, "Device topology update"); models come and go, and decide nothing. */
const KINDS: Readonly<Record<string, GatewayKind>> = { '2': 'remote controller', '3': 'dock' };

/** What only docks ask for. */
const DOCK_METHODS = new Set([
  'config',
  'airport_bind_status',
  'airport_organization_get',
  'airport_organization_bind',
]);

/** `domain-type-sub_type`, as the gateway said last or as it was bound. */
export function modelKeyOf({ own }: Pick<History, 'own'>, { sn, bindings }: DockFacts): string | undefined {
  const said = own.findLast(({ details }) => details.modelKey !== undefined)?.details.modelKey;
  return said ?? (bindings.get(sn)?.modelKey || undefined);
}

/** An SN of which nothing is known is taken for a dock: that is what operators list first. */
export function gatewayKind(history: Pick<History, 'own'>, facts: DockFacts): GatewayKind {
  const [domain = ''] = modelKeyOf(history, facts)?.split('-') ?? [];
  const known = KINDS[domain];
  if (known !== undefined) return known;
  const actsAsDock =
    facts.bindings.get(facts.sn)?.gateway === facts.sn ||
    history.own.some(({ step, details }) => step === 'request' && DOCK_METHODS.has(details.method ?? ''));
  return !actsAsDock && history.own.some(({ step }) => step === 'status') ? 'gateway' : 'dock';
}
