/** Listeners that ran since their node booted and do not run any more: somebody stopped them, and that stands. */
import type { ListedListener, Node } from './api-answers.js';
import { closedOn, isRunning } from './listeners.js';

/** A node tells its uptime this precisely, and two of its boots are further apart. In milliseconds. */
const UPTIME_MS = 1000;

/** A time that is known to lie between two others, in milliseconds. */
export interface Span {
  from: number;
  to: number;
}

/**
 * Remembers which listeners ran. The function that it returns gives the ids of those that were stopped, on one node or
 * on all; `told` is when EMQX told the uptime of its nodes.
 */
export function createStoppedListeners(): (
  listed: readonly ListedListener[],
  nodes: readonly Node[],
  told: Span,
) => Set<string> {
  /** By listener and node: the boot after which it was seen running. */
  const ranSince = new Map<string, Span>();

  return (listed, nodes, told) => {
    const stopped = new Set<string>();
    for (const listener of listed) {
      const closed = closedOn(listener, nodes);
      for (const { node, uptime } of nodes.filter(isRunning)) {
        if (uptime === undefined) continue;
        const boot = { from: told.from - uptime, to: told.to - uptime };
        const key = `${listener.id} ${node}`;
        const ran = ranSince.get(key);
        if (!closed.includes(node)) ranSince.set(key, boot);
        else if (ran && mayBeSame(ran, boot)) stopped.add(listener.id);
      }
    }
    return stopped;
  };
}

/** Whether two boots may be one. */
function mayBeSame(one: Span, other: Span): boolean {
  return one.from - UPTIME_MS < other.to && other.from - UPTIME_MS < one.to;
}
