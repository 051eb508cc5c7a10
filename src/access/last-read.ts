/**
 * What was last read from the store, for the minutes in which the store cannot be read: EMQX remembers a
 * refused subscribe, and a dock that lost its subscriptions is deaf until it reconnects.
 */
import { hasCode } from '../errors.js';

/** How long a record may stand in for an unreachable store, in milliseconds. */
const MAX_AGE_MS = 10 * 60_000;
const MAX_ENTRIES = 50_000;

export interface LastRead<T> {
  /** Loads; if the store fails, answers what was last loaded, or rejects as `load` did. */
  read(key: string, load: () => Promise<T>): Promise<T>;
  note(key: string, value: T): void;
}

export function createLastRead<T>(now: () => number = () => performance.now()): LastRead<T> {
  const entries = new Map<string, { value: T; at: number }>();

  function note(key: string, value: T): void {
    entries.delete(key);
    entries.set(key, { value, at: now() });
    const [oldest] = entries.keys();
    if (entries.size > MAX_ENTRIES && oldest !== undefined) entries.delete(oldest);
  }

  return {
    note,
    async read(key, load) {
      try {
        const value = await load();
        note(key, value);
        return value;
      } catch (error) {
        const last = entries.get(key);
        const storeFailed = hasCode(error, 'store_unavailable') || hasCode(error, 'bad_row');
        if (storeFailed && last && now() - last.at <= MAX_AGE_MS) return last.value;
        throw error;
      }
    },
  };
}
