/** Warns of listeners that an EMQX up to 5.8 has opened before its hooks are there: strangers get in. */
import { answers, type Node } from './api-answers.js';
import type { EmqxApi } from './api.js';
import type { Round } from './listener-gate.js';
import type { LogLine } from './listener-report.js';
import { closedOn, isRunning } from './listeners.js';
import { opensBeforeHooks, parseVersion } from './versions.js';

/** A node without hooks that booted longer ago than this has lost them, and is not warned of. In milliseconds. */
const BOOTING_MS = 10 * 60_000;

interface EarlyListeners {
  /** A node that has no hooks did not have its listeners opened by dockhook. Each boot is warned of once. */
  warn(api: EmqxApi, round: Round): Promise<void>;
  /** The node has its hooks: its next boot is another one. */
  forget(node: string): void;
}

export function createEarlyListeners(log: LogLine): EarlyListeners {
  const warned = new Set<string>();
  return {
    async warn(api, { nodes, withoutHooks }) {
      const booting = nodes
        .filter(isBootingAndOpensEarly)
        .filter(({ node }) => withoutHooks.includes(node) && !warned.has(node));
      if (booting.length === 0) return;
      for (const listener of await api.get('/listeners', answers.listeners)) {
        for (const { node } of booting) {
          if (closedOn(listener, nodes).includes(node)) continue;
          warned.add(node);
          log('error', { event: 'emqx_open_before_hooks', node, listener: listener.id });
        }
      }
    },
    forget(node) {
      warned.delete(node);
    },
  };
}

function isBootingAndOpensEarly(node: Node): boolean {
  const version = parseVersion(node.version ?? '');
  const { uptime = Infinity } = node;
  return isRunning(node) && version !== undefined && opensBeforeHooks(version) && uptime < BOOTING_MS;
}
