/**
 * What was last read from the store, for the minutes in which the store cannot be read: EMQX remembers a
 * refused subscribe, and a dock that lost its subscriptions is deaf until it reconnects.
 */
import { storeFault } from '../errors.js';

/** How long a record may stand in for an unreachable store, in milliseconds. */
const MAX_AGE_MS = 10 * 60_000;
const MAX_ENTRIES = 50_000;

export interface LastRead<T> {
  /** Loads, and rejects as `load` does. */
  load(key: string, load: () => Promise<T | undefined>): Promise<T | undefined>;
  /** Loads; if the store fails, answers what was last loaded, or rejects as `load` did. */
  read(key: string, load: () => Promise<T | undefined>): Promise<T | undefined>;
}

/**
 * `undefined` is "there is none". It is only remembered where there was one before: else whoever makes names
 * up could fill the memory, and push out what is needed.
 */
export function createLastRead<T>(
  maxEntries = MAX_ENTRIES,
  now: () => number = () => performance.now(),
): LastRead<T> {
  const entries = new Map<string, { value: T | undefined; at: number }>();

  /** `at` is when the load began: of two that overlap, the one that began later has the newer truth. */
  function note(key: string, value: T | undefined, at: number): void {
    const known = entries.get(key);
    if (known === undefined ? value === undefined : known.at > at) return;
    entries.delete(key);
    entries.set(key, { value, at });
    const [oldest] = entries.keys();
    if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest);
  }

  async function loaded(key: string, load: () => Promise<T | undefined>): Promise<T | undefined> {
    const at = now();
    const value = await load();
    note(key, value, at);
    return value;
  }

  return {
    load: loaded,
    async read(key, load) {
      const at = now();
      try {
        return await loaded(key, load);
      } catch (error) {
        const last = entries.get(key);
        if (storeFault(error) && last && at - last.at <= MAX_AGE_MS) return last.value;
        throw error;
      }
    },
  };
}
