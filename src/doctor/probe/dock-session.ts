/** What the probe tries once it is let in as a dock. Each step is one group of findings. */
import { randomUUID } from 'node:crypto';
import { subscribeCodes, type connectMqtt } from '../../simulator/mqtt-connect.js';
import { messageOf } from '../../errors.js';
import type { Finding } from '../../finding.js';

type Client = Awaited<ReturnType<typeof connectMqtt>>;

export interface Dock {
  client: Client;
  /** Sees what other clients would. */
  watcher?: Client;
  gateway: string;
  /** An SN that no device has. */
  foreign: string;
  timeoutMs: number;
  protocolVersion: 4 | 5;
  within: Within;
}

/** Waits for what a broker may never do: `undefined` if it took too long. Rejects if the probe is stopped. */
export type Within = <T>(work: Promise<T>) => Promise<T | undefined>;

export function withinOf(timeoutMs: number, signal: AbortSignal): Within {
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

const CONFIG =
  'dockhook emqx config prints the configuration to use; dockhook emqx status shows how it stands';

/** Subscribes to the replies, as every dock does first. */
export async function ownReplies(dock: Dock): Promise<Finding[]> {
  const { client, watcher, gateway, foreign } = dock;
  const topic = `thing/product/${gateway}/requests_reply`;
  const [code] = await codesOf(dock, client, [topic]);
  if (code === undefined || code >= REFUSED) {
    return [
      {
        level: 'error',
        code: 'probe_replies_refused',
        what: `a dock may not subscribe to its own ${topic} (${code === undefined ? 'no answer' : `SUBACK ${code}`})`,
        why: 'it is deaf: no reply and no command reaches it',
        fix: [
          'check that the account may act for this gateway, and that no other authorization source of the broker decides first',
        ],
      },
    ];
  }
  if (watcher) {
    await codesOf(
      dock,
      watcher,
      [gateway, foreign].map((sn) => `thing/product/${sn}/#`),
    );
  }
  return [{ level: 'ok', code: 'probe_replies', what: 'a dock may subscribe to its own replies' }];
}

/** Asks for what belongs to others. */
export async function foreignFilters(dock: Dock): Promise<Finding[]> {
  const { client, foreign } = dock;
  const filters = [`thing/product/${foreign}/services`, 'thing/product/+/osd', '#'];
  const codes = await codesOf(dock, client, filters);
  const granted = filters.filter((_, index) => (codes[index] ?? REFUSED) < REFUSED);
  if (granted.length === 0) {
    return [
      {
        level: 'ok',
        code: 'probe_foreign_subscribe_refused',
        what: 'a dock may not subscribe to topics of others',
      },
    ];
  }
  await dock.within(client.unsubscribeAsync(granted).catch(() => undefined));
  return [
    {
      level: 'error',
      code: 'probe_foreign_subscribe_granted',
      what: `a dock may subscribe to ${granted.join(', ')}`,
      why: 'it hears the telemetry and the license of others: an authorization source of the broker says yes before dockhook is asked (the acl.conf that EMQX ships ends in "allow all"), or the account is for any gateway',
      fix: [`authorization.sources = [], authorization.no_match = deny; ${CONFIG}`],
    },
  ];
}

/** Sends one request and waits for its reply. */
export async function reply(dock: Dock): Promise<Finding[]> {
  const { client, watcher, gateway, timeoutMs, within } = dock;
  const topics = {
    request: `thing/product/${gateway}/requests`,
    reply: `thing/product/${gateway}/requests_reply`,
  };
  const ids = { tid: randomUUID(), bid: randomUUID() };
  const method = 'airport_bind_status';
  const seen = watcher ? listen(watcher, ids.tid) : undefined;
  const heard = listen(client, ids.tid);
  const started = performance.now();
  const data = { devices: [{ sn: gateway }] };
  const message = JSON.stringify({ ...ids, timestamp: Date.now(), gateway, method, data });
  const sent = await within(
    client.publishAsync(topics.request, message, { qos: 1 }).then(() => true as const, messageOf),
  );
  const answer = sent === true ? await within(heard.first(topics.reply)) : undefined;
  const milliseconds = Math.round(performance.now() - started);
  heard.stop();
  // A reply may overtake the request on its way to others.
  if (answer !== undefined && seen) await sendMarker(dock, ids.tid, seen);
  seen?.stop();
  if (answer === undefined) {
    const [why, mend] = whyNoReply(sent, seen?.topics, topics);
    const what =
      sent === true ? `no reply to ${method} in ${timeoutMs / 1000} s` : `${method} could not be asked`;
    return [{ level: 'error', code: 'probe_no_reply', what, why, fix: [mend] }];
  }
  if (seen?.topics.has(topics.request)) {
    return [
      {
        level: 'error',
        code: 'probe_answered_elsewhere',
        what: `${method} was answered, and yet the request itself went on to subscribers`,
        why: 'another server answers docks, and dockhook is not asked: message.publish is not hooked, or not for this topic',
        fix: [`stop that server, or leave requests to it; ${CONFIG}`],
      },
    ];
  }
  const result = resultOf(answer);
  if (result !== 0) {
    return [
      {
        level: 'error',
        code: 'probe_reply_fault',
        what: `${method} was answered with result ${result ?? '(none)'}`,
        why: 'a dock takes that as a failure; 210233 means that the bindings could not be read',
        fix: ['see the log of dockhook serve, and that its database answers'],
      },
    ];
  }
  return [
    { level: 'ok', code: 'probe_reply', what: `a request of a dock got its reply in ${milliseconds} ms` },
  ];
}

/** From what became of the request, as far as it could be watched. */
function whyNoReply(
  sent: true | string | undefined,
  seen: ReadonlySet<string> | undefined,
  topics: { request: string; reply: string },
): [why: string, mend: string] {
  if (sent === undefined)
    return ['the broker did not even acknowledge the request', 'see the log and the load of the broker'];
  if (sent !== true) {
    const mend = 'check that the account may act for this gateway, and the log of dockhook';
    return [`the broker refused the request (${sent})`, mend];
  }
  if (seen?.has(topics.reply)) {
    const why = 'the reply went to other subscribers, and not back to the dock that asked';
    return [why, 'mqtt.ignore_loop_deliver = false in EMQX'];
  }
  if (seen?.has(topics.request)) {
    const why =
      'the request went on to subscribers as it was: dockhook was not asked, or failed to answer in time';
    return [why, CONFIG];
  }
  const why = 'the request was dropped, or its reply did not come back to the dock that asked';
  return [why, `mqtt.ignore_loop_deliver = false in EMQX; see the log of dockhook; ${CONFIG}`];
}

/** Publishes what a dock must not, and then what it may: if only the second arrives, the first was dropped. */
export async function foreignPublish(dock: Dock): Promise<Finding[]> {
  const { client, watcher, gateway, foreign, within } = dock;
  // Under an SN of the operator's, a real dock might hear the second.
  const command = watcher ? [`thing/product/${gateway}/services`] : [];
  const forbidden = [`thing/product/${foreign}/services_reply`, ...command];
  const tid = randomUUID();
  const seen = watcher ? listen(watcher, tid) : undefined;
  const outcomes = new Map<string, 'taken' | 'refused' | 'unknown'>();
  // A broker may also be set to end the connection of who is refused.
  const isCutOff = (): boolean => !client.connected;
  for (const topic of forbidden) {
    if (isCutOff()) break;
    const sent = client
      .publishAsync(topic, meaningless(tid), { qos: 1 })
      .then(() => 'taken' as const, refusalOf);
    outcomes.set(topic, (await within(sent)) ?? 'unknown');
  }
  const arrived = isCutOff() || !seen ? undefined : await sendMarker(dock, tid, seen);
  seen?.stop();
  // Only MQTT 5 tells a publisher that it was refused; under 3.1.1 "taken" means nothing.
  const isTold = dock.protocolVersion === 5;
  const delivered = forbidden.filter(
    (topic) => seen?.topics.has(topic) || (isTold && outcomes.get(topic) === 'taken'),
  );
  const proven =
    arrived !== undefined || isCutOff() || (isTold && ![...outcomes.values()].includes('unknown'));
  if (delivered.length > 0) {
    return [
      {
        level: 'error',
        code: 'probe_foreign_publish_delivered',
        what: `a dock may publish to ${delivered.join(', ')}`,
        why: 'it can speak for others and command them: an authorization source of the broker says yes before dockhook is asked, or the account is for any gateway',
        fix: [`authorization.sources = [], authorization.no_match = deny; ${CONFIG}`],
      },
    ];
  }
  if (proven) {
    const what = 'a dock may publish neither for others nor what only the cloud sends';
    return [{ level: 'ok', code: 'probe_foreign_publish_refused', what }];
  }
  return [
    {
      level: 'warning',
      code: 'probe_publish_unproven',
      what: 'whether a dock may publish for others could not be seen',
      why: 'MQTT 3.1.1 does not tell a publisher that it was refused, and nothing watched, or what may be published did not arrive',
      fix: ['probe with --mqtt 5, or without --username where the database can be reached'],
    },
  ];
}

/**
 * Publishes what a dock may, and waits until the watcher has it: what was published before and let through has
 * arrived by then. `undefined` if it does not arrive.
 */
async function sendMarker(
  { client, gateway, within }: Dock,
  tid: string,
  seen: Listener,
): Promise<Buffer | undefined> {
  const topic = `thing/product/${gateway}/services_reply`;
  await within(client.publishAsync(topic, meaningless(tid), { qos: 1 }).catch(() => undefined));
  return within(seen.first(topic));
}

/** A message whose ids no backend waits for, of a method that none knows. */
function meaningless(tid: string): string {
  return JSON.stringify({ tid, bid: tid, timestamp: Date.now(), method: 'dockhook_probe', data: {} });
}

/** From here on, a code of a SUBACK or PUBACK is a refusal. */
const REFUSED = 128;

/** The codes of the SUBACK; none if there was no answer. */
async function codesOf({ within }: Dock, client: Client, filters: string[]): Promise<number[]> {
  return (await within(subscribeCodes(client, filters).catch(() => []))) ?? [];
}

/** Whether a publish failed because the broker said no. */
function refusalOf(error: unknown): 'refused' | 'unknown' {
  const { code } = error as { code?: unknown };
  return typeof code === 'number' && code >= REFUSED ? 'refused' : 'unknown';
}

interface Listener {
  /** Where messages with this tid arrived so far. */
  topics: Set<string>;
  /** The first message on a topic, past or to come. */
  first(topic: string): Promise<Buffer>;
  stop(): void;
}

/** Hears messages of one tid: on a broker in use, others arrive as well. */
function listen(client: Client, tid: string): Listener {
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

function resultOf(payload: Buffer): number | undefined {
  try {
    const { data } = JSON.parse(payload.toString()) as { data?: { result?: unknown } };
    return typeof data?.result === 'number' ? data.result : undefined;
  } catch {
    return undefined;
  }
}
