/** Telemetry beside the requests: how many calls an osd message costs, and how much later it arrives. */
import { generatePassword } from '../../src/access/generate-password.js';
import { hashGenerated } from '../../src/password-hashes/index.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import { connectClient, type TestClient } from '../support/mqtt.js';
import type { TestDatabase } from '../support/postgres.js';
import type { Bench } from './bench.js';
import { brokerKinds, type BrokerKind } from './brokers.js';
import { addFleet, dockOf } from './fleet.js';
import { osdTimes } from './osd.js';
import { callsOf } from './processes.js';
import type { Report, Row } from './report.js';
import { connectDock, REQUESTS_OF_WAY, sendRequests, subscribeReplies, type OnlineDock } from './way.js';

const DOCKS = 16;
const MESSAGES_PER_TOPIC = 200;
const BACKEND = 'backend';

export async function telemetry(bench: Bench): Promise<Report> {
  const kinds = brokerKinds();
  const rows: Row[] = [];
  for (const [name, { asking }] of Object.entries(kinds)) {
    rows.push({ broker: name, ...(await countCalls(asking, bench)) });
  }
  if ('mosquitto' in kinds) rows.push(...(await osdTimes(bench)));
  return {
    title: 'what telemetry costs: calls, counted by dockhook; time in Mosquitto, with the plugin and without',
    rows,
  };
}

async function countCalls(asking: BrokerKind['asking'], bench: Bench): Promise<Row> {
  const database = await bench.database();
  const password = generatePassword();
  await addFleet(database, DOCKS, hashGenerated(password));
  await addBackend(database, password);
  const dockhook = await bench.dockhook(database.url);
  const broker = await asking(`127.0.0.1:${dockhook.port}`);
  try {
    const url = `mqtt://127.0.0.1:${broker.port}`;
    const backend = await connectClient(url, { clientId: BACKEND, username: BACKEND, password });
    await backend.subscribe('thing/product/+/osd');
    const before = {
      publish: await callsOf(dockhook, 'message.publish'),
      authorize: await callsOf(dockhook, 'client.authorize'),
    };
    const docks = await Promise.all(
      Array.from({ length: DOCKS }, (_, number) => connectDock(url, { ...dockOf(number), password })),
    );
    await Promise.all(docks.map(subscribeReplies));
    await Promise.all([...docks.map(sendOsd), ...docks.map((online) => sendRequests(online))]);
    const messages = DOCKS * 2 * MESSAGES_PER_TOPIC;
    for (let received = 0; received < messages; received += 1) await backend.next();
    const requests = DOCKS * REQUESTS_OF_WAY;
    const publishCalls = (await callsOf(dockhook, 'message.publish')) - before.publish;
    const authorizeCalls = (await callsOf(dockhook, 'client.authorize')) - before.authorize;
    for (const { client } of [...docks, { client: backend }]) await client.close();
    return {
      docks: DOCKS,
      'osd messages': messages,
      requests,
      'publish calls': publishCalls,
      'publish calls per osd message': (publishCalls - requests) / messages,
      'authorize calls per dock': authorizeCalls / DOCKS,
      'topics used per dock': 'requests, requests_reply, osd of dock and drone',
    };
  } finally {
    await broker.stop();
    await dockhook.stop();
    await database.drop();
  }
}

async function sendOsd({ dock, client }: OnlineDock): Promise<void> {
  for (let number = 0; number < MESSAGES_PER_TOPIC; number += 1) {
    const osd = JSON.stringify({ tid: 'T', bid: 'B', timestamp: Date.now(), data: { mode_code: 0, number } });
    for (const sn of [dock.sn, dock.drone]) await publishOsd(client, sn, osd);
  }
}

function publishOsd(client: TestClient, sn: string, osd: string): Promise<void> {
  return client.publish(`thing/product/${sn}/osd`, osd, { qos: 0 });
}

async function addBackend({ url }: TestDatabase, password: string): Promise<void> {
  const stores = openStores(connectPostgres(url));
  const scope = { kind: 'service' as const, publish: ['#'], subscribe: ['#'] };
  await stores.accounts.add({ name: BACKEND, passwordHash: hashGenerated(password), scope });
  await stores.close();
}
