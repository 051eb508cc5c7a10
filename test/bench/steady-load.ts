/**
 * What EMQX asks all day for a fleet that is connected: each dock's topics anew every cache period, a request now and
 * then, and some docks that reconnect. A process of its own, so that its work is not counted as the provider's; its
 * parent sends what to do, and is told how long the answers took.
 */
import { connectEmqxPool } from '../support/emqx-pool.js';
import { dockOf, framesOf, ofClient, requested, requestTopic, toAuthorize, type Call } from './fleet.js';

/** As EMQX and its `authorization.cache.ttl` have it; a part of the time that a smoke test takes. */
export interface Steady {
  docks: number;
  seconds: number;
  /** How often each dock's topics are asked anew. */
  periodSeconds: number;
  requestsPerSecond: number;
  reconnectsPerSecond: number;
  /** What the broker calls for; see `OnProviderLoaded`. */
  hooks: string[];
}

/** Milliseconds of each answer, by call. */
export type Took = Record<string, number[]>;

export interface Told {
  took: Took;
  /** Calls without an answer within EMQX's 5 s, or with another than a connected dock should get. */
  failed: number;
  seconds: number;
  /** CPU time of this process, in milliseconds. */
  cpuMs: number;
}

const OWN = 'client.authorize, own topic';
const DRONE = 'client.authorize, drone';

/** How many docks are asked about at a time before anything is measured. */
const FIRST_CALLS = 32;

interface Step {
  kind: string;
  method: Call['method'];
  frameOf(number: number): Buffer;
  /** What is in every good answer. */
  good: Buffer | string;
}

const [port, password = ''] = process.argv.slice(2);
const pool = connectEmqxPool(Number(port));
let took: Took;
let failed = 0;

const dock = dockOf(0);
/** STOP_AND_RETURN, true */
const YES = Buffer.from('08021801', 'hex');

function step(kind: string, call: Call, good: Step['good']): Step {
  return { kind, method: call.method, frameOf: framesOf(call), good };
}

function topic(kind: string, type: 'PUBLISH' | 'SUBSCRIBE', name: string): Step {
  return step(kind, toAuthorize(dock, type, name), YES);
}

const own = `thing/product/${dock.sn}`;
const drone = `thing/product/${dock.drone}`;
/** EMQX asks about a subscription when it is made, and Mosquitto's plugin all along; here they count like the others. */
const TOPICS = [
  topic(OWN, 'PUBLISH', requestTopic(dock)),
  topic(OWN, 'SUBSCRIBE', `${requestTopic(dock)}_reply`),
  topic(OWN, 'PUBLISH', `${own}/osd`),
  topic(OWN, 'PUBLISH', `${own}/events`),
  topic(OWN, 'PUBLISH', `sys/product/${dock.sn}/status`),
  topic(DRONE, 'PUBLISH', `${drone}/osd`),
  topic(DRONE, 'PUBLISH', `${drone}/state`),
  topic(DRONE, 'PUBLISH', `${drone}/events`),
  topic(DRONE, 'SUBSCRIBE', `${drone}/state_reply`),
  topic(DRONE, 'SUBSCRIBE', `${drone}/events_reply`),
];
const LOGS_IN = step('client.authenticate', ofClient('OnClientAuthenticate', dock, { password }), YES);
const REQUESTS = [
  step('config', requested(dock, 'config'), '"app_id":"1"'),
  step('airport_bind_status', requested(dock, 'airport_bind_status'), '"result":0'),
];
/** What the broker only tells, if the provider wants to know. */
const ENDS = step('client.disconnected', ofClient('OnClientDisconnected', dock), '');
const CONNECTED = step('client.connected', ofClient('OnClientConnected', dock), '');

async function call({ kind, method, frameOf, good }: Step, number: number): Promise<void> {
  const body = frameOf(number);
  const began = performance.now();
  const answer = await pool.send(number, method, body).catch(() => undefined);
  took[kind]!.push(performance.now() - began);
  if (answer?.includes(good) !== true) failed += 1;
}

/** In the order of the tables. */
const ALL = [...TOPICS, LOGS_IN, ...REQUESTS, CONNECTED, ENDS];

function forgetTimes(): void {
  took = Object.fromEntries(ALL.map(({ kind }) => [kind, []]));
  failed = 0;
}

async function reconnect(number: number, hooks: readonly string[]): Promise<void> {
  const told = (one: Step): Step[] => (hooks.includes(one.kind) ? [one] : []);
  for (const one of [...told(ENDS), LOGS_IN, ...told(CONNECTED), ...TOPICS, ...REQUESTS])
    await call(one, number);
}

/** Everybody is known afterwards, as in a fleet that has been there for a while. */
async function meetAll(docks: number): Promise<void> {
  forgetTimes();
  let next = 0;
  const work = async (): Promise<void> => {
    for (let number = next++; number < docks; number = next++)
      for (const one of [LOGS_IN, TOPICS.at(-1)!, ...REQUESTS]) await call(one, number);
  };
  await Promise.all(Array.from({ length: FIRST_CALLS }, work));
}

/** Something that happens so often, each time with the next number. */
interface Habit {
  perSecond: number;
  act(count: number): Promise<void>;
}

async function keepUp(habits: readonly Habit[], seconds: number): Promise<void> {
  const underWay: Promise<void>[] = [];
  const counts = habits.map(() => 0);
  const start = performance.now();
  await new Promise<void>((resolve, reject) => {
    const timer = setInterval(() => {
      const elapsed = (performance.now() - start) / 1000;
      for (const [index, { perSecond, act }] of habits.entries()) {
        while (counts[index]! <= Math.min(elapsed, seconds) * perSecond) {
          const acted = act(counts[index]!);
          acted.catch(reject);
          underWay.push(acted);
          counts[index]! += 1;
        }
      }
      if (elapsed < seconds) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
  await Promise.all(underWay);
}

async function live(steady: Steady): Promise<Told> {
  const { docks, seconds, periodSeconds, requestsPerSecond, reconnectsPerSecond, hooks } = steady;
  forgetTimes();
  const began = performance.now();
  const before = process.cpuUsage();
  await keepUp(
    [
      {
        // One topic of all docks, then the next topic: each of them once a period.
        perSecond: (docks * TOPICS.length) / periodSeconds,
        act: (count) => call(TOPICS[Math.floor(count / docks) % TOPICS.length]!, count % docks),
      },
      {
        perSecond: requestsPerSecond,
        act: (count) => call(REQUESTS[count % REQUESTS.length]!, (count * 7919) % docks),
      },
      { perSecond: reconnectsPerSecond, act: (count) => reconnect((count * 7907) % docks, hooks) },
    ],
    seconds,
  );
  const { user, system } = process.cpuUsage(before);
  return { took, failed, seconds: (performance.now() - began) / 1000, cpuMs: (user + system) / 1000 };
}

process.on('disconnect', () => process.exit());
process.on('message', (told: { meet: number } | Steady) => {
  const work = 'meet' in told ? meetAll(told.meet).then(() => ({})) : live(told);
  void work.then((answer) => process.send!(answer));
});
process.send!({ port: 0 });
