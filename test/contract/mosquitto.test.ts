/** Mosquitto with the plugin, as a broker that docks can rely on. */
import { describeBroker, type Capabilities } from './broker-suite.js';
import { describeForBackend } from './for-backend-suite.js';
import { describeWithMosquitto, startMosquitto } from '../support/mosquitto.js';

const capabilities: Capabilities = { mqtt5: true, refusedPublish: 'acked' };

describeWithMosquitto('deploy/mosquitto', () => {
  describeBroker('Mosquitto with the plugin', capabilities, (exhook) => startMosquitto({ exhook }));
  describeForBackend('Mosquitto with the plugin', capabilities, (exhook) => startMosquitto({ exhook }));
});
