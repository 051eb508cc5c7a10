import { startBroker } from '../../src/trial-broker/broker.js';
import { describeBroker, type Capabilities } from './broker-suite.js';

const capabilities: Capabilities = { mqtt5: false, refusedPublish: 'acked' };

describeBroker('the embedded broker', capabilities, async (exhook) => {
  const broker = await startBroker({ listen: { host: '127.0.0.1', port: 0 }, exhook });
  return { url: `mqtt://${broker.host}:${broker.port}`, stop: () => broker.close() };
});
