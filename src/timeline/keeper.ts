/**
 * Keeps the access timeline: records events as they are told, and writes them behind the hooks' back. A store
 * that is slow or away costs entries, which are counted, and never a reply.
 */
import { storeBudget, type Within } from '../time-limits.js';
import type { Timeline, TimelineLimits } from '../stores/types.js';
import { createRecorder, type Recorder } from './recorder.js';

export interface TimelineKeeper {
  tell: Recorder['tell'];
  /** A broker's node told how long it runs. Told again by the same node it says nothing new. */
  booted(broker: { node: string; uptimeMs: number | undefined }): void;
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
/**
 * Time for one batch, in milliseconds. A write, and a part of the sweep, begins no other batch after it: each takes
 * twice this at most, and what is left waits for the next.
 */
const STORE_MS = 1500;
/** Entries that are written at once, and gateways that are trimmed at once. */
const BATCH = 500;
const GATEWAYS_AT_ONCE = 200;
/** For a fleet of 10,000 docks 200 each; strangers cannot make the table grow. */
const PER_GATEWAY = 200;
const LIMITS: TimelineLimits = { strangers: 10_000, total: 2_000_000 };

export function keepTimeline(options: TimelineKeeperOptions): TimelineKeeper {
  const { store, onDropped, onError, writeMs = WRITE_MS, sweepMs = SWEEP_MS } = options;
  const recorder = createRecorder({ onDropped });
  /** Gateways with new entries since the last sweep, and those that it has not come to yet. */
  const grown = new Set<string>();
  const untrimmed = new Set<string>();
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

  /**
   * Writes what waits, and not what is told meanwhile. Each batch has its whole time, so that none is lost for
   * beginning late.
   * @param within the time for all batches together, where somebody waits for them
   */
  async function write(all: boolean, within?: Within): Promise<void> {
    const end = performance.now() + STORE_MS;
    let left = recorder.turn(all);
    while (left > 0 && performance.now() < end) {
      const batch = recorder.take(Math.min(left, BATCH));
      // Another write, that of stop(), was faster.
      if (batch.length === 0) return;
      left -= batch.length;
      const append = store.append(batch).then((leftOut) => {
        if (leftOut > 0) onDropped(leftOut);
      });
      if (!(await attempt((within ?? storeBudget(STORE_MS))(append)))) {
        onDropped(batch.length + recorder.take(left).length);
        return;
      }
      for (const { own, gateway } of batch) if (own && gateway !== undefined) grown.add(gateway);
    }
  }

  /** A part of the sweep, if one is due: entries wait meanwhile, so the rest comes after the next write. */
  async function sweepSome(): Promise<void> {
    const end = performance.now() + STORE_MS;
    let isDone = true;
    if (performance.now() - swept >= sweepMs) {
      swept = performance.now();
      move(grown, untrimmed);
      isDone = await attempt(storeBudget(STORE_MS)(store.sweep(LIMITS)));
    }
    while (isDone && untrimmed.size > 0 && performance.now() < end) {
      const some = [...untrimmed].slice(0, GATEWAYS_AT_ONCE);
      isDone = await attempt(storeBudget(STORE_MS)(store.trim(some, PER_GATEWAY)));
      if (isDone) for (const sn of some) untrimmed.delete(sn);
    }
    // A store that is away is left alone until the next sweep.
    if (!isDone) move(untrimmed, grown);
  }

  /** One at a time: what is told meanwhile waits for the next. */
  function work(): void {
    if (isWorking) return;
    isWorking = true;
    working = write(false)
      .then(sweepSome)
      .finally(() => {
        isWorking = false;
      });
  }

  let timer: NodeJS.Timeout | undefined;
  const tell: Recorder['tell'] = (event, at) => {
    // Only now: an app that did not start leaves nothing behind.
    timer ??= setInterval(work, writeMs).unref();
    recorder.tell(event, at);
  };
  return {
    tell,
    booted({ node, uptimeMs }) {
      if (uptimeMs === undefined) return;
      const at = Date.now() - uptimeMs;
      // Seconds: a node tells the same start a little differently each time.
      const detail = new Date(Math.round(at / 1000) * 1000).toISOString();
      tell({ step: 'booted', outcome: 'ok', clientId: node, account: '', node, detail }, at);
    },
    async stop() {
      clearInterval(timer);
      await storeBudget(STORE_MS)(working).catch(() => undefined);
      await write(true, storeBudget(STORE_MS));
      // What did not fit in.
      onDropped(recorder.take(Infinity).length);
    },
  };
}

function move<T>(from: Set<T>, to: Set<T>): void {
  for (const item of from) to.add(item);
  from.clear();
}
