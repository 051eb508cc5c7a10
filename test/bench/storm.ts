/** All docks at once: each tries to connect, again after a pause if it is refused, until the last one is in. */
import { setTimeout as pause } from 'node:timers/promises';
import { connectEmqxPool, type EmqxPool } from '../support/emqx-pool.js';
import { dockOf, framesOf, ofClient, requested, requestTopic, toAuthorize, type Call } from './fleet.js';

/**
 * Before its next attempt a dock pauses this many milliseconds, twice as many each time, half more or less at random.
 * DJI does not tell how a dock does it; MQTT clients commonly do it so.
 */
const PAUSE_MS = { first: 1000, longest: 16_000 };

/** Whoever is not in by then has starved, in milliseconds. */
const LIMIT_MS = 240_000;

export interface Storm {
  /** Seconds from the beginning until each dock was in, in order. */
  in: number[];
  /** Docks that were not in when the time was over. */
  starved: number;
  calls: number;
  /** Answered, but not with what a dock needs, by rpc; all passwords are right. */
  refused: Record<string, number>;
  /** Not answered within EMQX's 5 s. */
  unanswered: number;
  /** The longest that an answer took, in milliseconds. */
  slowest: number;
  /** The most attempts that one dock needed. */
  attempts: number;
  /** Share of the time in which the load itself was busy, in percent: near 100 it is what was measured. */
  loadBusy: number;
}

interface Step {
  method: string;
  frameOf(number: number): Buffer;
  /** What is in every good answer. */
  good: Buffer | string;
}

/** What EMQX asks while a known dock comes back, with the two requests that it then sends. */
function stepsIn(password: string): Step[] {
  const dock = dockOf(0);
  // STOP_AND_RETURN, true
  const yes = Buffer.from('08021801', 'hex');
  const step = (call: Call, good: Step['good']): Step => ({
    method: call.method,
    frameOf: framesOf(call),
    good,
  });
  return [
    step(ofClient('OnClientAuthenticate', dock, { password }), yes),
    step(toAuthorize(dock, 'SUBSCRIBE', `${requestTopic(dock)}_reply`), yes),
    step(toAuthorize(dock, 'PUBLISH', requestTopic(dock)), yes),
    step(requested(dock, 'config'), '"app_id":"1"'),
    step(requested(dock, 'airport_bind_status'), '"result":0'),
  ];
}

/** Brings docks `first` and following in. */
export async function storm(port: number, first: number, count: number, password: string): Promise<Storm> {
  const pool = connectEmqxPool(port);
  const steps = stepsIn(password);
  const result: Storm = {
    in: [],
    starved: 0,
    calls: 0,
    refused: {},
    unanswered: 0,
    slowest: 0,
    attempts: 0,
    loadBusy: 0,
  };
  const start = performance.now();
  const loop = performance.eventLoopUtilization();

  async function enter(number: number): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      result.attempts = Math.max(result.attempts, attempt);
      if (await connectOnce(pool, number, steps, result)) break;
      if (performance.now() - start > LIMIT_MS) {
        result.starved += 1;
        return;
      }
      await pause(Math.min(PAUSE_MS.longest, PAUSE_MS.first * 2 ** (attempt - 1)) * (0.5 + Math.random()));
    }
    result.in.push((performance.now() - start) / 1000);
  }

  try {
    await Promise.all(Array.from({ length: count }, (_, index) => enter(first + index)));
  } finally {
    pool.close();
  }
  result.loadBusy = performance.eventLoopUtilization(loop).utilization * 100;
  return result;
}

/** Whether it got in with all that it needs. EMQX leaves a dock that may not subscribe connected; ours comes again. */
async function connectOnce(pool: EmqxPool, number: number, steps: Step[], result: Storm): Promise<boolean> {
  for (const { method, frameOf, good } of steps) {
    const body = frameOf(number);
    const began = performance.now();
    result.calls += 1;
    try {
      const answer = await pool.send(number, method, body);
      if (!answer.includes(good)) {
        result.refused[method] = (result.refused[method] ?? 0) + 1;
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
