/**
 * The MQTT side of a simulated dock: one session on the npm `mqtt` client that connects, subscribes, and sends requests
 * and waits for their replies. Each fault becomes a `DockhookError('failed')` in words for an operator. The envelope is
 * DJI's ("Topic definition": tid, bid, timestamp, gateway, method, data).
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MqttClient } from 'mqtt';
import { messageOf, type DockhookError } from '../errors.js';
import type { OnStep } from './step-report.js';
import {
  brokerUrl,
  closeMqtt,
  connackCode,
  connectMqtt,
  failed,
  subscribeCodes,
  type MqttOptions,
} from './mqtt-connect.js';

/** The `data` of a message. */
export type Data = Record<string, unknown>;

/** `timeoutMs` is for each step. */
interface ConnectionOptions extends MqttOptions {
  username: string;
  gateway: string;
  onStep: OnStep;
}

/** The reply to a request. `data` is empty if the reply has none. */
export interface Reply {
  data: Data;
  /** Reports the reply, once its content has been judged. */
  tell: (seen: { ok: boolean; text: string; result?: number | undefined }) => void;
}

/** All but `close` reject with `failed` if the broker refuses, hangs up, or is silent for too long. */
export interface DockConnection {
  subscribe(topics: string[]): Promise<void>;
  /** Sends a request up to `tries` times under one tid, and resolves with its reply. */
  request(method: string, data: Data, tries?: number): Promise<Reply>;
  /** `osd` is what a step is called; the message then has no method, and may get lost. */
  publish(topic: string, method: string, data: Data): Promise<void>;
  /** Resolves when the broker has hung up, or the connection was closed. */
  closed: Promise<unknown>;
  close(): Promise<void>;
}

const CLOSED = Symbol('closed');

interface SentRequest {
  tid: string;
  bid: string;
  method: string;
}

/** Never reconnects. Rejects with `failed`, or with `usage` if the URL is not one of a broker. */
export async function connectDock(options: ConnectionOptions): Promise<DockConnection> {
  const { gateway, username, onStep, timeoutMs } = options;
  const client = await connect(options);
  const requests = `thing/product/${gateway}/requests`;
  const replies = `${requests}_reply`;
  const { within, publish, closed } = senderOn(client, options);
  const expect = replyWaiter(client, replies);

  return {
    async subscribe(topics) {
      const started = performance.now();
      const asked = subscribeCodes(client, topics).catch((cause: unknown) => {
        throw lost('subscribe', cause);
      });
      const codes = await within(asked, 'subscribe', timeoutMs);
      if (!codes) throw notAcknowledged('subscribe', timeoutMs);
      const milliseconds = performance.now() - started;
      const refused = topics.filter((_, index) => (codes[index] ?? 128) >= 128);
      const tell = (topic: string, ok: boolean, text: string): void => {
        const result = ok ? 0 : (codes[topics.indexOf(topic)] ?? 128);
        onStep({ direction: '→', method: 'subscribe', topic, result, milliseconds, ok, text });
      };
      if (refused.length === 0) {
        tell(replies, true, `and ${topics.length - 1} more`);
        return;
      }
      for (const topic of refused) tell(topic, false, 'refused');
      throw failed(
        `the broker refused the subscription to ${refused.join(', ')}: check that account "${username}" ` +
          `may act for gateway ${gateway}`,
      );
    },

    async request(method, data, tries = 1) {
      const ids = newIds();
      const started = performance.now();
      const answered = expect({ ...ids, method });
      for (let attempt = 1; attempt <= tries; attempt++) {
        await publish(requests, method, data, ids, attempt === 1 ? '' : `again, try ${attempt} of ${tries}`);
        const answer = await within(answered, method, timeoutMs / tries);
        if (!answer) continue;
        const milliseconds = performance.now() - started;
        return {
          data: answer,
          tell: (seen) => {
            onStep({ direction: '←', method, topic: replies, milliseconds, ...seen });
          },
        };
      }
      const text = `no reply in ${timeoutMs / 1000} s`;
      onStep({ direction: '←', method, topic: replies, milliseconds: timeoutMs, ok: false, text });
      throw failed(
        `${method} got ${text}: check that the ExHook server runs and is registered with the broker, ` +
          `that account "${username}" may act for gateway ${gateway}, and the log of the server`,
      );
    },

    publish: (topic, method, data) => publish(topic, method, data),
    closed,
    close: () => closeMqtt(client),
  };
}

