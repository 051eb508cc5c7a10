/**
 * Values that were read from the database: good while they are fresh, and for ten minutes more while the database
 * cannot be read. EMQX remembers a refused subscribe, and a dock that lost its subscriptions is deaf until it
 * reconnects.
 */
import { LRUCache } from 'lru-cache';
import { storeFault, type StoreFault } from '../errors.js';

/** How long a value may stand in for an unreachable database, in milliseconds. */
const MAX_AGE_MS = 10 * 60_000;
const MAX_ENTRIES = 50_000;

/** What is heard of changes in the database; see `account-changes.ts`. */
export interface Changes {
  /** Whether all changes that are older than a second have been counted. */
  areHeard(): boolean;
  /** Goes up with each change, and when some may have been missed. */
  count(): number;
}

/** A value, and why it is not the newest, if that is so. */
export interface Recalled<T> {
  value: T | undefined;
  fault?: StoreFault | undefined;
}

/** Keeps what was read by key. Undefined means that there is no such thing. */
export interface Memory<T> {
  /** A fresh value, else what `load` reads. Rejects as `load` does. */
  get(key: string, load: () => Promise<T | undefined>): Promise<T | undefined>;
  /** As `get`; but where the database is at fault, what was last read, or rejects as `load` does. */
  recall(key: string, load: () => Promise<T | undefined>): Promise<Recalled<T>>;
}

interface MemoryOptions {
  /** While they are heard, a value is fresh until the next change. Without them none ever is. */
  changes?: Changes | undefined;
  /** For how long a value can be recalled, in milliseconds. */
  maxAgeMs?: number | undefined;
  /** Monotonic clock in milliseconds; for tests. */
  now?: (() => number) | undefined;
}

interface Entry<T> {
  value: T | undefined;
  /** When it was last known to be true: when its read began, or when it was found to be fresh. */
  at: number;
  /** The count of changes for which it is fresh. */
  count: number | undefined;
}

interface Entries<T> {
  get(key: string): Entry<T> | undefined;
  set(key: string, entry: Entry<T>): unknown;
}

/** The entries that were set last, `max` of them: few, or `set` becomes slow (see `bounded-map.ts`). */
class LastEntries<T> extends Map<string, Entry<T>> {
  constructor(private readonly max: number) {
    super();
  }

  override set(key: string, entry: Entry<T>): this {
    this.delete(key);
    super.set(key, entry);
    const [oldest] = this.keys();
    if (this.size > this.max && oldest !== undefined) this.delete(oldest);
    return this;
  }
}

/** Remembers the 50,000 values that were used last. */
export function createMemory<T>(options: MemoryOptions = {}): Memory<T> {
  return memoryOf(new LRUCache<string, Entry<T>>({ max: MAX_ENTRIES }), options);
}

/**
 * A memory for each owner, of the values that it set last: no owner can push out those of another. Of the owners, the
 * 50,000 that were used last have one.
 * @param max values of one owner
 */
export function createMemories<T>(max: number, options: MemoryOptions = {}): (owner: string) => Memory<T> {
  const memories = new LRUCache<string, Memory<T>>({
    max: MAX_ENTRIES,
    // An LRUCache of 200 takes 5 KiB although it is empty, 25 times as much as a map.
    memoMethod: () => memoryOf(new LastEntries<T>(max), options),
  });
  return (owner) => memories.memo(owner);
}

/**
 * `undefined` is "there is none". It is never fresh, and remembered only where there was a value before: else whoever
 * makes names up could fill the memory.
 */
function memoryOf<T>(
  entries: Entries<T>,
  { changes, maxAgeMs = MAX_AGE_MS, now = () => performance.now() }: MemoryOptions,
): Memory<T> {
  function fresh(key: string): Entry<T> | undefined {
    if (changes?.areHeard() !== true) return undefined;
    const entry = entries.get(key);
    return entry?.value !== undefined && entry.count === changes.count() ? entry : undefined;
  }

  /** Of two reads that overlap, the one that began later has the newer truth. */
  function note(key: string, entry: Entry<T>): void {
    const known = entries.get(key);
    if (known === undefined ? entry.value === undefined : known.at > entry.at) return;
    entries.set(key, { ...entry, count: entry.count ?? known?.count });
  }

  async function get(key: string, load: () => Promise<T | undefined>): Promise<T | undefined> {
    const at = now();
    const known = fresh(key);
    if (known !== undefined) {
      known.at = at;
      return known.value;
    }
    const before = changes?.areHeard() === true ? changes.count() : undefined;
    const value = await load();
    // What was read while something changed may be from before it.
    note(key, { value, at, count: before === changes?.count() ? before : undefined });
    return value;
  }

  return {
    get,
    async recall(key, load) {
      const at = now();
      try {
        return { value: await get(key, load) };
      } catch (error) {
        const fault = storeFault(error);
        const last = entries.get(key);
        if (fault !== undefined && last !== undefined && at - last.at <= maxAgeMs)
          return { value: last.value, fault };
        throw error;
      }
    },
  };
}
