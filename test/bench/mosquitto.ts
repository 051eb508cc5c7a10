/**
 * What requests cost the telemetry beside them: one process publishes osd and another measures when it arrives, with the
 * plugin and without, round about. Run it on a machine that does nothing else:
 *
 *   npm run build:mosquitto && node --import tsx test/bench/mosquitto.ts
 */
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { freePorts } from '../support/haproxy.js';
import { runMosquitto, startMosquitto } from '../support/mosquitto.js';
import { connectClient } from '../support/mqtt.js';
import { rewritten, startProvider } from '../support/scripted-provider.js';

const SECONDS = 8;
const OSD_PER_SECOND = 500;
const OSD_BYTES = 620;
const ROUNDS = 3;
const SN = 'SN1';
const REQUESTS = `thing/product/${SN}/requests`;

interface Load {
  name: string;
  plugin: boolean;
  requestsPerSecond: number;
  answerMs: number;
}

const LOADS: Load[] = [
  { name: 'no plugin, no requests', plugin: false, requestsPerSecond: 0, answerMs: 0 },
  { name: 'plugin, no requests', plugin: true, requestsPerSecond: 0, answerMs: 0 },
  { name: 'no plugin, 50 requests/s', plugin: false, requestsPerSecond: 50, answerMs: 0 },
  { name: 'plugin, 50 requests/s', plugin: true, requestsPerSecond: 50, answerMs: 0 },
  { name: 'plugin, one answer of 300 ms a second', plugin: true, requestsPerSecond: 1, answerMs: 300 },
];

/** Milliseconds from publish to arrival, of every osd and of every request to its reply. */
async function measure({
  plugin,
  requestsPerSecond,
  answerMs,
}: Load): Promise<{ osd: number[]; replies: number[] }> {
  const provider = await startProvider({
    OnMessagePublish: async ({ message }) => {
      if (answerMs > 0) await pause(answerMs);
      return rewritten(message, { topic: `${message.topic}_reply` });
    },
  });
  const [port = 0] = await freePorts(1);
  const user = process.getuid?.() === 0 ? ['user root'] : [];
  const broker = plugin
    ? await startMosquitto({ exhook: provider.address })
    : runMosquitto(['allow_anonymous true', 'set_tcp_nodelay true', ...user, `listener ${port} 127.0.0.1`]);
  if (!plugin) await broker.says(' running');
  const url = 'url' in broker ? broker.url : `mqtt://127.0.0.1:${port}`;
  const connect = async (clientId: string) => {
    const client = await connectClient(url, { clientId, username: clientId, password: 'p' });
    // Else Nagle's algorithm is what is measured.
    (client.mqtt.stream as Socket).setNoDelay(true);
    return client;
  };
  const [dock, watcher, asker] = [await connect('dock'), await connect('watcher'), await connect('asker')];
  const osd: number[] = [];
  const replies: number[] = [];
  await watcher.subscribe('thing/product/+/osd');
  // Without the plugin nobody answers; then the request itself is what arrives.
  await asker.subscribe(plugin ? `${REQUESTS}_reply` : REQUESTS);
  const sentAt = (payload: Buffer): number => performance.now() - payload.readDoubleBE(0);
  watcher.mqtt.on('message', (_topic, payload) => osd.push(sentAt(payload)));
  asker.mqtt.on('message', (_topic, payload) => replies.push(sentAt(payload)));

  const stamped = (bytes: number): Buffer => {
    const payload = Buffer.alloc(bytes);
    payload.writeDoubleBE(performance.now());
    return payload;
  };
  const start = performance.now();
  let [sent, asked] = [0, 0];
  while (performance.now() - start < SECONDS * 1000) {
    const seconds = (performance.now() - start) / 1000;
    for (; sent < seconds * OSD_PER_SECOND; sent += 1) {
      void dock.publish(`thing/product/${SN}/osd`, stamped(OSD_BYTES));
    }
    for (; asked < Math.floor(seconds * requestsPerSecond); asked += 1) {
      void asker.publish(REQUESTS, stamped(200), { qos: 1 });
    }
    await pause(1);
  }
  await pause(1000);
  if (osd.length !== sent || replies.length !== asked) {
    console.log(`LOST: osd ${osd.length} of ${sent}, replies ${replies.length} of ${asked}`);
  }
  await Promise.all([dock.close(), watcher.close(), asker.close()]);
  await broker.stop();
  provider.stop();
  return { osd, replies };
}

function summary(times: number[]): string {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? NaN).toFixed(2);
  return `p50 ${at(0.5)}  p99 ${at(0.99)}  max ${at(1)}`;
}

for (let round = 1; round <= ROUNDS; round += 1) {
  for (const load of LOADS) {
    const { osd, replies } = await measure(load);
    console.log(`${load.name.padEnd(40)} osd ${summary(osd)}   requests ${summary(replies)}`);
  }
}
