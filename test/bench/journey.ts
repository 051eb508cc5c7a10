/**
 * What a dock waits for: its four requests, one after the other, through a broker that asks dockhook, against the same
 * broker with the classic design beside it.
 */
import { randomUUID } from 'node:crypto';
import { generatePassword } from '../../src/access/generate-password.js';
import { hashGenerated } from '../../src/password-hashes/index.js';
import { connectClient, type TestClient } from '../support/mqtt.js';
import type { Bench } from './bench.js';
import { brokerKinds, type Broker } from './brokers.js';
import {
  addFleet,
  dockOf,
  isGoodReply,
  METHODS,
  payloadOf,
  requestTopic,
  type Dock,
  type MethodName,
} from './fleet.js';
import { withoutDelay } from './nagle.js';
import { startHelper } from './processes.js';
import type { Report, Row } from './report.js';
import { interleave, quantile, ratioOf, spreadOf } from './statistics.js';

const DOCKS = [1, 16, 128];

export interface OnlineDock {
  dock: Dock;
  client: TestClient;
}

export async function connectDock(port: number, dock: Dock, password: string): Promise<OnlineDock> {
  const client = await connectClient(`mqtt://127.0.0.1:${port}`, {
    clientId: dock.sn,
    username: dock.sn,
    password,
  });
  withoutDelay(client.mqtt);
  const [granted] = await client.subscribe(`${requestTopic(dock)}_reply`);
  if (granted === 128) throw new Error(`${dock.sn} may not subscribe`);
  return { dock, client };
}

/** The four requests, each sent when the one before is answered. Rejects if a reply is not the right one. */
export async function walk({ dock, client }: OnlineDock): Promise<void> {
  for (const method of Object.keys(METHODS) as MethodName[]) {
    const tid = randomUUID();
    const sent = client.publish(requestTopic(dock), payloadOf(dock, method, tid), { qos: 1 });
    const { payload } = await client.next();
    await sent;
    const isOurs = (JSON.parse(payload.toString()) as { tid: string }).tid === tid;
    if (!isOurs || !isGoodReply(method, payload))
      throw new Error(`${method} was answered with ${payload.toString()}`);
  }
}

export async function journey(bench: Bench): Promise<Report> {
  const database = await bench.database();
  const password = generatePassword();
  const counts = DOCKS.filter((count) => count <= bench.scale.docks);
  await addFleet(database, Math.max(...counts), hashGenerated(password));
  const dockhook = await bench.dockhook(database.url);
  const rows: Row[] = [];
  try {
    for (const [name, { asking, plain }] of Object.entries(brokerKinds())) {
      const brokers = { dockhook: await asking(`127.0.0.1:${dockhook.port}`), classic: await plain() };
      const responder = await startHelper('classic.ts', [
        `mqtt://127.0.0.1:${brokers.classic.port}`,
        database.url,
      ]);
      for (const count of counts)
        rows.push({ broker: name, ...(await compare(brokers, count, password, bench)) });
      await responder.stop();
      for (const broker of Object.values(brokers)) await broker.stop();
    }
  } finally {
    await dockhook.stop();
    await database.drop();
  }
  return { title: 'four requests of a dock, dockhook in the broker against a client beside it', rows };
}

async function compare(
  brokers: Record<'dockhook' | 'classic', Broker>,
  count: number,
  password: string,
  { scale }: Bench,
): Promise<Row> {
  const online = async ({ port }: Broker): Promise<OnlineDock[]> =>
    Promise.all(Array.from({ length: count }, (_, number) => connectDock(port, dockOf(number), password)));
  const docks = { dockhook: await online(brokers.dockhook), classic: await online(brokers.classic) };
  // Longer than others: with many docks one walk takes a good part of a second.
  const milliseconds = scale.seconds * 2000;
  for (const side of Object.values(docks)) await walkOn(side, milliseconds);
  const { dockhook, classic } = await interleave(['dockhook', 'classic'], scale.rounds, (side) =>
    walkOn(docks[side], milliseconds),
  );
  for (const { client } of Object.values(docks).flat()) await client.close();
  const of = (side: Walks[], field: keyof Walks) => side.map((walks) => walks[field]);
  const requests = (side: Walks[]) =>
    of(side, 'perSecond').map((walks) => walks * Object.keys(METHODS).length);
  return {
    docks: count,
    throughput: ratioOf(of(dockhook, 'perSecond'), of(classic, 'perSecond')),
    p50: ratioOf(of(dockhook, 'p50'), of(classic, 'p50')),
    p99: ratioOf(of(dockhook, 'p99'), of(classic, 'p99')),
    'requests/s': spreadOf(requests(dockhook)),
    'classic requests/s': spreadOf(requests(classic)),
    'four requests p50 ms': spreadOf(of(dockhook, 'p50')),
    'classic p50 ms': spreadOf(of(classic, 'p50')),
  };
}

interface Walks {
  perSecond: number;
  p50: number;
  p99: number;
}

/** All docks walk again and again; whoever is on the way when the time is over goes on to the end. */
async function walkOn(docks: OnlineDock[], milliseconds: number): Promise<Walks> {
  const took: number[] = [];
  const start = performance.now();
  const again = async (dock: OnlineDock): Promise<void> => {
    do {
      const began = performance.now();
      await walk(dock);
      took.push(performance.now() - began);
    } while (performance.now() - start < milliseconds);
  };
  await Promise.all(docks.map(again));
  const seconds = (performance.now() - start) / 1000;
  return { perSecond: took.length / seconds, p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
}
