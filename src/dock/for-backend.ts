/**
 * What dockhook answers on `status` and `events` in the place of a backend, if the operator asks for it: a drone is reported
 * only after a reply to `update_topo`, and events that want a reply come again until they have one (DJI Cloud API, "Device
 * topology update", and the pages of the events). It drops nothing there: what it does not answer goes on.
 */
import { EVENTS_OF_FILES, type AnswerForBackend } from '../answer-for-backend.js';
import type { PublishVerdict } from '../hooks.js';
import type { Publishers } from '../publisher.js';
import { storeBudget } from '../time-limits.js';
import type { DeviceTopic } from '../topics.js';
import { replyPayload, replyQos, type Envelope } from './envelope.js';
import type { Report } from './report.js';
import { results } from './result-codes.js';

interface ForBackendOptions extends Pick<Publishers, 'mayPublish'> {
  answerForBackend: AnswerForBackend;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Time for all store work of one message, in milliseconds. */
  storeBudgetMs: number;
}

/** Makes the function that answers such a message, or lets it pass. It never rejects. */
export function createRepliesForBackend({
  answerForBackend,
  mayPublish,
  now,
  storeBudgetMs,
}: ForBackendOptions): (report: Report) => Promise<PublishVerdict> {
  const { updateTopo, events } = answerForBackend;

  function isToAnswer({ root, rest }: DeviceTopic, { method, tid, needReply }: Envelope): boolean {
    // Without it the dock would not know what the reply is to.
    if (tid === undefined) return false;
    if (rest === 'status') return updateTopo && method === 'update_topo';
    return events && root === 'thing' && rest === 'events' && needReply && !EVENTS_OF_FILES.has(method);
  }

  return async ({ message: { topic, qos }, session, device, envelope }) => {
    if (!isToAnswer(device, envelope)) return { kind: 'pass' };
    // If nobody can tell who this is, it passes.
    const isDock = await mayPublish(session, topic, storeBudget(storeBudgetMs)).catch(() => false);
    if (!isDock) return { kind: 'pass' };
    return {
      kind: 'reply',
      topic: `${topic}_reply`,
      payload: replyPayload(envelope, now(), { result: results.ok }),
      qos: replyQos(qos),
    };
  };
}
