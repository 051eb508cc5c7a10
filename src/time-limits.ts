/** How long one hook may take, and how much of that its store work. Each leaves room for the next. */
import { DockhookError } from './errors.js';

/** In which every hook answers, in milliseconds; the shipped configuration has EMQX wait 5 s. */
export const HOOK_DEADLINE_MS = 2000;

/**
 * Time for all store work of one hook, in milliseconds: an answer that says "store down" is worth more to a
 * dock than none.
 */
export const STORE_BUDGET_MS = 1500;

/** Waits for store work, but not beyond the hook's budget; then rejects with `store_unavailable`. */
export type Within = <T>(work: Promise<T>) => Promise<T>;

/** Starts a hook's budget. The work itself is not cancelled: a write may still come to pass. */
export function storeBudget(milliseconds = STORE_BUDGET_MS): Within {
  const end = performance.now() + milliseconds;
  // Made by hand: Promise.race with a timer of its own makes three times as many promises, on every read.
  return (work) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          // In a storm the loop may have been busy for so long that the answer lies in the socket: it is read first.
          setImmediate(() => {
            reject(
              new DockhookError('store_unavailable', `the store did not answer within ${milliseconds} ms`),
            );
          });
        },
        Math.max(0, end - performance.now()),
      );
      const settle =
        <Result>(how: (result: Result) => void) =>
        (result: Result): void => {
          clearTimeout(timer);
          how(result);
        };
      work.then(settle(resolve), settle(reject));
    });
}
