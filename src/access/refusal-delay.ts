/**
 * How long a refused client waits for its answer. The time of an answer could tell whether an account exists: an
 * account in memory is found sooner than one that does not exist, a slow hash takes time, and even a timer set after
 * either ends in another millisecond. So the time of a refusal depends only on when the call arrived. All refusals of
 * one tick leave together, in order of arrival.
 */

/** Between two ticks, in milliseconds. */
export const TICK_MS = 50;
/** Time for reading an account, in milliseconds. Only a slower read shows: its password needs time to be checked. */
const READ_MS = 100;
/** Bounds of the time for checking a password, in milliseconds. With the store's time they stay below a hook's 2 s. */
const CHECK_MS = { least: 200, most: 400 };

/**
 * Time for checking a password, in milliseconds: about twice a hash of ours. An unknown name, which costs no hash, then
 * looks like a wrong password, however long the queue. The time never changes while dockhook runs: if it followed the
 * checks, it would show a guesser that they use an imported hash, which is slower or faster, and so that the account
 * exists.
 * @param hashMs how long a hash of ours takes on this machine
 */
export function checkTime(hashMs: number): number {
  return Math.min(CHECK_MS.most, Math.max(CHECK_MS.least, 2 * hashMs));
}

interface RefusalDelay {
  /** To be called once the account was read, or could not be. */
  accountRead(): void;
  /** Resolves when the time for checking the password is over. */
  checkOver(): Promise<void>;
  /** Resolves when a refusal may leave. */
  over(): Promise<void>;
}

/**
 * Starts the delay of a client that arrives now.
 * @param checkMs see {@link checkTime}
 */
export function startDelay(ticks: Ticks, checkMs: number): RefusalDelay {
  const arrival = performance.now();
  let tick = ticks.at(arrival + READ_MS + checkMs + TICK_MS);
  return {
    accountRead() {
      const read = performance.now();
      if (read - arrival > READ_MS) tick = ticks.at(read + checkMs);
    },
    checkOver: () => tick.before(),
    over: () => tick.reached(),
  };
}

/** Moments, 50 ms apart, at which refusals leave together. */
export interface Ticks {
  /** The first tick from this time on; in milliseconds by the same clock. */
  at(time: number): Tick;
}

interface Tick {
  /** Resolves one tick earlier: decisions are due by then, so that none is rushed. */
  before(): Promise<void>;
  /** Resolves at the tick; if that is over, at the next one. */
  reached(): Promise<void>;
}

/** What waits for one timer. Refusals leave first, in order of arrival. */
interface Waiting {
  leaving: { arrival: number; leave: () => void }[];
  deciding: (() => void)[];
}

/**
 * @param now milliseconds from any start
 * @param wait calls back after so many milliseconds
 */
export function createTicks(
  now: () => number = () => performance.now(),
  wait: (work: () => void, milliseconds: number) => void = setTimeout,
): Ticks {
  const timers = new Map<number, Waiting>();
  let arrivals = 0;

  /** One timer for all of a tick: set by the first, whoever that is, it tells nothing of the others. */
  function waitingFor(number: number): Waiting {
    const known = timers.get(number);
    if (known !== undefined) return known;
    const waiting: Waiting = { leaving: [], deciding: [] };
    timers.set(number, waiting);
    wait(
      () => {
        timers.delete(number);
        waiting.leaving.sort((one, other) => one.arrival - other.arrival);
        for (const { leave } of waiting.leaving) leave();
        for (const decide of waiting.deciding) decide();
      },
      Math.max(0, number * TICK_MS - now()),
    );
    return waiting;
  }

  function tickNumber(time: number): number {
    return Math.ceil(time / TICK_MS);
  }

  return {
    at(time) {
      arrivals += 1;
      const arrival = arrivals;
      const number = tickNumber(time);
      // Its timer is set now, so that it does not show when the refusal was decided. The promises come later: most
      // clients are let in, and what waits for a tick meanwhile is dear to collect.
      waitingFor(number);
      return {
        before: () => new Promise((resolve) => waitingFor(number - 1).deciding.push(resolve)),
        reached: () =>
          new Promise((leave) => {
            const next = timers.has(number) ? number : tickNumber(now());
            waitingFor(next).leaving.push({ arrival, leave });
          }),
      };
    },
  };
}
