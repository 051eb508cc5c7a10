/**
 * What requests cost the osd beside them, in Mosquitto: how long osd takes from publish to arrival with the plugin and
 * without, and while an answer takes 300 ms. A no-op provider answers: what is left is the broker's part.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { hookProvider } from '../../src/exhook/proto.js';
import { connectClient, type TestClient } from '../support/mqtt.js';
import type { Bench } from './bench.js';
import { mosquitto, plainMosquitto, type Broker } from './brokers.js';
import { dockOf, payloadOf, requested, requestTopic } from './fleet.js';
import { withoutDelay } from './nagle.js';
import type { NoopAnswer } from './noop-provider.js';
import { startHelper, type Helper } from './processes.js';
import type { Row } from './report.js';
import { interleave, quantile, ratioOf, spreadOf } from './statistics.js';

const OSD_PER_SECOND = 500;
const OSD_BYTES = 620;
const REQUESTS_PER_SECOND = 50;
const SLOW_ANSWER_MS = 300;
const ROUND_MS = 1000;
/** What has not arrived so long after the last was sent is lost, in milliseconds. */
const LOST_AFTER_MS = 5000;

const ASKER = dockOf(0);
const REQUESTS = requestTopic(ASKER);
const OSD = `thing/product/${ASKER.sn}/osd`;

/** Clients of one broker, and what goes on beside the osd. */
interface Side {
  dock: TestClient;
  watcher: TestClient;
  asker: TestClient;
  requestsPerSecond: number;
}

export async function osdTimes(bench: Bench): Promise<Row[]> {
  const providers = { quick: await startNoop(0), slow: await startNoop(SLOW_ANSWER_MS) };
  const exhook = ({ port }: Helper): string => `127.0.0.1:${port}`;
  const brokers = {
    plain: await plainMosquitto(),
    quick: await mosquitto.asking(exhook(providers.quick)),
    slow: await mosquitto.asking(exhook(providers.slow)),
  };
  const sides = {
    // Nobody answers there: the request itself is what the asker hears.
    plain: await connectSide(brokers.plain, REQUESTS, REQUESTS_PER_SECOND),
    quick: await connectSide(brokers.quick, `${REQUESTS}_reply`, REQUESTS_PER_SECOND),
    slow: await connectSide(brokers.slow, `${REQUESTS}_reply`, 1),
  };
  const milliseconds = bench.scale.calls === undefined ? ROUND_MS : bench.scale.seconds * 1000;
  try {
    const measured = await interleave(['plain', 'quick', 'slow'], bench.scale.rounds, (side) =>
      publish(sides[side], milliseconds),
    );
    const { plain } = measured;
    const of = (side: Heard[], times: keyof Heard, share: number) =>
      side.map((heard) => quantile(heard[times], share));
    return (['quick', 'slow'] as const).map((side) => ({
      'beside 500 osd/s': side === 'quick' ? '50 requests/s' : 'one answer of 300 ms a second',
      'osd p50': ratioOf(of(measured[side], 'osd', 0.5), of(plain, 'osd', 0.5)),
      'osd p99': ratioOf(of(measured[side], 'osd', 0.99), of(plain, 'osd', 0.99)),
      'osd p50 ms': spreadOf(of(measured[side], 'osd', 0.5)),
      'without the plugin p50 ms': spreadOf(of(plain, 'osd', 0.5)),
      'osd p99 ms': spreadOf(of(measured[side], 'osd', 0.99)),
      'without the plugin p99 ms': spreadOf(of(plain, 'osd', 0.99)),
      'request p50 ms': spreadOf(of(measured[side], 'replies', 0.5)),
    }));
  } finally {
    for (const { dock, watcher, asker } of Object.values(sides))
      for (const client of [dock, watcher, asker]) await client.close();
    for (const broker of Object.values(brokers)) await broker.stop();
    for (const provider of Object.values(providers)) await provider.stop();
  }
}

