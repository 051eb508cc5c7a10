/** `airport_organization_get`: the name of the organization a code stands for (DJI Cloud API, "Organization management"). */
import type { FromSchema } from 'json-schema-to-ts';
import { optionalText, requiredText, toText } from '../fields.js';
import type { Method } from '../method.js';
import { fault, ok, results } from '../result-codes.js';

const schema = {
  type: 'object',
  required: ['device_binding_code'],
  properties: { device_binding_code: requiredText, organization_id: optionalText },
} as const;

/** After too many wrong codes it refuses right ones, too, for a while. */
export const airportOrganizationGet: Method = {
  name: 'airport_organization_get',
  data: schema,
  fault: results.organizationNotFound,
  async handle({ device_binding_code, organization_id }: FromSchema<typeof schema>, call) {
    const opened = await call.openOrganization(toText(device_binding_code), toText(organization_id));
    if (typeof opened === 'string') return fault(results.organizationNotFound, opened);
    return ok({ organization_name: opened.name });
  },
};
