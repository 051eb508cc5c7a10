/** Whether a broker should be sent to this process: what `/readyz` and gRPC's health check say. */
import type { Database } from '../stores/database.js';

/**
 * How long the database may refuse the password before `/readyz` says 503, in milliseconds. Long enough for a password
 * to be renewed first in the database and then in a Secret, without all replicas being taken out at once.
 */
const REFUSED_MS = 60_000;

export interface Readiness {
  isReady: boolean;
  /** Why it is not ready, or will not be for long. */
  why?: string | undefined;
}

/** Not ready until `reached` is called; never ready again after `stopping`. */
export interface ReadinessState {
  now(): Readiness;
  /** The database answered. From here on an outage does not count: it would take out every replica at once. */
  reached(): void;
  notReached(why: string): void;
  stopping(): void;
}

/** @param refusal as in {@link Database}; the one fault of the database that another replica may not have */
export function createReadiness(refusal: Database['refusal'], refusedMs = REFUSED_MS): ReadinessState {
  let isReached = false;
  let isStopping = false;
  let unreached = 'the database was not reached yet';
  return {
    now() {
      if (isStopping) return { isReady: false, why: 'dockhook is stopping' };
      if (!isReached) return { isReady: false, why: unreached };
      const refused = refusal?.();
      if (refused === undefined) return { isReady: true };
      const milliseconds = performance.now() - refused.since;
      const seconds = Math.round(milliseconds / 1000);
      const why = `the database has refused the user or password of DATABASE_URL for ${seconds} s: ${refused.why}`;
      return { isReady: milliseconds < refusedMs, why };
    },
    reached() {
      isReached = true;
    },
    notReached(why) {
      unreached = why;
    },
    stopping() {
      isStopping = true;
    },
  };
}
