/**
 * Keeps the access timeline: records events as they are told, and writes them behind the hooks' back. A store
 * that is slow or away costs entries, which are counted, and never a reply.
 */
import { storeBudget } from '../budget.js';
import type { Tell } from '../events.js';
import type { Timeline, TimelineLimits } from '../stores/types.js';
import { createRecorder } from './recorder.js';

export interface TimelineKeeper {
  tell: Tell;
  /** Writes once more and stops, within 3 s. */
  stop(): Promise<void>;
}

export interface TimelineKeeperOptions {
  store: Timeline;
  /** Told of events that were not kept. */
  onDropped: (count: number) => void;
  /** Told of the first of several failures in a row. */
  onError: (error: unknown) => void;
  /** Between two writes, in milliseconds. */
  writeMs?: number;
  /** Between two sweeps, in milliseconds. */
  sweepMs?: number;
}

const WRITE_MS = 1000;
const SWEEP_MS = 60_000;
/** Time for one write or sweep, in milliseconds. */
const STORE_MS = 1500;
/** Entries in one statement. */
const BATCH = 500;
/** For a fleet of 10,000 docks 200 each; strangers cannot make the table grow. */
const LIMITS: TimelineLimits = { perGateway: 200, strangers: 10_000, total: 2_000_000 };

export function keepTimeline(options: TimelineKeeperOptions): TimelineKeeper {
  const { store, onDropped, onError, writeMs = WRITE_MS, sweepMs = SWEEP_MS } = options;
  const recorder = createRecorder({ onDropped });
  /** Gateways with new entries since the last sweep. */
  let grown = new Set<string>();
  let swept = performance.now();
  let failing = false;
  let isWorking = false;
  let working = Promise.resolve();

  async function attempt(work: Promise<void>): Promise<boolean> {
    try {
      await work;
      failing = false;
      return true;
    } catch (error) {
      if (!failing) onError(error);
      failing = true;
      return false;
    }
  }

  async function write(all: boolean): Promise<void> {
    const within = storeBudget(STORE_MS);
    const entries = recorder.take(all);
    for (let from = 0; from < entries.length; from += BATCH) {
      const batch = entries.slice(from, from + BATCH);
      if (!(await attempt(within(store.append(batch))))) {
        onDropped(entries.length - from);
        return;
      }
      for (const { own, gateway } of batch) if (own && gateway !== undefined) grown.add(gateway);
    }
  }

  async function sweepIfDue(): Promise<void> {
    if (performance.now() - swept < sweepMs) return;
    swept = performance.now();
    const gateways = grown;
    grown = new Set();
    if (!(await attempt(store.sweep([...gateways], LIMITS)))) grown = new Set([...gateways, ...grown]);
  }

  /** One at a time: what is told meanwhile waits for the next. */
  function work(): void {
    if (isWorking) return;
    isWorking = true;
    working = write(false)
      .then(sweepIfDue)
      .finally(() => {
        isWorking = false;
      });
  }

  let timer: NodeJS.Timeout | undefined;
  return {
    tell(event) {
      // Only now: an app that did not start leaves nothing behind.
      timer ??= setInterval(work, writeMs).unref();
      recorder.tell(event);
    },
    async stop() {
      clearInterval(timer);
      await storeBudget(STORE_MS)(working).catch(() => undefined);
      await write(true);
    },
  };
}
