/** `config`: what the dock needs to verify the license, and the time server (DJI Cloud API, "Configuration update"). */
import type { Method } from '../method.js';
import { fault, results } from '../result-codes.js';

/** For docks if the license names no time server; DJI's examples use it, too. */
const NTP_HOST = 'pool.ntp.org';
const NTP_PORT = 123;

const schema = {
  anyOf: [
    { type: 'null' },
    {
      type: 'object',
      properties: { config_type: { enum: ['json', null] }, config_scope: { enum: ['product', null] } },
    },
  ],
} as const;

/** The reply holds the app key and the license: never log it. */
export const config: Method = {
  name: 'config',
  data: schema,
  fault: results.notRegistered,
  async handle(_data, { license, within }) {
    const { value: known, fault: trouble } = await license.recall(within);
    if (known === undefined) return fault(results.notRegistered, trouble ?? 'license_not_set');
    return {
      // Flat: the one reply without `result` and `output`.
      data: {
        app_id: known.appId,
        app_key: known.appKey,
        app_license: known.appLicense,
        ntp_server_host: known.ntpHost ?? NTP_HOST,
        ntp_server_port: known.ntpPort ?? NTP_PORT,
      },
      result: results.ok,
      reason: trouble,
    };
  },
};
