/**
 * Keeps the access timeline: records events as they are told, and writes them later, so that no hook waits. While the store
 * is away they wait in memory. Those for which there is no room are counted, and an entry says how many are missing.
 */
import { DockhookError } from '../errors.js';
import { storeBudget, type Within } from '../time-limits.js';
import type { Timeline, TimelineEntry, TimelineLimits } from '../stores/types.js';
import { createRecorder, type Recorder } from './recorder.js';

/** `tell` and `booted` only note the event, and return at once. */
export interface TimelineKeeper {
  tell: Recorder['tell'];
  /** A node of the broker said how long it has been running. The same node may say it again. */
  booted(broker: { node: string; product: string; version: string; uptimeMs: number | undefined }): void;
  /** Writes once more and stops, within 3 s. */
  stop(): Promise<void>;
}

/** The times are for tests. */
export interface TimelineKeeperOptions {
  store: Timeline;
  /** Rejects while the store is away. Asked before entries that could not be written are written again. */
  ping: () => Promise<void>;
  /** Told of events that were not kept. */
  onDropped: (count: number) => void;
  /** Told of the first of several failures in a row, and of entries that are lost at the end. */
  onError: (error: unknown) => void;
  /** Between two writes, in milliseconds. */
  writeMs?: number;
  /** Between two sweeps, in milliseconds. */
  sweepMs?: number;
}

const WRITE_MS = 1000;
const SWEEP_MS = 60_000;
/**
 * Time for one batch, in milliseconds. After it, a write and a part of a sweep begin no other batch: each takes twice this
 * at most, and the rest waits for the next.
 */
const STORE_MS = 1500;
/** Entries that are written at once, and gateways that are trimmed at once. */
const BATCH = 500;
const GATEWAYS_AT_ONCE = 200;
/** For a fleet of 10,000 docks 200 each; strangers cannot make the table grow. */
const PER_GATEWAY = 200;
const LIMITS: TimelineLimits = { strangers: 10_000, total: 2_000_000 };

/** Sets its timer only at the first event. Stop it to write what waits. */
export function keepTimeline(options: TimelineKeeperOptions): TimelineKeeper {
  const { store, ping, onDropped, onError, writeMs = WRITE_MS, sweepMs = SWEEP_MS } = options;
  const attempt = reportingFirst(onError);
  const sweeper = createSweeper(store, sweepMs, attempt);
  const missing = countMissing();
  let isAway = false;
  let batchSize = BATCH;
  const recorder = createRecorder({
    onDropped(count) {
      onDropped(count);
      // At other times only a flood is cut short.
      if (isAway) missing.add(count);
    },
  });
  let isWorking = false;
  let working = Promise.resolve();

  /** @returns whether the store took them */
  async function append(entries: readonly TimelineEntry[], within: Within): Promise<boolean> {
    const taken = store.append(entries).then((leftOut) => {
      if (leftOut > 0) onDropped(leftOut);
    });
    isAway = !(await attempt(within(taken)));
    // A store that is only slow may take fewer in time.
    batchSize = isAway ? Math.max(1, batchSize >> 1) : Math.min(BATCH, batchSize * 2);
    return !isAway;
  }

  /**
   * Writes the entries that wait now. Each batch has its full time, so that none fails because it began late.
   * @param within the time for all batches together, if somebody waits for them
   */
  async function write(all: boolean, within?: Within): Promise<void> {
    const end = performance.now() + STORE_MS;
    const budget = (): Within => within ?? storeBudget(STORE_MS);
    let left = recorder.turn(all);
    // A frozen store that comes back does all that it was told meanwhile: it is told no entries twice.
    if (isAway && !(await answers(budget()(ping())))) return;
    while (left > 0 && performance.now() < end) {
      const batch = recorder.take(Math.min(left, batchSize));
      // Another write, that of stop(), was faster.
      if (batch.length === 0) return;
      left -= batch.length;
      if (!(await append(batch, budget()))) {
        recorder.putBack(batch);
        return;
      }
      sweeper.wrote(batch);
    }
    const gap = left > 0 ? undefined : missing.take();
    if (gap !== undefined && !(await append([gap], budget()))) missing.add(gap.count, gap.at);
  }

  /** One at a time: what is told meanwhile waits for the next. */
  function work(): void {
    if (isWorking) return;
    isWorking = true;
    working = write(false)
      .then(sweeper.sweep)
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
    booted({ node, product, version, uptimeMs }) {
      if (uptimeMs === undefined) return;
      const at = Date.now() - uptimeMs;
      // In seconds: each time, a node reports the same start a little differently.
      const detail = new Date(Math.round(at / 1000) * 1000).toISOString();
      const broker = `${product} ${version}`.trim();
      tell({ step: 'booted', outcome: 'ok', clientId: node, account: '', node, broker, detail }, at);
    },
    async stop() {
      clearInterval(timer);
      await storeBudget(STORE_MS)(working).catch(() => undefined);
      await write(true, storeBudget(STORE_MS));
      // Entries for which there was no time.
      const { length } = recorder.take(Infinity);
      if (length === 0) return;
      onDropped(length);
      onError(new DockhookError('failed', `${length} entries could not be written before the end`));
    },
  };
}

