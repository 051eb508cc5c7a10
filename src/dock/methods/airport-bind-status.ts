/** `airport_bind_status`: which of these devices are bound, and to whom (DJI Cloud API, "Organization management"). */
import type { FromSchema } from 'json-schema-to-ts';
import type { Binding } from '../../stores/types.js';
import { serialNumber, textOf } from '../fields.js';
import type { Call, Method } from '../method.js';
import { ok, results } from '../results.js';

interface Details {
  organization_id: string;
  organization_name: string;
  device_callsign: string;
}

interface Status extends Details {
  sn: string;
  is_device_bind_organization: boolean;
}

const schema = {
  type: 'object',
  required: ['devices'],
  properties: {
    devices: {
      type: 'array',
      // DJI says "size 2"; a dock without its drone has one to ask about.
      minItems: 1,
      maxItems: 16,
      items: { type: 'object', required: ['sn'], properties: { sn: serialNumber } },
    },
  },
} as const;

export const airportBindStatus: Method = {
  name: 'airport_bind_status',
  data: schema,
  fault: results.bindStatusFailed,
  async handle({ devices }: FromSchema<typeof schema>, call) {
    const sns = devices.map(({ sn }) => textOf(sn));
    const bindings = await call.within(call.bindings.getMany([...new Set([call.gateway, ...sns])]));
    const own = bindings.get(call.gateway);
    // What was bound through a gateway that an operator has moved since is no longer its to know.
    const visible = [...bindings.values()].filter(({ organizationId, gateway }) =>
      own ? organizationId === own.organizationId : gateway === call.gateway,
    );
    const details = await detailsOf(visible, call);
    return ok({ bind_status: sns.map((sn) => ({ ...statusOf(sn, bindings), ...details.get(sn) })) });
  },
};

/** All that anybody may know of a device: whether it is bound. DJI's demo demands the other keys, too. */
function statusOf(sn: string, bindings: ReadonlyMap<string, Binding>): Status {
  return {
    sn,
    is_device_bind_organization: bindings.has(sn),
    organization_id: '',
    organization_name: '',
    device_callsign: '',
  };
}

/** What only a gateway of the same organization, or the one it was bound through, may know. By SN. */
async function detailsOf(bindings: readonly Binding[], call: Call): Promise<Map<string, Details>> {
  const ids = [...new Set(bindings.map((binding) => binding.organizationId))];
  const organizations = await call.within(Promise.all(ids.map((id) => call.organizations.get(id))));
  const names = new Map(ids.map((id, index) => [id, organizations[index]?.name ?? '']));
  return new Map(
    bindings.map(({ sn, organizationId, callsign }) => [
      sn,
      {
        organization_id: organizationId,
        organization_name: names.get(organizationId) ?? '',
        device_callsign: callsign,
      },
    ]),
  );
}
