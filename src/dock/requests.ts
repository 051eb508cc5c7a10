/**
 * DJI's dialect on `thing/product/{sn}/requests`: a dock asks, and its message becomes our reply. Where there is no backend,
 * `for-backend.ts` answers on other topics, too.
 *
 * `dock/` owns the envelope, the result codes, the limits and the methods of `methods/`. It does not know how the
 * message came or how the reply goes (`exhook/`), who may speak for a gateway (`access/` decides, and is asked through
 * {@link DockOptions}), or where records live (`stores/`, seen by type only). It does no I/O of its own.
 */
import type { Publisher, Publishers } from '../publisher.js';
import { STORE_BUDGET_MS, storeBudget } from '../time-limits.js';
import { traceOf } from '../errors.js';
import type { Tell } from '../events.js';
import { excerpt } from '../text.js';
import type { Message, PublishVerdict } from '../hooks.js';
import { createAnswers, type AnswerOptions, type Asked } from './answers.js';
import { messageTraits, parseEnvelope, replyPayload, replyQos } from './envelope.js';
import { createRepliesForBackend } from './for-backend.js';
import { reasonFor, results } from './result-codes.js';
import { reportIn } from './report.js';
import { observeStatus } from './status.js';
import { INVENTED_SERIAL_NUMBER } from '../serial-number.js';
import { gatewayOfRequest } from '../topics.js';

export interface DockOptions extends Publishers, Omit<AnswerOptions, 'now'> {
  tell: Tell;
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** Time for all store work of one request, in milliseconds; `STORE_BUDGET_MS` unless given. */
  storeBudgetMs?: number;
}

/** Answers docks on the `requests` topic. */
export interface Requests {
  /** Decides on one published message; never rejects. */
  publish(message: Message): Promise<PublishVerdict>;
  /** Reads the license ahead, so that `config` has one even if the store fails later. Rejects as the store does. */
  loadLicense(): Promise<void>;
}

/** `method` is the sender's text and may be megabytes; events keep this much of it. */
const MAX_TOLD_METHOD = 64;

/** Remembers limits of gateways and accounts, so make one for a whole server. */
export function createRequests(options: DockOptions): Requests {
  const now = options.now ?? Date.now;
  const storeBudgetMs = options.storeBudgetMs ?? STORE_BUDGET_MS;
  const answer = createAnswers({ ...options, now });
  const replyForBackend = createRepliesForBackend({ ...options, now, storeBudgetMs });

  async function publish(message: Message): Promise<PublishVerdict> {
    if (isTestCall(message)) return { kind: 'drop' };
    const asked = askedBy(message, options.tell, storeBudgetMs);
    if (asked === undefined) {
      const report = reportIn(message);
      if (report === undefined) return { kind: 'pass' };
      const verdict = await replyForBackend(report);
      observeStatus(report, verdict.kind === 'reply' ? tellAnswered : options.tell, now);
      return verdict;
    }
    const { gateway, session, within, tell } = asked;
    let publisher: Publisher;
    try {
      publisher = await options.identifyPublisher(session, gateway, within);
    } catch (error) {
      tell({ outcome: 'dropped', reason: reasonFor(error), detail: traceOf(error) });
      return { kind: 'drop' };
    }
    if (publisher === 'dock') return replyTo(asked);
    if (publisher === 'service' || publisher === 'not_ours') return { kind: 'pass' };
    tell({ outcome: 'dropped', reason: 'not_in_scope' });
    return { kind: 'drop' };
  }

  async function replyTo(asked: Asked): Promise<PublishVerdict> {
    const { message, tell } = asked;
    const envelope = parseEnvelope(message.payload);
    if (envelope === 'too_large') {
      // It was not read: it could be a bind, and a backend behind us would accept it.
      tell({ outcome: 'faulty', reason: envelope, detail: `${message.payload.length} bytes` });
      return { kind: 'drop' };
    }
    if (typeof envelope === 'string') {
      tell({ outcome: 'passed', reason: envelope });
      return { kind: 'pass' };
    }
    const told = { method: excerpt(envelope.method, MAX_TOLD_METHOD), ...messageTraits(envelope, now()) };
    const answered = await answer(envelope, asked);
    if (answered === undefined) {
      tell({ outcome: 'passed', reason: 'method_not_ours', ...told });
      return { kind: 'pass' };
    }
    const { data, ...more } = answered;
    tell({ outcome: more.result === results.ok ? 'ok' : 'faulty', ...told, ...more });
    return {
      kind: 'reply',
      topic: `${message.topic}_reply`,
      payload: replyPayload(envelope, now(), data),
      qos: replyQos(message.qos),
    };
  }

  const tellAnswered: Tell = (event) => {
    options.tell({ ...event, outcome: 'ok', result: results.ok });
  };

  return {
    publish,
    async loadLicense() {
      await options.license.get();
    },
  };
}

/**
 * Whether `dockhook emqx status` or `doctor` published this over EMQX's REST API, to see that EMQX asks and gets an
 * answer. It must reach nobody.
 */
function isTestCall({ topic, session }: Message): boolean {
  return session === undefined && gatewayOfRequest(topic)?.startsWith(INVENTED_SERIAL_NUMBER) === true;
}

/** Takes a message apart; `undefined` if it is not a request, or does not come from a live session. */
function askedBy(message: Message, tell: Tell, storeBudgetMs: number): Asked | undefined {
  const gateway = gatewayOfRequest(message.topic);
  const { session } = message;
  if (gateway === undefined || session === undefined) return undefined;
  const { account, clientId, peerHost } = session;
  const origin = {
    clientId,
    account,
    gateway,
    topic: message.topic,
    messageId: message.id,
    ...(peerHost === undefined ? {} : { peerHost }),
  };
  return {
    message,
    gateway,
    session,
    within: storeBudget(storeBudgetMs),
    tell: (event) => {
      tell({ step: 'request', ...origin, ...event });
    },
  };
}