/** Counts entries that are lost, and makes of them one that says so. */
function countMissing() {
  let [count, since, until] = [0, 0, 0];
  return {
    /** @param at when the first of them was lost; now unless given */
    add(more: number, at = Date.now()): void {
      if (more === 0) return;
      since = count === 0 ? at : Math.min(since, at);
      until = Date.now();
      count += more;
    },
    take(): TimelineEntry | undefined {
      if (count === 0) return undefined;
      const lost = { at: since, lastAt: until, count };
      count = 0;
      return {
        ...lost,
        own: false,
        clientId: '',
        account: '',
        step: 'missing',
        outcome: 'dropped',
        details: {},
      };
    },
  };
}

/** Resolves to whether the work succeeded. */
type Attempt = (work: Promise<void>) => Promise<boolean>;

function answers(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}

/** Tells only the first of several failures in a row. */
function reportingFirst(onError: (error: unknown) => void): Attempt {
  let isFailing = false;
  return async (work) => {
    try {
      await work;
      isFailing = false;
      return true;
    } catch (error) {
      if (!isFailing) onError(error);
      isFailing = true;
      return false;
    }
  };
}

/** Deletes the entries that are too many or too old. */
function createSweeper(store: Timeline, sweepMs: number, attempt: Attempt) {
  /** Gateways with new entries since the last sweep, and those that the sweep has not come to yet. */
  const grown = new Set<string>();
  const untrimmed = new Set<string>();
  let sweptAt = performance.now();
  return {
    wrote(entries: readonly TimelineEntry[]): void {
      for (const { own, gateway } of entries) if (own && gateway !== undefined) grown.add(gateway);
    },
    /** A part of the sweep, if one is due. Entries wait meanwhile, so the rest comes after the next write. */
    async sweep(): Promise<void> {
      const end = performance.now() + STORE_MS;
      let isDone = true;
      if (performance.now() - sweptAt >= sweepMs) {
        sweptAt = performance.now();
        move(grown, untrimmed);
        isDone = await attempt(storeBudget(STORE_MS)(store.sweep(LIMITS)));
      }
      while (isDone && untrimmed.size > 0 && performance.now() < end) {
        const part = [...untrimmed].slice(0, GATEWAYS_AT_ONCE);
        isDone = await attempt(storeBudget(STORE_MS)(store.trim(part, PER_GATEWAY)));
        if (isDone) for (const sn of part) untrimmed.delete(sn);
      }
      // A store that is away is left alone until the next sweep.
      if (!isDone) move(untrimmed, grown);
    },
  };
}

function move<T>(from: Set<T>, to: Set<T>): void {
  for (const item of from) to.add(item);
  from.clear();
}
