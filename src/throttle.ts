/** How much somebody may do at once: token buckets by key, in bounded memory. */
import { createBoundedMap } from './bounded-map.js';

/** Keys remembered at most; beyond that the one untouched longest is forgotten, and so starts anew. */
const MAX_KEYS = 50_000;

/** What one key may do. */
export interface Rate {
  /** Tokens of a key that took none lately. */
  burst: number;
  /** Time in which one token comes back, in milliseconds. */
  refillMs: number;
}

interface Throttle {
  /**
   * Takes a token before an attempt, so that a hundred attempts sent at once are not all made; false if
   * there is none left.
   */
  take(key: string): boolean;
  /** Gives it back: the attempt turned out to cost nothing. */
  giveBack(key: string): void;
}

/** @param now milliseconds from any start */
export function createThrottle(
  { burst, refillMs }: Rate,
  now: () => number = () => performance.now(),
): Throttle {
  const buckets = createBoundedMap<{ tokens: number; at: number }>(MAX_KEYS);

  function tokensLeft(key: string): number {
    const bucket = buckets.get(key);
    return bucket === undefined ? burst : Math.min(burst, bucket.tokens + (now() - bucket.at) / refillMs);
  }

  function keep(key: string, tokens: number): void {
    // A full bucket is as good as none.
    if (tokens < burst) buckets.set(key, { tokens, at: now() });
    else buckets.delete(key);
  }

  return {
    take(key) {
      const tokens = tokensLeft(key);
      if (tokens < 1) return false;
      keep(key, tokens - 1);
      return true;
    },
    giveBack(key) {
      keep(key, Math.min(burst, tokensLeft(key) + 1));
    },
  };
}
