/** A map that cannot grow without end. */
import { LRUCache } from 'lru-cache';

interface BoundedMap<Value> {
  get(key: string): Value | undefined;
  has(key: string): boolean;
  set(key: string, value: Value): void;
  delete(key: string): void;
}

/** Takes the place of the last entry: an LRUCache that becomes empty clears all its places, 50 µs for 50,000. */
const PLACEHOLDER = Symbol('placeholder');

/**
 * Keeps the entries that were set last, `max` of them. Not a `Map`: of 50,000 entries, one that is set again and again
 * takes 100 µs each time, for V8 keeps its deleted forms for a while and goes through them.
 */
export function createBoundedMap<Value extends object | string | true>(max: number): BoundedMap<Value> {
  // Made for the first entry: empty, an LRUCache of 50,000 takes 1 MB.
  let entries: LRUCache<string | symbol, Value | true> | undefined;
  return {
    // Only `set` counts as use.
    get: (key) => entries?.peek(key) as Value | undefined,
    has: (key) => entries?.has(key) ?? false,
    set(key, value) {
      entries ??= new LRUCache({ max });
      entries.set(key, value);
    },
    delete(key) {
      if (entries?.size === 1 && entries.has(key)) entries.set(PLACEHOLDER, true);
      entries?.delete(key);
    },
  };
}
