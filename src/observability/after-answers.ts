/**
 * Work that no answer waits for: logs, metrics, the timeline. It is put off for a moment, so that it does not delay an
 * answer. The work of many calls is then done at once, which costs less than doing each between two calls.
 */

/** How long it is put off, in milliseconds. */
const PUT_OFF_MS = 5;

/** Neither call throws, whatever the work throws. */
export interface Afterwards {
  /** Works are done in the order in which they were put off. One that throws is reported, and keeps no other back. */
  putOff(work: () => void): void;
  /** Does now what waits, for a caller that wants to read the outcome. */
  flush(): void;
}

/** `onError` is told what a work threw; what it throws itself is lost. */
export function createAfterwards(onError: (error: unknown) => void): Afterwards {
  let waiting: (() => void)[] = [];

  function flush(): void {
    const works = waiting;
    waiting = [];
    for (const work of works) {
      try {
        work();
      } catch (error) {
        report(error);
      }
    }
  }

  function report(error: unknown): void {
    try {
      onError(error);
    } catch {
      // Nobody is left to be told.
    }
  }

  return {
    putOff(work) {
      if (waiting.push(work) === 1) setTimeout(flush, PUT_OFF_MS);
    },
    flush,
  };
}
