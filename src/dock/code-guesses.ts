/** Keeps a dock from trying device binding codes until one fits. */
import { createThrottle } from '../throttle.js';

/** Wrong codes at once, and the time in which one more is allowed, in milliseconds: ten a minute. */
const PER_GATEWAY = { burst: 10, refillMs: 6_000 };
/** An account that may act as any gateway could otherwise guess under one SN after the other. */
const PER_ACCOUNT = { burst: 500, refillMs: 600 };

export interface CodeGuesses {
  /**
   * Looks a code up, unless this gateway or its account has been wrong too often.
   * @param lookup resolves to the reason if the code is wrong. If it rejects, so does this, and
   * nothing is counted.
   */
  attempt<T extends object | string>(
    asker: { gateway: string; account: string },
    lookup: () => Promise<T>,
  ): Promise<T | 'too_many_wrong_codes'>;
}

/** @param now milliseconds since the epoch */
export function createCodeGuesses(now: () => number): CodeGuesses {
  const gateways = createThrottle(PER_GATEWAY, now);
  const accounts = createThrottle(PER_ACCOUNT, now);

  return {
    async attempt({ gateway, account }, lookup) {
      // By account too: what one guesses under this SN must not lock out the account whose dock it is.
      const source = JSON.stringify([account, gateway]);
      if (!gateways.take(source)) return 'too_many_wrong_codes';
      if (!accounts.take(account)) {
        gateways.giveBack(source);
        return 'too_many_wrong_codes';
      }
      let counts = false;
      try {
        const found = await lookup();
        counts = typeof found === 'string';
        return found;
      } finally {
        if (!counts) {
          gateways.giveBack(source);
          accounts.giveBack(account);
        }
      }
    },
  };
}
