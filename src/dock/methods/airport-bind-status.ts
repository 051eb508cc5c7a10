/** `airport_bind_status`: which of these devices are bound, and to whom (DJI Cloud API, "Organization management"). */
import type { FromSchema } from 'json-schema-to-ts';
import type { Binding, BindingWithOrganization } from '../../stores/types.js';
import { deviceList, noneUsable, okForEach, readDevices } from '../devices.js';
import { serialNumber } from '../fields.js';
import type { Method } from '../method.js';
import { results } from '../result-codes.js';

interface Details {
  organization_id: string;
  organization_name: string;
  device_callsign: string;
}

interface Status extends Details {
  sn: string;
  is_device_bind_organization: boolean;
}

const deviceSchema = { type: 'object', required: ['sn'], properties: { sn: serialNumber } } as const;

const schema = { type: 'object', required: ['devices'], properties: { devices: deviceList } } as const;

const readList = readDevices<FromSchema<typeof deviceSchema>>('devices', deviceSchema);

/** Tells any dock whether a device is bound, and to which organization only if the dock may know. */
export const airportBindStatus: Method = {
  name: 'airport_bind_status',
  data: schema,
  fault: results.bindStatusFailed,
  async handle({ devices }: FromSchema<typeof schema>, call) {
    const list = readList(devices);
    const refusal = noneUsable(list);
    if (refusal !== undefined) return refusal;
    const sns = list.flatMap(({ sn, device }) => (device === undefined ? [] : sn));
    const bindings = await call.within(call.bindings.getWithOrganizations(call.gateway, sns));
    const own = bindings.get(call.gateway);
    // A gateway that an operator has moved may no longer see what was bound through it.
    const isVisible = ({ organizationId, gateway }: Binding): boolean =>
      own ? organizationId === own.organizationId : gateway === call.gateway;
    return okForEach(list, {
      bind_status: list.map(({ sn, device }) => {
        const binding = device && bindings.get(sn);
        return { ...statusOf(sn, binding), ...(binding && isVisible(binding) ? detailsOf(binding) : {}) };
      }),
    });
  },
};

/** All that anybody may know of a device: whether it is bound. DJI's demo demands the other keys, too. */
function statusOf(sn: string, binding: Binding | undefined): Status {
  return {
    sn,
    is_device_bind_organization: binding !== undefined,
    organization_id: '',
    organization_name: '',
    device_callsign: '',
  };
}

/** What only a gateway of the same organization, or the one it was bound through, may know. */
function detailsOf(binding: BindingWithOrganization): Details {
  return {
    organization_id: binding.organizationId,
    organization_name: binding.organization()?.name ?? '',
    device_callsign: binding.callsign,
  };
}
