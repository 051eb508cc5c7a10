/**
 * When listeners of EMQX may be opened: once every node asks dockhook. EMQX up to 5.8 opens its listeners before its
 * authenticators and hooks are there, so our configuration keeps them closed at boot, and they are started over REST.
 *
 * A start goes to all nodes of a cluster at once, and a node that is just booting carries it out before it has hooks
 * (seen on 5.8.9), so no node may be missing. "Seen" is what a running EMQX did.
 */
import { command } from '../command.js';
import { messageOf } from '../errors.js';
import { createAbsentNodes } from './absent-nodes.js';
import { answers, type ListedListener, type Node, type Provider } from './api-answers.js';
import { statusOf, type EmqxApi } from './api.js';
import { closedOn, isRunning, unknownText } from './listeners.js';
import { whatIsWrong } from './provider.js';
import { createStoppedListeners, type Span } from './stopped-listeners.js';

/** A listener is started again after this at the earliest, in milliseconds, since a start may open nothing. */
const START_AGAIN_MS = 1000;

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
  /** Ids that somebody stopped: they stay closed. */
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
  /** When EMQX told them: between its being asked and its answer. */
  told: Span;
  withoutHooks: string[];
  /** What forbids a start; undefined if nothing does. */
  obstacle?: string | undefined;
}

export interface Gate {
  /** Looks once, and starts what may be started. Rejects if EMQX gives no answer, and starts nothing more. */
  round(api: EmqxApi): Promise<Round>;
}

/** Remembers which nodes were away and which listeners ran, so use the same one round after round. */
export function createGate({ listeners, provider, now = () => performance.now() }: GateOptions): Gate {
  const absent = createAbsentNodes(now);
  const findStopped = createStoppedListeners();
  const startedAt = new Map<string, number>();

  /** Asks for nodes and hooks. */
  async function check(api: EmqxApi): Promise<Checked> {
    // Nodes first: one that joins between the two calls is only in the second answer, and forbids a start.
    const from = now();
    const nodes = await api.get('/nodes', answers.nodes);
    const told = { from, to: now() };
    const checked: Checked = { nodes, told, withoutHooks: [] };
    const missing = absent.look(nodes);
    if (missing.length > 0) return { ...checked, obstacle: `not running: ${missing.join(', ')}` };
    const found = await api.find(`/exhooks/${encodeURIComponent(provider)}`, answers.provider);
    if (!found)
      return { ...checked, obstacle: `EMQX has no provider "${provider}" (${command('emqx', 'register')})` };
    const withoutHooks = found.node_status
      .filter(({ status }) => status !== 'connected')
      .map(({ node }) => node);
    return { ...checked, withoutHooks, obstacle: whatIsWrong(found) ?? whoComesOrGoes(nodes, found) };
  }

  /** @returns what keeps it closed, or undefined if it was started */
  async function start(api: EmqxApi, id: string): Promise<string | undefined> {
    startedAt.set(id, now());
    try {
      await api.send('POST', `/listeners/${encodeURIComponent(id)}/start`, undefined);
      return undefined;
    } catch (error) {
      // Its port may be taken, or its certificate missing. The others may still open.
      if (statusOf(error) === undefined) throw error;
      return messageOf(error);
    }
  }

  async function open(api: EmqxApi): Promise<Round> {
    const { nodes, told, withoutHooks, obstacle } = await check(api);
    const round: Round = { opened: [], stopped: [], unknown: [], nodes, withoutHooks };
    if (obstacle !== undefined) return { ...round, waitingFor: obstacle };
    const listed = await api.get('/listeners', answers.listeners);
    round.listeners = listed;
    // A start goes to all nodes: where it was stopped on one, it is started on none.
    const stopped = findStopped(listed, nodes, told);
    round.stopped = listeners.filter((id) => stopped.has(id));
    round.unknown = listeners.filter((id) => !listed.some((listener) => listener.id === id));
    const closed = listed.filter(
      (listener) =>
        listeners.includes(listener.id) && closedOn(listener, nodes).length > 0 && !stopped.has(listener.id),
    );
    for (const { id } of closed) {
      if (now() - (startedAt.get(id) ?? -Infinity) < START_AGAIN_MS) {
        round.waitingFor = `${id} was started, and does not run yet`;
        continue;
      }
      // A node may have gone since.
      const again = await check(api);
      if (again.obstacle !== undefined) return { ...round, waitingFor: again.obstacle };
      const refusal = await start(api, id);
      if (refusal === undefined) round.opened.push(id);
      else round.waitingFor = refusal;
    }
    if (round.unknown.length > 0) round.waitingFor = unknownText(round.unknown, listed);
    return round;
  }

  return {
    async round(api) {
      try {
        return await open(api);
      } catch (error) {
        absent.watchAnew();
        throw error;
      }
    },
  };
}

/** Nodes that are in only one of the two answers, in one line; undefined if there are none. */
function whoComesOrGoes(nodes: readonly Node[], { node_status: asking }: Provider): string | undefined {
  const running = nodes.filter(isRunning);
  const isIn = (list: readonly { node: string }[], node: string): boolean =>
    list.some((one) => one.node === node);
  const others = [
    ...running.filter(({ node }) => !isIn(asking, node)),
    ...asking.filter(({ node }) => !isIn(running, node)),
  ];
  return others.length > 0 ? `coming or going: ${others.map(({ node }) => node).join(', ')}` : undefined;
}
