/** The session of a probe as a dock: it publishes, listens and subscribes, and never waits for ever. */
import { subscribeCodes, type connectMqtt } from '../../simulator/mqtt-connect.js';
import type { BrokerWords } from '../brokers.js';

/** A connected client of the `mqtt` package. */
export type Client = Awaited<ReturnType<typeof connectMqtt>>;

export interface DockSession {
  client: Client;
  /** Sees what other clients would see. */
  watcher: Client | undefined;
  gateway: string;
  /** An SN that no device has. */
  foreign: string;
  broker: BrokerWords;
  timeoutMs: number;
  protocolVersion: 4 | 5;
  within: Within;
}

/** Waits for something that may never come: `undefined` if it took too long. Rejects if the probe is stopped. */
type Within = <T>(work: Promise<T>) => Promise<T | undefined>;

/** The limit holds for each work alone. A work that takes longer goes on, and nobody waits for it. */
export function limitTime(timeoutMs: number, signal: AbortSignal): Within {
  return async (work) => {
    signal.throwIfAborted();
    let end = (): void => undefined;
    const limit = new Promise<undefined>((resolve, reject) => {
      const timer = setTimeout(resolve, timeoutMs, undefined);
      const onAbort = (): void => {
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      };
    });
    try {
      return await Promise.race([work, limit]);
    } finally {
      end();
    }
  };
}

/**
 * Publishes what a dock may publish, and waits until the watcher gets it. By then, all that was published before has
 * arrived, if the broker let it through. `undefined` if it does not arrive.
 */
export async function sendMarker(
  { client, gateway, within }: DockSession,
  tid: string,
  seen: Listener,
): Promise<Buffer | undefined> {
  const topic = `thing/product/${gateway}/services_reply`;
  await within(client.publishAsync(topic, meaningless(tid), { qos: 1 }).catch(() => undefined));
  return within(seen.first(topic));
}

/** A message that no backend waits for, with a method that none knows. */
export function meaningless(tid: string): string {
  return JSON.stringify({ tid, bid: tid, timestamp: Date.now(), method: 'dockhook_probe', data: {} });
}

/** Codes of a SUBACK or PUBACK from here on are refusals. */
export const REFUSED = 128;

/** Subscribes. @returns the codes of the SUBACK; none if there was no answer */
export async function subscribe(
  { within }: DockSession,
  client: Client,
  filters: string[],
): Promise<number[]> {
  return (await within(subscribeCodes(client, filters).catch(() => []))) ?? [];
}

/** Whether a publish failed because the broker refused it. */
export function asRefusal(error: unknown): 'refused' | 'unknown' {
  const { code } = error as { code?: unknown };
  return typeof code === 'number' && code >= REFUSED ? 'refused' : 'unknown';
}

interface Listener {
  /** The topics of messages that came so far. */
  topics: Set<string>;
  /** The first message on a topic, whether it came already or not. */
  first(topic: string): Promise<Buffer>;
  stop(): void;
}

/** Listens for messages with this tid: on a broker in use, others come as well. */
export function listen(client: Client, tid: string): Listener {
  const topics = new Set<string>();
  const found = new Map<string, Buffer>();
  const waiting = new Map<string, (payload: Buffer) => void>();
  const onMessage = (topic: string, payload: Buffer): void => {
    if (!payload.includes(tid)) return;
    topics.add(topic);
    if (!found.has(topic)) found.set(topic, payload);
    waiting.get(topic)?.(payload);
  };
  client.on('message', onMessage);
  return {
    topics,
    first: (topic) =>
      new Promise((resolve) => {
        const payload = found.get(topic);
        if (payload) resolve(payload);
        else waiting.set(topic, resolve);
      }),
    stop: () => void client.off('message', onMessage),
  };
}
