/**
 * Turns on the event loop: however much one account asks at once, the calls of all others are answered in between.
 */

/** Calls of one account that begin in one pass of the event loop; the others wait for the next pass. */
export const CALLS_PER_PASS = 8;

/** Does a work now, or in a later pass. What one owner asks is begun in the order in which it was asked. */
type InTurn = (owner: string, work: () => void) => void;

/** @param schedule calls a function in the next pass; for tests */
export function createTurns(schedule: (next: () => void) => unknown = setImmediate): InTurn {
  let begun = new Map<string, number>();
  const waiting = new Map<string, (() => void)[]>();

  function begin(owner: string, work: () => void): void {
    if (begun.size === 0) schedule(nextPass);
    begun.set(owner, (begun.get(owner) ?? 0) + 1);
    work();
  }

  function nextPass(): void {
    begun = new Map();
    for (const [owner, works] of waiting) {
      if (works.length <= CALLS_PER_PASS) waiting.delete(owner);
      for (const work of works.splice(0, CALLS_PER_PASS)) begin(owner, work);
    }
  }

  return (owner, work) => {
    const works = waiting.get(owner);
    if (works !== undefined) works.push(work);
    else if ((begun.get(owner) ?? 0) < CALLS_PER_PASS) begin(owner, work);
    else waiting.set(owner, [work]);
  };
}
