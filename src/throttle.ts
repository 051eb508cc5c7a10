/** How much somebody may do at once: token buckets by key, in bounded memory. */

/** Keys remembered at most; beyond that the one untouched longest is forgotten, and so starts anew. */
const MAX_KEYS = 50_000;

interface Throttle {
  /**
   * Takes a token before an attempt, so that a hundred attempts sent at once are not all made; false if
   * there is none left.
   */
  take(key: string): boolean;
  /** Gives it back: the attempt turned out to cost nothing. */
  giveBack(key: string): void;
}

/**
 * @param burst tokens of a key that was not wrong lately
 * @param refillMs time in which one token comes back, in milliseconds
 * @param now milliseconds from any start
 */
export function createThrottle(
  burst: number,
  refillMs: number,
  now: () => number = () => performance.now(),
): Throttle {
  const buckets = new Map<string, { tokens: number; at: number }>();

  function tokensOf(key: string): number {
    const bucket = buckets.get(key);
    return bucket === undefined ? burst : Math.min(burst, bucket.tokens + (now() - bucket.at) / refillMs);
  }

  function keep(key: string, tokens: number): void {
    buckets.delete(key);
    // A full bucket is as good as none.
    if (tokens < burst) buckets.set(key, { tokens, at: now() });
    const [oldest] = buckets.keys();
    if (buckets.size > MAX_KEYS && oldest !== undefined) buckets.delete(oldest);
  }

  return {
    take(key) {
      const tokens = tokensOf(key);
      if (tokens < 1) return false;
      keep(key, tokens - 1);
      return true;
    },
    giveBack(key) {
      keep(key, Math.min(burst, tokensOf(key) + 1));
    },
  };
}
