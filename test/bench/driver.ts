/** Calls by Node's own HTTP/2, over EMQX's eight connections: for what h2load cannot, another request each time. */
import type { ValuedResponse } from '../../src/exhook/translate.js';
import type { EmqxPool, Question } from '../support/emqx-pool.js';
import type { Run } from './h2load.js';
import { quantile } from './statistics.js';

export interface Asked {
  /** Its calls all go over the same connection. */
  client: number;
  call: { method: Question; request: object };
  isRight(answer: ValuedResponse): boolean;
}

/** Makes the calls, so many at a time. Rejects at the first answer that is not right. */
export async function drive(pool: EmqxPool, asked: readonly Asked[], inFlight: number): Promise<Run> {
  const took: number[] = [];
  let next = 0;
  const start = performance.now();
  const work = async (): Promise<void> => {
    for (let one = asked[next++]; one !== undefined; one = asked[next++]) {
      const began = performance.now();
      await askOnce(pool, one);
      took.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  const seconds = (performance.now() - start) / 1000;
  return { perSecond: asked.length / seconds, p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
}

async function askOnce(pool: EmqxPool, { client, call, isRight }: Asked): Promise<void> {
  const answer = await pool.call(client, call.method, call.request);
  if (isRight(answer)) return;
  throw new Error(
    `${call.method} was answered with ${answer.message?.payload.toString() ?? JSON.stringify(answer)}`,
  );
}
