/**
 * Nodes of EMQX that do not run and may be booting. A dead node must not keep its restarted neighbours closed for ever,
 * so one that is away for a minute is taken for dead: a booting one is there sooner.
 */
import type { Node } from './api-answers.js';
import { isRunning } from './listeners.js';

/** A node that does not run for this long, without a gap between looks, is taken for dead. In milliseconds. */
const DEAD_MS = 60_000;
/** A longer time without a look is such a gap, in milliseconds. */
const GAP_MS = 5000;

interface AbsentNodes {
  /** @returns nodes that do not run now and are not taken for dead */
  look(nodes: readonly Node[]): string[];
  /** There was a gap: who is away may be booting by now. */
  watchAnew(): void;
}

/** @param now milliseconds from any start */
export function createAbsentNodes(now: () => number): AbsentNodes {
  /** Nodes that were seen running. */
  const known = new Set<string>();
  /** Since when nodes are away. */
  const away = new Map<string, number>();
  let lookedAt = -Infinity;

  function watchAnew(): void {
    for (const node of away.keys()) away.set(node, now());
  }

  function isDead(node: string): boolean {
    return now() - (away.get(node) ?? now()) >= DEAD_MS;
  }

  return {
    look(nodes) {
      if (now() - lookedAt > GAP_MS) watchAnew();
      lookedAt = now();
      const names = nodes.map(({ node }) => node);
      const running = new Set(nodes.filter(isRunning).map(({ node }) => node));
      for (const node of running) {
        known.add(node);
        away.delete(node);
      }
      for (const node of [...known, ...names]) {
        if (!running.has(node) && !away.has(node)) away.set(node, now());
      }
      // Those that have left the cluster.
      for (const node of [...away.keys()].filter((one) => isDead(one) && !names.includes(one))) {
        away.delete(node);
        known.delete(node);
      }
      return [...away.keys()].filter((node) => !isDead(node));
    },
    watchAnew,
  };
}
