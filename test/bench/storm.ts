/** All docks at once: each tries to connect, again after a pause if it is refused, until the last one is in. */
import { setTimeout as pause } from 'node:timers/promises';
import { connectEmqxPool, type EmqxPool } from '../support/emqx-pool.js';
import { dockOf, ofClient, requestTopic, toAuthorize, type Dock } from './fleet.js';

/** A refused dock tries again after this many milliseconds, at random so that not all come together again. */
const RETRY_MS = { least: 2000, most: 4000 };

/** Whoever is not in by then has starved, in milliseconds. */
const LIMIT_MS = 300_000;

export interface Storm {
  /** Seconds from the beginning until each dock was in, in order. */
  in: number[];
  /** Docks that were not in when the time was over. */
  starved: number;
  /** Answered with no; all passwords are right. */
  refused: number;
  /** Not answered within EMQX's 5 s. */
  unanswered: number;
  /** The longest that an answer took, in milliseconds. */
  slowest: number;
  /** The most attempts that one dock needed. */
  attempts: number;
}

/** Connects docks `first` and following: authenticate, then what a dock subscribes and publishes first. */
export async function storm(port: number, first: number, count: number, password: string): Promise<Storm> {
  const pool = connectEmqxPool(port);
  const result: Storm = { in: [], starved: 0, refused: 0, unanswered: 0, slowest: 0, attempts: 0 };
  const start = performance.now();

  async function enter(number: number): Promise<void> {
    const dock = dockOf(number);
    for (let attempt = 1; ; attempt += 1) {
      result.attempts = Math.max(result.attempts, attempt);
      if (await connectOnce(pool, number, dock, password, result)) break;
      if (performance.now() - start > LIMIT_MS) {
        result.starved += 1;
        return;
      }
      await pause(RETRY_MS.least + Math.random() * (RETRY_MS.most - RETRY_MS.least));
    }
    result.in.push((performance.now() - start) / 1000);
  }

  try {
    await Promise.all(Array.from({ length: count }, (_, index) => enter(first + index)));
  } finally {
    pool.close();
  }
  return result;
}

/** Whether it got in with all that it needs. EMQX leaves a dock that may not subscribe connected; ours comes again. */
async function connectOnce(
  pool: EmqxPool,
  number: number,
  dock: Dock,
  password: string,
  result: Storm,
): Promise<boolean> {
  const calls = [
    ofClient('OnClientAuthenticate', dock, { password }),
    toAuthorize(dock, 'SUBSCRIBE', `${requestTopic(dock)}_reply`),
    toAuthorize(dock, 'PUBLISH', `thing/product/${dock.sn}/osd`),
  ];
  for (const { method, request } of calls) {
    const began = performance.now();
    try {
      const { bool_result: yes } = await pool.call(number, method, request);
      if (yes !== true) {
        result.refused += 1;
        return false;
      }
    } catch {
      result.unanswered += 1;
      return false;
    } finally {
      result.slowest = Math.max(result.slowest, performance.now() - began);
    }
  }
  return true;
}
