/** EMQX's authorization cache of one client: 32 entries, one minute (its defaults), denials too. */

const MAX_ENTRIES = 32;
const TTL_MS = 60_000;

/** Answers from the cache, or asks and remembers the answer. */
export type AskOnce = (key: string, ask: () => Promise<boolean>) => Promise<boolean>;

/** @param now milliseconds on any steady clock */
export function authorizeCache(now: () => number = () => performance.now()): AskOnce {
  const entries = new Map<string, { allowed: boolean; until: number }>();
  return async (key, ask) => {
    const known = entries.get(key);
    if (known && known.until > now()) return known.allowed;
    const allowed = await ask();
    entries.delete(key);
    const [oldest] = entries.keys();
    if (entries.size >= MAX_ENTRIES && oldest !== undefined) entries.delete(oldest);
    entries.set(key, { allowed, until: now() + TTL_MS });
    return allowed;
  };
}
