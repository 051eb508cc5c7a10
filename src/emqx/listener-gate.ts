/**
 * When listeners of EMQX may be opened: once every node asks dockhook. EMQX up to 5.8 opens its listeners before its
 * authenticators and hooks are there, so our configuration keeps them closed at boot, and they are started over REST.
 *
 * A start goes to all nodes of a cluster at once, and a node that is just booting carries it out before it has hooks
 * (seen on 5.8.9): that is why no node may be missing. "Seen" is what a running EMQX did.
 */
import { messageOf } from '../errors.js';
import { answers, type ListedListener, type Node } from './api-answers.js';
import { statusOf, type EmqxApi } from './api.js';
import { whatIsWrong } from './provider.js';

/**
 * A node that was seen stopped or missing for this long, without a gap, is taken for dead, in milliseconds: a booting
 * one is there sooner, and without such an end a dead node would keep its restarted neighbours closed for ever.
 */
const DEAD_MS = 60_000;
/** A longer time without a look is such a gap, in milliseconds. */
const GAP_MS = 5000;
/** A listener is not started again before this, in milliseconds: what opens nothing is not repeated at each look. */
const START_AGAIN_MS = 1000;
/** A node tells how long it runs this precisely; two of its starts are further apart. In milliseconds. */
const UPTIME_MS = 1000;

interface GateOptions {
  /** EMQX's ids of the listeners to open, such as `tcp:default`; no other is touched. */
  listeners: readonly string[];
  /** The provider's name in EMQX. */
  provider: string;
  /** Milliseconds from any start. */
  now?: () => number;
}

/** What one round found and did. */
export interface Round {
  /** What keeps listeners closed, in one line; undefined if all run. */
  waitingFor?: string;
  /** Ids that were started in this round. */
  opened: string[];
  /** Ids that ran since the node's start and do not any more: somebody stopped them, and that stands. */
  stopped: string[];
  /** Ids that EMQX does not have; empty if it was not asked. */
  unknown: string[];
  /** As EMQX told them; absent if it was not asked, since hooks are missing. */
  listeners?: readonly ListedListener[];
  nodes: readonly Node[];
  /** Nodes that have not reached dockhook. */
  withoutHooks: string[];
}

interface Checked {
  nodes: Node[];
  /** When they were told: between these two, which are as far apart as EMQX took to answer. */
  told: Span;
  withoutHooks: string[];
  /** What stands in the way of a start. */
  no?: string;
}

interface Span {
  from: number;
  to: number;
}

/** Remembers what it saw, so use one gate for all rounds. */
export interface Gate {
  /** Looks once, and starts what may be started. Rejects if EMQX gives no answer: that is never a yes. */
  round(api: EmqxApi): Promise<Round>;
}

