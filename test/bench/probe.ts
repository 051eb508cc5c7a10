/**
 * A process that asks beside a storm what a connected dock asks, so many times a second, and tells how long the answers
 * took. Its parent's messages begin and end it.
 */
import { connectEmqxPool } from '../support/emqx-pool.js';
import { dockOf, isGoodReply, requested } from './fleet.js';
import { quantile } from './statistics.js';

const CALLS_PER_SECOND = 50;
/** As many docks take turns. */
const DOCKS = 20;

/** What the parent is told at the end; times in milliseconds. */
export interface Probed {
  calls: number;
  /** Not answered, or not with a reply that a dock can use. */
  failed: number;
  p50: number;
  p99: number;
}

const [port, firstDock] = process.argv.slice(2).map(Number);
let pool = connectEmqxPool(port!);
let timer: NodeJS.Timeout | undefined;
let took: number[] = [];
let failed = 0;
let underWay: Promise<void>[] = [];

async function askOnce(): Promise<void> {
  const dock = dockOf(firstDock! + (underWay.length % DOCKS));
  const { method, request } = requested(dock, 'airport_bind_status');
  const began = performance.now();
  try {
    const { message } = await pool.call(underWay.length, method, request);
    if (message === undefined || !isGoodReply('airport_bind_status', message.payload)) failed += 1;
  } catch {
    failed += 1;
  }
  took.push(performance.now() - began);
}

process.on('disconnect', () => process.exit());
process.on('message', (message: 'begin' | 'end') => {
  if (message === 'begin') {
    // dockhook may have been restarted since.
    pool.close();
    pool = connectEmqxPool(port!);
    [took, failed, underWay] = [[], 0, []];
    timer = setInterval(() => underWay.push(askOnce()), 1000 / CALLS_PER_SECOND);
    process.send!({});
    return;
  }
  clearInterval(timer);
  void Promise.all(underWay).then(() => {
    const probed: Probed = {
      calls: took.length,
      failed,
      p50: quantile(took, 0.5),
      p99: quantile(took, 0.99),
    };
    process.send!(probed);
  });
});
process.send!({ port: 0 });
