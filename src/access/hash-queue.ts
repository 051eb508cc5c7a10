/** Runs few slow hashes at once, in order of arrival, with a bounded queue. */
import { verifyPassword } from '../password-hashes/index.js';

/** Longest time in the queue, in milliseconds; a check that would wait longer is shed. */
const MAX_WAIT_MS = 1000;
/** Share of the queue that the checks of one account may fill, from all addresses. */
const QUEUE_SHARE = 1 / 10;

/** Refuses no work by itself: ask `isFull` first. */
export interface HashQueue {
  /** Whether a check of this account would wait too long, or the account has its share of the queue already. */
  isFull(account: string): boolean;
  /** Whether a hash could begin now. */
  isIdle(): boolean;
  /** Checks a password when its turn comes. */
  verify(account: string, passwordHash: string, password: string): Promise<boolean>;
  /** Does other work with a slow hash when its turn comes. */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/**
 * As many slow hashes as there are cores, but one fewer than Node has threads for such work. The same threads (four, or
 * UV_THREADPOOL_SIZE) look up host names and write files: if all ran a hash, the look-up of the database's name would
 * have to wait.
 */
export function hashesAtOnce(cores: number, threadPoolSize: string | undefined): number {
  // As libuv reads it.
  const threads = threadPoolSize === undefined ? 4 : Number.parseInt(threadPoolSize, 10) || 1;
  return Math.max(1, Math.min(cores, threads - 1));
}

/**
 * @param workers hashes at once
 * @param ownHashMs how long a hash of ours takes on this machine
 */
export function createHashQueue(workers: number, ownHashMs: number): HashQueue {
  /** The time of recent checks, with any kind of hash. It sets how long the queue may be. */
  let hashMs = ownHashMs;
  /** Checks that wait or run, by account. */
  const underWay = new Map<string, number>();
  const waiting: (() => void)[] = [];
  let busy = 0;

  async function run<T>(work: () => Promise<T>): Promise<T> {
    if (busy >= workers) await new Promise<void>((resolve) => waiting.push(resolve));
    else busy += 1;
    try {
      return await work();
    } finally {
      // A waiting check takes over this one's place, so `busy` stays as it is.
      const next = waiting.shift();
      if (next) next();
      else busy -= 1;
    }
  }

  async function verifyTimed(passwordHash: string, password: string): Promise<boolean> {
    const start = performance.now();
    const isRight = await verifyPassword(passwordHash, password);
    hashMs += (performance.now() - start - hashMs) / 8;
    return isRight;
  }

  function count(account: string, change: 1 | -1): void {
    const left = (underWay.get(account) ?? 0) + change;
    if (left > 0) underWay.set(account, left);
    else underWay.delete(account);
  }

  return {
    isFull(account) {
      const places = (MAX_WAIT_MS * workers) / hashMs;
      return waiting.length > places || (underWay.get(account) ?? 0) > places * QUEUE_SHARE;
    },
    isIdle: () => busy < workers,
    async verify(account, passwordHash, password) {
      count(account, 1);
      try {
        return await run(() => verifyTimed(passwordHash, password));
      } finally {
        count(account, -1);
      }
    },
    run,
  };
}
