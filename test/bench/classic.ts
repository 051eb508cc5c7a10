/**
 * The classic design: an MQTT client beside the broker that subscribes to all requests and publishes the replies.
 * It has dockhook's methods on the same Postgres, and trusts its broker with who may ask.
 */
import mqtt from 'mqtt';
import { createRequests } from '../../src/dock/requests.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openServerStores } from '../../src/stores/stores.js';
import { withoutDelay } from './nagle.js';

const [brokerUrl = '', databaseUrl = ''] = process.argv.slice(2);
process.on('disconnect', () => process.exit());

const { organizations, bindings, license } = openServerStores(connectPostgres(databaseUrl));
const requests = createRequests({
  organizations,
  bindings,
  license,
  emptyReplies: new Set(),
  identifyPublisher: async () => 'dock',
  isListed: async () => false,
  tell: () => undefined,
});
const client = await mqtt.connectAsync(brokerUrl);
withoutDelay(client);

async function answer(topic: string, payload: Buffer, qos: number): Promise<void> {
  const session = { account: 'classic', clientId: 'classic' };
  const verdict = await requests.publish({ id: '', topic, qos, payload, session });
  if (verdict.kind === 'reply') await client.publishAsync(verdict.topic, verdict.payload, { qos: 1 });
}

client.on('message', (topic, payload, { qos }) => void answer(topic, payload, qos));
await client.subscribeAsync('thing/product/+/requests', { qos: 1 });
process.send!({ port: 0 });
