/**
 * Disconnects clients that connected to an EMQX up to 5.8 before it had its hooks: nobody checked their passwords. In
 * doubt a client stays, since one that was checked must not lose its session.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { EmqxApi } from './api.js';
import { clientsUntil, disconnect, forEachClient } from './clients.js';
import type { Round } from './listener-gate.js';
import type { LogLine } from './listener-report.js';
import { closedOn } from './listeners.js';

/** A node that asks for hooks later after its boot than this may have had some before, in milliseconds. */
const FIRST_HOOKS_MS = 60_000;
/** A node tells its uptime this precisely, in milliseconds. */
const BOOT_MS = 1000;
/** EMQX shows its clock in whole seconds: how long dockhook looks at it, and how often, in milliseconds. */
const CLOCK_MS = 1000;
const CLOCK_LOOK_MS = 50;
/** Early clients are looked for at most this long, in milliseconds. */
const SEARCH_MS = 5 * 60_000;

const WAS_OPEN =
  'clients came through it before EMQX had its hooks: emqx.conf does not keep it closed, and strangers get in while ' +
  'EMQX starts';

const STARTED_LATER =
  'EMQX was started before dockhook: dockhook cannot tell which clients connected before EMQX had its hooks, and ' +
  'disconnects none. A dock among them gets no answers until it connects again';

const NO_CLOCK =
  'EMQX answers without its time (no Date header), so dockhook cannot disconnect clients that connected before EMQX had ' +
  'its hooks. Check that no proxy removes the header';

interface EarlyClientsOptions {
  /** Those that dockhook opens. */
  listeners: readonly string[];
  log: LogLine;
  /** Since when dockhook knows which nodes had hooks, by `performance.now()`. */
  since: number;
  /** Breaks off what is under way. */
  signal: AbortSignal;
}

interface EarlyClients {
  /** A node is about to mount the hooks. */
  mounting(node: string, uptimeMs: number | undefined): void;
  /** A node has the hooks. */
  hooked(node: string): void;
  /** Disconnects the early clients of nodes that have mounted the hooks since the last time. */
  disconnect(api: EmqxApi, round: Round): Promise<void>;
}

/** A node whose early clients are to be disconnected. */
interface Mount {
  node: string;
  at: number;
  /** Whether the node had no hooks before, as far as dockhook can know. */
  isFirst: boolean;
  /** Listeners that ran before dockhook opened any; undefined until EMQX was asked. */
  ran?: ReadonlySet<string>;
  /** `at` by EMQX's clock. */
  until?: number | undefined;
}

/** Remembers which nodes had hooks and when, so use the same one for as long as `serve` runs. */
export function createEarlyClients({ listeners, log, since, signal }: EarlyClientsOptions): EarlyClients {
  const mounts = new Map<string, Mount>();
  /** When each node last had hooks: clients that came after its boot may have been checked. */
  const hookedAt = new Map<string, number>();

  async function disconnectBefore(api: EmqxApi, mount: Mount, ran: ReadonlySet<string>): Promise<void> {
    const { node, at, isFirst } = mount;
    if (isFirst) mount.until ??= await emqxTime(api, at, signal);
    if (mount.until === undefined) {
      log('warn', {
        event: 'emqx_early_clients_not_sought',
        node,
        detail: isFirst ? NO_CLOCK : STARTED_LATER,
      });
      return;
    }
    const clients = await clientsUntil(api, { node, listeners: ran, until: mount.until });
    const { done, failure } = await forEachClient(clients, (id) => disconnect(api, id));
    if (done.length > 0) {
      const ours = listeners.filter((id) => clients.some(({ listener }) => listener === id));
      if (ours.length > 0)
        log('warn', { event: 'emqx_listener_was_open', node, listeners: ours, detail: WAS_OPEN });
      log('warn', { event: 'emqx_early_clients_disconnected', node, clients: done.length });
    }
    if (failure instanceof Error) throw failure;
  }

  return {
    mounting(node, uptimeMs) {
      const now = performance.now();
      const before = hookedAt.get(node) ?? -Infinity;
      hookedAt.set(node, now);
      if (listeners.length === 0 || uptimeMs === undefined || uptimeMs >= FIRST_HOOKS_MS) return;
      const boot = now - uptimeMs - BOOT_MS;
      if (before < boot) mounts.set(node, { node, at: now, isFirst: since < boot });
    },
    hooked(node) {
      hookedAt.set(node, performance.now());
    },
    async disconnect(api, round) {
      // Without the list of listeners, not every node is known to have hooks.
      if (round.listeners === undefined) return;
      for (const { node } of round.nodes) hookedAt.set(node, performance.now());
      for (const [node, mount] of mounts) {
        if (performance.now() - mount.at > SEARCH_MS) mounts.delete(node);
        // It may be a node of another cluster.
        if (!round.nodes.some((one) => one.node === node)) continue;
        mount.ran ??= listenersThatRan(node, round);
        if (mount.ran.size > 0) await disconnectBefore(api, mount, mount.ran);
        // It may have started again meanwhile.
        if (mounts.get(node) === mount) mounts.delete(node);
      }
    },
  };
}

/** On this node, before dockhook opened any in this round. */
function listenersThatRan(node: string, { listeners = [], nodes, opened }: Round): ReadonlySet<string> {
  const ran = listeners.filter(
    (listener) => !closedOn(listener, nodes).includes(node) && !opened.includes(listener.id),
  );
  return new Set(ran.map(({ id }) => id));
}

/**
 * What EMQX's clock showed at a time of `performance.now()`, and never more. What it shows is nearest to the truth just
 * after it has changed, so it is looked at for a second.
 */
async function emqxTime(api: EmqxApi, then: number, signal: AbortSignal): Promise<number | undefined> {
  let ahead = -Infinity;
  for (const end = performance.now() + CLOCK_MS; performance.now() < end;) {
    const shown = await api.clock();
    if (shown === undefined) return undefined;
    ahead = Math.max(ahead, shown - performance.now());
    await pause(CLOCK_LOOK_MS, undefined, { signal });
  }
  return then + ahead;
}
