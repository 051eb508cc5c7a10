/** Keeps a dock from trying device binding codes until one fits. */

const MAX_WRONG_CODES = 10;
const WINDOW_MS = 60_000;
/** Gateways remembered at most; beyond that the one that has been quiet longest is forgotten. */
const MAX_GATEWAYS = 10_000;

export interface CodeGuesses {
  /**
   * Looks a code up, unless this gateway has been wrong too often in the last minute.
   * @param lookup resolves to `undefined` if the code is wrong. If it rejects, so does this, and
   * nothing is counted.
   */
  attempt<T extends object>(
    gateway: string,
    lookup: () => Promise<T | undefined>,
  ): Promise<T | 'wrong_binding_code' | 'too_many_wrong_codes'>;
}

/** @param now milliseconds since the epoch */
export function createCodeGuesses(now: () => number): CodeGuesses {
  /** Per gateway, when each of its wrong codes came in. */
  const guesses = new Map<string, number[]>();

  function remember(gateway: string, times: number[]): void {
    guesses.delete(gateway);
    if (times.length > 0) guesses.set(gateway, times);
    if (guesses.size <= MAX_GATEWAYS) return;
    for (const quietest of guesses.keys()) {
      guesses.delete(quietest);
      return;
    }
  }

  function forgive(gateway: string, time: number): void {
    const times = guesses.get(gateway) ?? [];
    const index = times.indexOf(time);
    if (index >= 0) remember(gateway, times.toSpliced(index, 1));
  }

  return {
    async attempt(gateway, lookup) {
      const time = now();
      const recent = (guesses.get(gateway) ?? []).filter((earlier) => earlier > time - WINDOW_MS);
      if (recent.length >= MAX_WRONG_CODES) return 'too_many_wrong_codes';
      // Counted before it is known to be wrong: else a hundred codes sent at once would all be tried.
      remember(gateway, [...recent, time]);
      let found;
      try {
        found = await lookup();
      } catch (error) {
        forgive(gateway, time);
        throw error;
      }
      if (found === undefined) return 'wrong_binding_code';
      forgive(gateway, time);
      return found;
    },
  };
}
