import { startBroker } from '../../src/trial-broker/broker.js';
import { describeBroker, type BrokerUnderTest, type Capabilities } from './broker-suite.js';
import { describeForBackend } from './for-backend-suite.js';

const capabilities: Capabilities = { mqtt5: false, refusedPublish: 'acked' };

const start = async (exhook: string): Promise<BrokerUnderTest> => {
  const broker = await startBroker({ listen: { host: '127.0.0.1', port: 0 }, exhook });
  return { url: `mqtt://${broker.host}:${broker.port}`, stop: () => broker.close() };
};

describeBroker('the embedded broker', capabilities, start);
describeForBackend('the embedded broker', capabilities, start);
