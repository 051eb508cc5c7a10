/**
 * An MQTT broker as a process of its own: `exhook HOST:PORT` is the embedded one, which asks dockhook; `plain` the same
 * aedes that asks nobody, for the classic design.
 */
import { createServer, type AddressInfo } from 'node:net';
import { Aedes } from 'aedes';
import { startBroker } from '../../src/trial-broker/broker.js';

const [kind, exhook = ''] = process.argv.slice(2);
process.on('disconnect', () => process.exit());

if (kind === 'exhook') {
  const { port } = await startBroker({
    listen: { host: '127.0.0.1', port: 0 },
    exhook,
    onError: (error) => {
      console.error(error.message);
    },
  });
  process.send!({ port });
} else {
  const aedes = await Aedes.createBroker();
  const server = createServer({ noDelay: true }, aedes.handle);
  server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
}
