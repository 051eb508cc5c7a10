/** Keeps a dock from trying device binding codes until one fits. */
import { createGatewayThrottle, type Asker } from './gateway-throttle.js';

/** Wrong device binding codes at once, and the time in which one more is allowed, in milliseconds. */
const WRONG_CODES = {
  /** Ten a minute. */
  perGateway: { burst: 10, refillMs: 6_000 },
  /** Without this limit, an account that may act as any gateway could guess under one SN after the other. */
  perAccount: { burst: 500, refillMs: 600 },
};

interface CodeGuesses {
  /**
   * Looks a code up, unless this gateway or its account has been wrong too often.
   * @param lookup resolves to the reason if the code is wrong. If it rejects, so does this, and
   * nothing is counted.
   */
  attempt<T extends object | string>(
    asker: Asker,
    lookup: () => Promise<T>,
  ): Promise<T | 'too_many_wrong_codes'>;
}

/** @param now milliseconds since the epoch */
export function createCodeGuesses(now: () => number): CodeGuesses {
  const wrongCodes = createGatewayThrottle(WRONG_CODES, now);

  return {
    async attempt(asker, lookup) {
      if (!wrongCodes.take(asker)) return 'too_many_wrong_codes';
      let counts = false;
      try {
        const found = await lookup();
        counts = typeof found === 'string';
        return found;
      } finally {
        if (!counts) wrongCodes.giveBack(asker);
      }
    },
  };
}
