/**
 * Tells that a session is up where the broker is not asked to, since a dock would wait for that call
 * (`emqx/mounted-hooks.ts`): when a client that was let in asks for its first topic. A yes alone does not show it, for
 * EMQX may still refuse the client. Behind a balancer that is the first topic which reaches the replica that said yes.
 */
import { createBoundedMap } from '../bounded-map.js';
import type { AccessEvent, Tell } from '../events.js';
import type { Client } from '../hooks.js';

/** A client that is forgotten before its first topic is seen at its first request. */
const MAX_CLIENTS = 50_000;
/**
 * So long after the yes, in milliseconds, a topic may still be the first one. Behind a balancer another replica may have seen
 * the first topic and the end, and a will may come long after.
 */
const MAX_AGE_MS = 60_000;

/** Holds at most 50,000 clients that were let in and have asked for no topic yet. */
export interface Arrivals {
  /** Passes each event on, and learns from it who was let in. */
  tell: Tell;
  /** A client that is connected asks whether it may use a topic. */
  asksForTopic(client: Client): void;
}

/**
 * @param tell gets each event, and `connected` of clients that came with a peer port
 * @param now monotonic clock in milliseconds; for tests
 */
export function createArrivals(tell: Tell, now = () => performance.now()): Arrivals {
  const letIn = createBoundedMap<{ yes: AccessEvent; at: number }>(MAX_CLIENTS);
  return {
    tell(event) {
      const { step, outcome, account, clientId, peerPort } = event;
      // Without a port, the broker reports `connected` itself.
      if (peerPort) {
        const key = keyOf(account, clientId);
        if (step === 'authenticate' && outcome === 'ok') letIn.set(key, { yes: event, at: now() });
        // The end of an old session comes after the yes to the new one.
        const isOver = step === 'connected' || step === 'disconnected';
        if (isOver && letIn.get(key)?.yes.peerPort === peerPort) letIn.delete(key);
      }
      tell(event);
    },
    asksForTopic({ clientId, username: account, peerPort }) {
      const key = keyOf(account, clientId);
      const known = letIn.get(key);
      if (known?.yes.peerPort !== peerPort) return;
      letIn.delete(key);
      if (now() - known.at > MAX_AGE_MS) return;
      const { peerHost = '', node = '' } = known.yes;
      tell({ step: 'connected', outcome: 'ok', clientId, account, peerHost, peerPort, node });
    },
  };
}

/** No account that may connect has a `#` in its name. */
function keyOf(account: string, clientId: string): string {
  return `${account}#${clientId}`;
}
