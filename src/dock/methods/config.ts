/** `config`: what the dock needs to verify the license, and the time server (DJI Cloud API, "Configuration update"). */
import { licenseMark } from '../../license-mark.js';
import type { Method } from '../method.js';
import { fault, results } from '../result-codes.js';
import { TIME_SERVER } from '../time-server.js';

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
        ntp_server_host: known.ntpHost ?? TIME_SERVER.host,
        ntp_server_port: known.ntpPort ?? TIME_SERVER.port,
      },
      result: results.ok,
      reason: trouble,
      license: licenseMark(known),
    };
  },
};
