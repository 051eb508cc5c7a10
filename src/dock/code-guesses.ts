/** Keeps a dock from trying device binding codes until one fits. */
import { createGatewayThrottle, type Asker } from './gateway-throttle.js';
import { WRONG_CODES } from './limits.js';

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