/** Remembers which nodes were away, so the same one is to be used round after round. */
export function createGate({ listeners, provider, now = () => performance.now() }: GateOptions): Gate {
  /** Nodes that were seen running, and since when others are away. */
  const known = new Set<string>();
  const away = new Map<string, number>();
  const startedAt = new Map<string, number>();
  /** By listener and node: the start of the node after which it was seen running. */
  const ranSince = new Map<string, Span>();
  let lookedAt = -Infinity;

  /** Asks for nodes and hooks. */
  async function check(api: EmqxApi): Promise<Checked> {
    // In this order: a node that comes between the two is in the second answer alone, and that is a no.
    const from = now();
    const nodes = await api.get('/nodes', answers.nodes);
    const told = { from, to: now() };
    const running = nodes.filter(isRunning).map(({ node }) => node);
    const missing = whoIsAway(running, nodes);
    const answer: Checked = { nodes, told, withoutHooks: [] };
    if (missing.length > 0) return { ...answer, no: `not running: ${missing.join(', ')}` };
    const found = await api.find(`/exhooks/${encodeURIComponent(provider)}`, answers.provider);
    if (!found) return { ...answer, no: `EMQX has no provider "${provider}" (dockhook emqx register)` };
    for (const { node, status } of found.node_status)
      if (status !== 'connected') answer.withoutHooks.push(node);
    const wrong = whatIsWrong(found);
    if (wrong !== undefined) return { ...answer, no: wrong };
    const asking = found.node_status.map(({ node }) => node);
    const others = [
      ...running.filter((node) => !asking.includes(node)),
      ...asking.filter((node) => !running.includes(node)),
    ];
    return others.length > 0 ? { ...answer, no: `coming or going: ${others.join(', ')}` } : answer;
  }

  /** Nodes that do not run and may be booting. */
  function whoIsAway(running: readonly string[], listed: readonly Node[]): string[] {
    if (now() - lookedAt > GAP_MS) watchAnew();
    lookedAt = now();
    for (const node of running) {
      known.add(node);
      away.delete(node);
    }
    const names = new Set(listed.map(({ node }) => node));
    for (const node of [...known, ...names]) {
      if (!running.includes(node) && !away.has(node)) away.set(node, now());
    }
    const isDead = (node: string): boolean => now() - (away.get(node) ?? now()) >= DEAD_MS;
    for (const node of [...away.keys()].filter((one) => isDead(one) && !names.has(one))) {
      away.delete(node);
      known.delete(node);
    }
    return [...away.keys()].filter((node) => !isDead(node));
  }

  /** Who was not watched may be booting by now. */
  function watchAnew(): void {
    for (const node of away.keys()) away.set(node, now());
  }

  /** A start goes to all nodes: where it was stopped on one, it is started on none. */
  function whichWereStopped(listed: readonly ListedListener[], nodes: readonly Node[], told: Span): string[] {
    const stopped = new Set<string>();
    for (const listener of listed) {
      const closed = closedOn(listener, nodes);
      for (const { node, uptime } of nodes.filter(isRunning)) {
        if (uptime === undefined) continue;
        const boot = { from: told.from - uptime, to: told.to - uptime };
        const key = `${listener.id} ${node}`;
        const ran = ranSince.get(key);
        if (!closed.includes(node)) ranSince.set(key, boot);
        else if (ran && mayBeOne(ran, boot)) stopped.add(listener.id);
      }
    }
    return listeners.filter((id) => stopped.has(id));
  }

  async function open(api: EmqxApi): Promise<Round> {
    const { nodes, told, withoutHooks, no } = await check(api);
    if (no !== undefined)
      return { waitingFor: no, opened: [], stopped: [], unknown: [], nodes, withoutHooks };
    const listed = await api.get('/listeners', answers.listeners);
    const stopped = whichWereStopped(listed, nodes, told);
    const unknown = listeners.filter((id) => !listed.some((listener) => listener.id === id));
    const closed = listed.filter(
      (listener) =>
        listeners.includes(listener.id) &&
        closedOn(listener, nodes).length > 0 &&
        !stopped.includes(listener.id),
    );
    const round: Round = { opened: [], stopped, unknown, listeners: listed, nodes, withoutHooks };
    for (const { id } of closed) {
      if (now() - (startedAt.get(id) ?? -Infinity) < START_AGAIN_MS) {
        round.waitingFor = `${id} was started, and does not run yet`;
        continue;
      }
      // A node may have gone since.
      const again = await check(api);
      if (again.no !== undefined) return { ...round, waitingFor: again.no };
      startedAt.set(id, now());
      try {
        await api.send('POST', `/listeners/${encodeURIComponent(id)}/start`, undefined);
        round.opened.push(id);
      } catch (error) {
        // Its port is taken, its certificate missing: the others may still open.
        if (statusOf(error) === undefined) throw error;
        round.waitingFor = messageOf(error);
      }
    }
    if (unknown.length > 0) {
      round.waitingFor = unknownText(unknown, listed);
    }
    return round;
  }

  return {
    async round(api) {
      try {
        return await open(api);
      } catch (error) {
        watchAnew();
        throw error;
      }
    },
  };
}

/** Whether two boots, each known to lie in a span, may be the same. */
function mayBeOne(one: Span, other: Span): boolean {
  return one.from - UPTIME_MS < other.to && other.from - UPTIME_MS < one.to;
}

/** False also for a node whose status EMQX does not tell. */
export function isRunning({ node_status: status }: Node): boolean {
  return status === 'running';
}

/** The running nodes on which it does not run. */
export function closedOn({ node_status: states = [] }: ListedListener, nodes: readonly Node[]): string[] {
  return nodes
    .filter(isRunning)
    .map(({ node }) => node)
    .filter((node) => states.find((one) => one.node === node)?.status.running !== true);
}

/** Docks use no other type. */
export function isForDocks({ id }: { id: string }): boolean {
  return /^(?:tcp|ssl):/.test(id);
}

/** The error text for listeners that EMQX does not have. */
export function unknownText(ids: readonly string[], listed: readonly ListedListener[]): string {
  const has = listed.map(({ id }) => id).join(', ') || 'none';
  return `EMQX has no listener ${ids.join(', ')}; it has ${has} (--emqx-listeners, DOCKHOOK_EMQX_LISTENERS)`;
}
