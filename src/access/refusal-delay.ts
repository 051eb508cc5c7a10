/**
 * When refusals leave. How long an answer took would tell whether there is such an account: one that is in memory is
 * found sooner than one that is not there, a slow hash takes its time, and even a timer set after either ends in
 * another millisecond. So a refusal's time follows from its arrival alone. It leaves with all others of its tick, in
 * the order in which they came.
 */

/** Between two ticks, in milliseconds. */
export const TICK_MS = 50;

export interface Departures {
  /** @param at earliest time to leave, in milliseconds by the same clock */
  book(at: number): Departure;
}

export interface Departure {
  /** A tick earlier: what is decided by then is decided without haste. */
  decideBy: Promise<void>;
  /** Resolves at the tick; if that is over, at the next one. */
  leave(): Promise<void>;
}

interface Tick {
  decisions: (() => void)[];
  departures: (() => void)[];
}

/**
 * @param now milliseconds from any start
 * @param wait calls back after so many milliseconds
 */
export function createDepartures(
  now: () => number = () => performance.now(),
  wait: (work: () => void, milliseconds: number) => void = setTimeout,
): Departures {
  const ticks = new Map<number, Tick>();

  /** One timer for all of a tick: set by the first, whoever that is, it tells nothing of the others. */
  function tickAt(number: number): Tick {
    const known = ticks.get(number);
    if (known !== undefined) return known;
    const tick: Tick = { decisions: [], departures: [] };
    ticks.set(number, tick);
    wait(
      () => {
        ticks.delete(number);
        for (const depart of tick.departures) depart();
        for (const decide of tick.decisions) decide();
      },
      Math.max(0, number * TICK_MS - now()),
    );
    return tick;
  }

  function departureAt(number: number): { over: Promise<void>; isOver: () => boolean } {
    let gone = false;
    const over = new Promise<void>((resolve) => {
      tickAt(number).departures.push(() => {
        gone = true;
        resolve();
      });
    });
    return { over, isOver: () => gone };
  }

  const numberOf = (at: number): number => Math.ceil(at / TICK_MS);

  return {
    book(at) {
      const number = numberOf(at);
      const booked = departureAt(number);
      return {
        decideBy: new Promise((resolve) => tickAt(number - 1).decisions.push(resolve)),
        leave: () => (booked.isOver() ? departureAt(numberOf(now())).over : booked.over),
      };
    },
  };
}