/** Sends on the connection, and waits for answers while it is open. */
function senderOn(client: MqttClient, { gateway, onStep, timeoutMs }: ConnectionOptions) {
  const closed = new Promise<typeof CLOSED>((resolve) => {
    client.once('close', () => {
      resolve(CLOSED);
    });
  });

  /** `undefined` if it took too long. */
  async function within<T>(work: Promise<T>, method: string, milliseconds: number): Promise<T | undefined> {
    const outcome = await Promise.race([work, closed, sleep(milliseconds, undefined, { ref: false })]);
    if (outcome === CLOSED) throw lost(method);
    return outcome;
  }

  async function publish(
    topic: string,
    method: string,
    data: Data,
    ids = newIds(),
    text = '',
  ): Promise<void> {
    onStep({ direction: '→', method, topic, ok: true, text });
    const named = method === 'osd' ? {} : { method };
    const message = JSON.stringify({ ...ids, timestamp: Date.now(), gateway, ...named, data });
    const sent = client.publishAsync(topic, message, { qos: method === 'osd' ? 0 : 1 }).then(
      () => true,
      (cause: unknown) => {
        throw failed(`the broker refused the publish of ${method} to ${topic} (${messageOf(cause)})`, cause);
      },
    );
    if (!(await within(sent, method, timeoutMs))) throw notAcknowledged(method, timeoutMs);
  }

  return { within, publish, closed };
}

/** Waits for the reply to one request at a time. */
function replyWaiter(client: MqttClient, replies: string): (request: SentRequest) => Promise<Data> {
  let pending: (SentRequest & { resolve: (data: Data) => void }) | undefined;
  client.on('message', (topic, payload) => {
    if (topic !== replies || !pending) return;
    const reply = parse(payload);
    // Another responder may also answer, or answer late: only all three together identify this request.
    if (reply['tid'] !== pending.tid || reply['bid'] !== pending.bid || reply['method'] !== pending.method)
      return;
    pending.resolve(isData(reply['data']) ? reply['data'] : {});
  });
  return (request) =>
    new Promise((resolve) => {
      pending = { ...request, resolve };
    });
}

async function connect(options: ConnectionOptions): Promise<MqttClient> {
  const { clientId, username, onStep } = options;
  const { host } = brokerUrl(options.url);
  const started = performance.now();
  const tell = (ok: boolean, text: string, result?: number): void => {
    const milliseconds = performance.now() - started;
    onStep({ direction: '→', method: 'connect', topic: '', result, milliseconds, ok, text });
  };
  try {
    const client = await connectMqtt(options);
    tell(true, `account ${username} at ${host}, client id ${clientId}`, 0);
    return client;
  } catch (error) {
    const code = connackCode(error);
    tell(false, `${code === undefined ? 'failed' : 'refused'} at ${host}`, code);
    throw error;
  }
}

function parse(payload: Buffer): Data {
  try {
    const value: unknown = JSON.parse(payload.toString());
    return isData(value) ? value : {};
  } catch {
    return {};
  }
}

/** False for null and for arrays. */
export function isData(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function newIds(): { tid: string; bid: string } {
  return { tid: randomUUID(), bid: randomUUID() };
}

function notAcknowledged(method: string, timeoutMs: number): DockhookError {
  return failed(
    `the broker did not acknowledge ${method} in ${timeoutMs / 1000} s: check its load and its log`,
  );
}

function lost(method: string, cause?: unknown): DockhookError {
  return failed(
    `the broker closed the connection during ${method}: check its log; another client with the same client id ` +
      'also does that',
    cause,
  );
}
