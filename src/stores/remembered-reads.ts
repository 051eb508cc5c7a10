/**
 * Values that were read from the database: good while they are fresh, and for ten minutes more while the database
 * cannot be read. EMQX remembers a refused subscribe, and a dock that lost its subscriptions is deaf until it
 * reconnects.
 */
import { LRUCache } from 'lru-cache';
import { storeFault, type StoreFault } from '../errors.js';
import { bucketOf, type Changes, type Kind } from './changes.js';

/** How long a value may stand in for an unreachable database, in milliseconds. */
const MAX_AGE_MS = 10 * 60_000;
/** Of each kind; all kinds together then take about 100 MB. */
const MAX_ENTRIES = 50_000;
/** Keys of which it is remembered that there is no such record. Anybody can make them up, so they have a place of their own. */
const MAX_ABSENT = 10_000;

/** A value, and why it is not the newest, if that is so. */
export interface Recalled<T> {
  value: T | undefined;
  fault?: StoreFault | undefined;
}

/** Keeps what was read by key. Undefined means that there is no such thing. */
export interface Memory<T> {
  /** A fresh value, else what `load` reads. Rejects as `load` does. */
  get(key: string, load: () => Promise<T | undefined>): Promise<T | undefined>;
  /**
   * Fresh values, and what `load` reads of the other keys. Rejects as `load` does.
   * @param isAbsenceTrusted whether `load` need not look for a key that was absent
   */
  getMany(
    keys: readonly string[],
    load: (keys: readonly string[]) => Promise<ReadonlyMap<string, T>>,
    isAbsenceTrusted: boolean,
  ): Promise<Map<string, T>>;
  /** A fresh value, if there is one. */
  peek(key: string): T | undefined;
  /** As `get`; but where the database is at fault, what was last read, or rejects as `load` does. */
  recall(key: string, load: () => Promise<T | undefined>): Promise<Recalled<T>>;
}

interface MemoryOptions {
  /** While they are heard, a value is fresh until the next change in its bucket. Without them none ever is. */
  changes?: Changes | undefined;
  /** What the keys are in notifications of changes. */
  kind?: Kind | undefined;
  /** For how long a value can be recalled, in milliseconds. */
  maxAgeMs?: number | undefined;
  /** Monotonic clock in milliseconds; for tests. */
  now?: (() => number) | undefined;
}

interface Entry<T> {
  value: T | undefined;
  /** When it was last known to be true: when its read began, or when it was found to be fresh. */
  at: number;
  bucket: number;
  /** The count of changes in the bucket for which it is fresh. */
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

/** What is absent is fresh as well as what is there; but it can be recalled only where there was a value before. */
function memoryOf<T>(
  entries: Entries<T>,
  { changes, kind, maxAgeMs = MAX_AGE_MS, now = () => performance.now() }: MemoryOptions,
): Memory<T> {
  // Made for the first one: empty, an LRUCache of 10,000 takes 200 KB, and there may be many memories.
  let absent: LRUCache<string, Entry<T>> | undefined;

  function fresh(key: string, at: number): Entry<T> | undefined {
    if (changes?.areHeard() !== true) return undefined;
    const entry = entries.get(key) ?? absent?.get(key);
    if (entry === undefined || entry.count !== changes.count(entry.bucket)) return undefined;
    entry.at = at;
    return entry;
  }

  /** An entry for what is read from now on. */
  function begin(key: string, at: number): Entry<T> {
    const bucket = changes === undefined || kind === undefined ? 0 : bucketOf(kind, key);
    const count = changes?.areHeard() === true ? changes.count(bucket) : undefined;
    return { value: undefined, at, bucket, count };
  }

  /** Of two reads that overlap, the one that began later has the newer truth. */
  function note(key: string, entry: Entry<T>, value: T | undefined): void {
    entry.value = value;
    // What was read while something changed may be from before it.
    if (entry.count !== changes?.count(entry.bucket)) entry.count = undefined;
    const known = entries.get(key);
    if (known === undefined && value === undefined) {
      if (entry.count !== undefined) (absent ??= new LRUCache({ max: MAX_ABSENT })).set(key, entry);
      return;
    }
    if (known !== undefined && known.at > entry.at) return;
    // Without a beat nothing was missed if none was counted: what was read then is as fresh as what was known.
    entry.count ??= known?.count;
    entries.set(key, entry);
    absent?.delete(key);
  }

  async function get(key: string, load: () => Promise<T | undefined>): Promise<T | undefined> {
    const at = now();
    const known = fresh(key, at);
    if (known !== undefined) return known.value;
    const entry = begin(key, at);
    const value = await load();
    note(key, entry, value);
    return value;
  }

  return {
    get,
    peek: (key) => fresh(key, now())?.value,
    async getMany(keys, load, isAbsenceTrusted) {
      const at = now();
      const found = new Map<string, T>();
      const reading = new Map<string, Entry<T>>();
      for (const key of keys) {
        const known = fresh(key, at);
        if (known?.value !== undefined) found.set(key, known.value);
        else if (known === undefined || !isAbsenceTrusted) reading.set(key, begin(key, at));
      }
      if (reading.size === 0) return found;
      const read = await load([...reading.keys()]);
      for (const [key, entry] of reading) {
        const value = read.get(key);
        note(key, entry, value);
        if (value !== undefined) found.set(key, value);
      }
      return found;
    },
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
