/** Replaces imported hashes by ours, once their password was right. */
import { hashChosen, mayReplace } from '../password-hashes/index.js';
import type { HashQueue } from './hash-queue.js';

/** How long none is tried after a replacement failed, in milliseconds. */
const PAUSE_MS = 10 * 60_000;

/** Puts an account's new hash in place of the old one, if it still has that. @returns whether it did */
export type ReplaceHash = (name: string, oldHash: string, newHash: string) => Promise<boolean>;

/**
 * It works only when nobody waits for the answer and no check waits for its turn; otherwise a later login does it.
 * @param onReplaced told of the new hash, and of the password that it stands for
 */
export function replaceImportedHashes(
  queue: HashQueue,
  replaceHash: ReplaceHash,
  onReplaced: (name: string, newHash: string, password: string) => void,
): (name: string, passwordHash: string, password: string) => Promise<void> {
  const replacing = new Set<string>();
  let notBefore = 0;

  return async (name, passwordHash, password) => {
    const isIdle = queue.isIdle() && !replacing.has(name) && performance.now() >= notBefore;
    if (!isIdle || !mayReplace(passwordHash, password)) return;
    replacing.add(name);
    try {
      const newHash = await queue.run(() => hashChosen(password));
      if (await replaceHash(name, passwordHash, newHash)) onReplaced(name, newHash, password);
    } catch {
      // The old hash is as good as before. The store counts its failures itself.
      notBefore = performance.now() + PAUSE_MS;
    } finally {
      replacing.delete(name);
    }
  };
}
