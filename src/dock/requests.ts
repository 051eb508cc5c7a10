/**
 * DJI's dialect on `thing/product/{sn}/requests`: a dock asks, and its message becomes our reply.
 *
 * `dock/` owns the topic names, the envelope, the result codes and the methods of `methods/`. It does
 * not know how the message came or how the reply goes (`exhook/`), who may speak for a gateway
 * (`access/` decides, and is asked through {@link DockOptions}), or where records live (`stores/`,
 * seen by type only). It does no I/O of its own.
 */
import type { Publisher, Publishers } from '../publisher.js';
import { STORE_BUDGET_MS, storeBudget, type Within } from '../time-limits.js';
import { traceOf } from '../errors.js';
import type { AccessEvent, Tell } from '../events.js';
import { excerpt } from '../text.js';
import type { Message, PublishVerdict, Session } from '../hooks.js';
import type { Bindings, Organizations, RememberedLicense } from '../stores/types.js';
import { createBindQuota } from './bind-quota.js';
import { createCodeGuesses } from './code-guesses.js';
import { parseEnvelope, replyPayload, messageTraits, type Envelope } from './envelope.js';
import { compile, type Call } from './method.js';
import * as methods from './methods/index.js';
import { organizationFor } from './organization.js';
import { fault, reasonFor, results, type Answer } from './result-codes.js';
import { observeStatus } from './status.js';
import { gatewayOfRequest, INVENTED_SERIAL_NUMBER } from '../topics.js';

export interface DockOptions extends Publishers {
  organizations: Organizations;
  bindings: Bindings;
  license: RememberedLicense;
  /** Methods that are not ours but get `{result: 0}`, so that a dock does not wait for a backend there is not. */
  emptyReplies: ReadonlySet<string>;
  tell: Tell;
  /** Milliseconds since the epoch. */
  now?: () => number;
  /** Time for all store work of one request, in milliseconds; `STORE_BUDGET_MS` unless given. */
  storeBudgetMs?: number;
}

export interface Requests {
  /** Decides on one published message; never rejects. */
  publish(message: Message): Promise<PublishVerdict>;
  /** Reads the license ahead, so that `config` has one even if the store fails later. Rejects as the store does. */
  loadLicense(): Promise<void>;
}

/** A message from a live session on a `requests` topic. */
interface Asked {
  message: Message;
  gateway: string;
  session: Session;
  within: Within;
  tell: (event: Pick<AccessEvent, 'outcome'> & Partial<AccessEvent>) => void;
}

const methodsByName = new Map(
  Object.values(methods).map((method) => [method.name, { fault: method.fault, answer: compile(method) }]),
);

/** `method` is the sender's text and may be megabytes; events keep this much of it. */
const MAX_TOLD_METHOD = 64;

export function createRequests(options: DockOptions): Requests {
  const now = options.now ?? Date.now;
  const guesses = createCodeGuesses(now);
  const binds = createBindQuota(now);

  async function publish(message: Message): Promise<PublishVerdict> {
    if (isCallOfOurs(message)) return { kind: 'drop' };
    const asked = askedBy(message, options);
    if (asked === undefined) {
      observeStatus(message, options.tell, now);
      return { kind: 'pass' };
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
      // Unread it could be a bind that a backend behind us would take.
      tell({ outcome: 'faulty', reason: envelope, detail: `${message.payload.length} bytes` });
      return { kind: 'drop' };
    }
    if (typeof envelope === 'string') {
      tell({ outcome: 'passed', reason: envelope });
      return { kind: 'pass' };
    }
    const told = { method: excerpt(envelope.method, MAX_TOLD_METHOD), ...messageTraits(envelope, now()) };
    const answer = await answerTo(envelope, asked);
    if (answer === undefined) {
      tell({ outcome: 'passed', reason: 'method_not_ours', ...told });
      return { kind: 'pass' };
    }
    const { data, ...more } = answer;
    tell({ outcome: more.result === results.ok ? 'ok' : 'faulty', ...told, ...more });
    return {
      kind: 'reply',
      topic: `${message.topic}_reply`,
      payload: replyPayload(envelope, now(), data),
      // A reply at QoS 0 is lost with the connection, and the dock would wait for nothing.
      qos: Math.max(1, message.qos),
    };
  }

  async function answerTo({ method: name, data }: Envelope, asked: Asked): Promise<Answer | undefined> {
    const method = methodsByName.get(name);
    if (method === undefined) {
      return options.emptyReplies.has(name)
        ? { data: { result: results.ok }, result: results.ok }
        : undefined;
    }
    try {
      return await method.answer(data, callFor(asked));
    } catch (error) {
      return fault(method.fault, reasonFor(error), traceOf(error));
    }
  }

  function callFor({ gateway, session: { account }, within, tell }: Asked): Call {
    const { organizations, bindings, license } = options;
    return {
      gateway,
      account,
      within,
      bindings,
      license,
      openOrganization: (code, id) =>
        guesses.attempt({ gateway, account }, () => within(organizationFor(organizations, code, id))),
      mayBind: (sn) => binds.take({ gateway, account }, sn),
      isGateway: (sn) => options.isGateway(sn, within),
      tellBind: (event) => {
        tell({ step: 'bind', ...event });
      },
      now,
    };
  }

  return {
    publish,
    async loadLicense() {
      await options.license.get();
    },
  };
}

/**
 * What `dockhook emqx status` and `doctor` publish over EMQX's REST API, to see that EMQX asks and is answered. It
 * must reach nobody.
 */
function isCallOfOurs({ topic, session }: Message): boolean {
  return session === undefined && gatewayOfRequest(topic)?.startsWith(INVENTED_SERIAL_NUMBER) === true;
}

/** Takes a message apart; `undefined` if it is not a request, or does not come from a live session. */
function askedBy(
  message: Message,
  { tell, storeBudgetMs = STORE_BUDGET_MS }: DockOptions,
): Asked | undefined {
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