/** Says yes to everybody, and answers each request with the same reply. */
async function startNoop(delayMs: number): Promise<Helper> {
  const yes = { type: 'STOP_AND_RETURN', bool_result: true };
  const { message } = requested(ASKER, 'config').request as { message?: object };
  const answers: Record<string, object> = {
    OnProviderLoaded: {
      hooks: [
        { name: 'client.authenticate' },
        { name: 'client.authorize' },
        { name: 'message.publish', topics: ['thing/product/+/requests'] },
      ],
    },
    OnClientAuthenticate: yes,
    OnClientAuthorize: yes,
    OnMessagePublish: { type: 'STOP_AND_RETURN', message: { ...message, topic: `${REQUESTS}_reply` } },
  };
  const noop = await startHelper('noop-provider.ts');
  const service = hookProvider('v3');
  for (const [method, answer] of Object.entries(answers)) {
    const fixed: NoopAnswer = {
      method,
      answer: service[method]!.responseSerialize(answer).toString('base64'),
      delayMs: method === 'OnMessagePublish' ? delayMs : 0,
    };
    await noop.tell(fixed);
  }
  return noop;
}

async function connectSide({ port }: Broker, heard: string, requestsPerSecond: number): Promise<Side> {
  const connect = async (clientId: string): Promise<TestClient> => {
    const options = { clientId, username: clientId, password: 'any' };
    const client = await connectClient(`mqtt://127.0.0.1:${port}`, options);
    withoutDelay(client.mqtt);
    return client;
  };
  const side = {
    dock: await connect(dockOf(1).sn),
    watcher: await connect('backend'),
    asker: await connect(ASKER.sn),
    requestsPerSecond,
  };
  await side.watcher.subscribe('thing/product/+/osd');
  await side.asker.subscribe(heard);
  return side;
}

/** Milliseconds from publish to arrival: of each osd, and of each request to its reply. */
interface Heard {
  osd: number[];
  replies: number[];
}

async function publish(
  { dock, watcher, asker, requestsPerSecond }: Side,
  milliseconds: number,
): Promise<Heard> {
  const start = performance.now();
  const sent: Heard = { osd: [], replies: [] };
  const heard = { osd: timesOf(watcher, sent.osd), replies: timesOf(asker, sent.replies) };
  for (let elapsed = 0; elapsed < milliseconds; elapsed = performance.now() - start) {
    const isDue = (times: number[], perSecond: number): boolean =>
      times.length <= (elapsed * perSecond) / 1000;
    while (isDue(sent.osd, OSD_PER_SECOND)) {
      sent.osd.push(performance.now());
      void dock.publish(OSD, Buffer.alloc(OSD_BYTES));
    }
    while (isDue(sent.replies, requestsPerSecond)) {
      sent.replies.push(performance.now());
      void asker.publish(REQUESTS, payloadOf(ASKER, 'config'), { qos: 1 });
    }
    await pause(1);
  }
  return { osd: await heard.osd.all(), replies: await heard.replies.all() };
}

/** Takes the time of what a client hears; all of it comes in the order in which it was sent. */
function timesOf(client: TestClient, sent: number[]): { all(): Promise<number[]> } {
  const took: number[] = [];
  let isComplete = (): void => undefined;
  const note = (): void => {
    took.push(performance.now() - sent[took.length]!);
    isComplete();
  };
  client.mqtt.on('message', note);
  return {
    async all() {
      const timer = new AbortController();
      const late = pause(LOST_AFTER_MS, undefined, { signal: timer.signal }).then(() => {
        throw new Error(`only ${took.length} of ${sent.length} messages arrived`);
      });
      const complete = new Promise<void>((resolve) => {
        isComplete = () => {
          if (took.length >= sent.length) resolve();
        };
        isComplete();
      });
      await Promise.race([complete, late]);
      timer.abort();
      late.catch(() => undefined);
      client.mqtt.off('message', note);
      return took;
    },
  };
}
