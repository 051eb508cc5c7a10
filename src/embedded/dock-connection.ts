/**
 * The MQTT side of a simulated dock: one session on the npm `mqtt` client that connects, subscribes, and
 * sends requests and waits for their replies. Whatever goes wrong becomes a `DockhookError('failed')` in an
 * operator's words. The envelope is DJI's ("Topic definition": tid, bid, timestamp, gateway, method, data).
 */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt, { type MqttClient } from 'mqtt';
import { DockhookError, messageOf } from '../errors.js';
import type { OnStep } from './dock-steps.js';

export type Data = Record<string, unknown>;

export interface ConnectionOptions {
  /** `mqtt://host:port` or `mqtts://host:port` */
  url: string;
  username: string;
  password: string;
  clientId: string;
  gateway: string;
  tls: { ca?: string | Buffer; cert?: string | Buffer; key?: string | Buffer };
  protocolVersion: 4 | 5;
  /** For each step. */
  timeoutMs: number;
  onStep: OnStep;
}

export interface Reply {
  data: Data;
  /** To tell of it once its content has been judged. */
  tell: (seen: { ok: boolean; text: string; result?: number }) => void;
}

export interface DockConnection {
  subscribe(topics: string[]): Promise<void>;
  /** Sends a request up to `tries` times under one tid, and resolves with its reply. */
  request(method: string, data: Data, tries?: number): Promise<Reply>;
  publish(topic: string, method: string, data: Data): Promise<void>;
  close(): Promise<void>;
}

const CLOSED = Symbol('closed');

interface Pending {
  tid: string;
  bid: string;
  method: string;
  resolve: (data: Data) => void;
}

export async function connectDock(options: ConnectionOptions): Promise<DockConnection> {
  const { gateway, onStep, timeoutMs } = options;
  const client = await connect(options);
  const requests = `thing/product/${gateway}/requests`;
  const replies = `${requests}_reply`;
  let pending: Pending | undefined;

  client.on('message', (topic, payload) => {
    if (topic !== replies || !pending) return;
    const reply = parse(payload);
    // Another responder may answer too, or answer late: only the triple names this request.
    if (reply['tid'] !== pending.tid || reply['bid'] !== pending.bid || reply['method'] !== pending.method)
      return;
    pending.resolve(isData(reply['data']) ? reply['data'] : {});
  });
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
    const message = JSON.stringify({ ...ids, timestamp: Date.now(), gateway, method, data });
    const sent = client.publishAsync(topic, message, { qos: 1 }).catch((cause: unknown) => {
      throw failed(`the broker refused the publish of ${method} to ${topic} (${messageOf(cause)})`, cause);
    });
    if (!(await within(sent, method, timeoutMs))) throw notAcknowledged(method, timeoutMs);
  }

  return {
    async subscribe(topics) {
      const started = performance.now();
      const codes = await within(subscribeCodes(client, topics), 'subscribe', timeoutMs);
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
        `the broker refused to subscribe ${refused.join(', ')}: check that account "${options.username}" ` +
          `may act for gateway ${gateway}`,
      );
    },

    async request(method, data, tries = 1) {
      const ids = newIds();
      const started = performance.now();
      const answered = new Promise<Data>((resolve) => {
        pending = { ...ids, method, resolve };
      });
      try {
        for (let attempt = 1; attempt <= tries; attempt++) {
          await publish(
            requests,
            method,
            data,
            ids,
            attempt === 1 ? '' : `again, try ${attempt} of ${tries}`,
          );
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
      } finally {
        pending = undefined;
      }
      const text = `no reply in ${timeoutMs / 1000} s`;
      onStep({ direction: '←', method, topic: replies, milliseconds: timeoutMs, ok: false, text });
      throw failed(
        `${method} got ${text}: check that the ExHook server runs and is registered with the broker, ` +
          `that account "${options.username}" may act for gateway ${gateway}, and the log of the server`,
      );
    },

    publish: (topic, method, data) => publish(topic, method, data),
    async close() {
      // A polite end waits for what is not acknowledged, and then for the broker: neither may come.
      const waits = Object.keys(client.outgoing).length > 0;
      const ended = client.endAsync(waits || !client.connected);
      await Promise.race([ended, sleep(1000, undefined, { ref: false })]);
      client.stream.destroy();
    },
  };
}

