/** How long one hook may work with the store. */
import { DockhookError } from './errors.js';

/**
 * Time for all store work of one hook, in milliseconds. EMQX waits 2 s in the shipped configuration,
 * and an answer that says "store down" is worth more to a dock than none.
 */
export const STORE_BUDGET_MS = 1500;

/** Waits for store work, but not beyond the hook's budget; then rejects with `store_unavailable`. */
export type Within = <T>(work: Promise<T>) => Promise<T>;

/** Starts a hook's budget. The work itself is not cancelled: a write may still come to pass. */
export function storeBudget(milliseconds = STORE_BUDGET_MS): Within {
  const end = performance.now() + milliseconds;
  return async (work) => {
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => {
          reject(
            new DockhookError('store_unavailable', `the store did not answer within ${milliseconds} ms`),
          );
        },
        Math.max(0, end - performance.now()),
      );
    });
    try {
      return await Promise.race([work, expired]);
    } finally {
      clearTimeout(timer);
    }
  };
}