async function connect(options: ConnectionOptions): Promise<MqttClient> {
  const { clientId, username, password, protocolVersion, timeoutMs, onStep } = options;
  const { protocol, host } = brokerUrl(options.url);
  const started = performance.now();
  const client = mqtt.connect(`${protocol}//${host}`, {
    ...options.tls,
    ...{ clientId, username, password, protocolVersion, clean: true },
    ...{ reconnectPeriod: 0, connectTimeout: timeoutMs },
  });
  // Else Nagle's algorithm adds 40 ms to most requests, and the steps are to show the server's time.
  client.once('connect', () => (client.stream as Partial<Socket>).setNoDelay?.(true));
  // mqtt.js may report more than once, and an 'error' that nobody hears ends the process.
  client.on('error', () => undefined);
  const tell = (result: number | undefined, text: string): void => {
    const milliseconds = performance.now() - started;
    const ok = result === 0;
    onStep({
      direction: '→',
      method: 'connect',
      topic: '',
      ...(result !== undefined && { result }),
      milliseconds,
      ok,
      text,
    });
  };
  try {
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => {
        resolve();
      });
      client.once('error', reject);
      client.once('close', () => {
        reject(new Error('the connection closed before the broker answered'));
      });
    });
  } catch (cause) {
    await client.endAsync(true);
    const { code } = cause as { code?: number | string };
    if (typeof code === 'number') tell(code, `refused at ${host}`);
    else tell(undefined, `failed at ${host}`);
    throw failed(explainConnect(cause, `${protocol}//${host}`, username), cause);
  }
  tell(0, `account ${username} at ${host}, client id ${clientId}`);
  return client;
}

function brokerUrl(text: string): URL {
  // DJI Pilot 2 wants tcp:// and people will type the same here.
  const spelt = text.replace(/^tcp:/, 'mqtt:').replace(/^(ssl|tls):/, 'mqtts:');
  const url = URL.canParse(spelt) ? new URL(spelt) : undefined;
  if (url?.host && (url.protocol === 'mqtt:' || url.protocol === 'mqtts:')) return url;
  throw new DockhookError('usage', 'the broker must be given as mqtt://host:1883 or mqtts://host:8883');
}

/** The codes of the SUBACK; mqtt.js turns it into an error if any of them is a refusal. */
async function subscribeCodes(client: MqttClient, topics: string[]): Promise<number[]> {
  try {
    const granted = await client.subscribeAsync(topics, { qos: 1 });
    return granted.map(({ qos }) => qos);
  } catch (cause) {
    const { packet } = cause as { packet?: { granted?: number[] } };
    if (packet?.granted) return packet.granted;
    throw lost('subscribe', cause);
  }
}

/** CONNACK codes of MQTT 3.1.1 and 5, then the network's and TLS' own. */
function explainConnect(cause: unknown, broker: string, username: string): string {
  const { code } = cause as { code?: number | string };
  switch (code) {
    case 4:
    case 5:
    case 134:
    case 135:
      return (
        `the broker at ${broker} refused account "${username}" (CONNACK ${code}): check the account name and ` +
        'password, that the account is neither disabled nor expired, and that the ExHook server and its database ' +
        'run; its log says why'
      );
    case 1:
    case 132:
      return `the broker at ${broker} does not speak this version of MQTT (CONNACK ${code})`;
    case 'ECONNREFUSED':
      return `nothing listens at ${broker}: check address and port, and that the broker runs`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name in ${broker} is not known: check it for typing errors`;
  }
  const why = messageOf(cause);
  if (/certificate|self.signed/i.test(`${why} ${code ?? ''}`)) {
    return `the TLS certificate of ${broker} was not accepted (${why}): check its name, or have its CA trusted with NODE_EXTRA_CA_CERTS=FILE`;
  }
  return `could not connect to ${broker} (${why}): check address, port and network`;
}

function parse(payload: Buffer): Data {
  try {
    const value: unknown = JSON.parse(payload.toString());
    return isData(value) ? value : {};
  } catch {
    return {};
  }
}

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

export function failed(message: string, cause?: unknown): DockhookError {
  return new DockhookError('failed', message, { cause });
}
