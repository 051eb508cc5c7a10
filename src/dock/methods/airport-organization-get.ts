/** `airport_organization_get`: the name of the organization a code stands for (DJI Cloud API, "Organization management"). */
import type { FromSchema } from 'json-schema-to-ts';
import { optionalText, toText } from '../fields.js';
import type { Method } from '../method.js';
import { fault, ok, results } from '../result-codes.js';

const schema = {
  type: 'object',
  properties: { device_binding_code: optionalText, organization_id: optionalText },
} as const;

/** After too many wrong codes it refuses right ones, too, for a while. */
export const airportOrganizationGet: Method = {
  name: 'airport_organization_get',
  data: schema,
  fault: results.organizationNotFound,
  async handle({ device_binding_code, organization_id }: FromSchema<typeof schema>, call) {
    const code = toText(device_binding_code);
    // Nobody typed one: not a wrong guess, and DJI's demo server calls it an invalid argument, too.
    if (code === '') return fault(results.invalidArgument, 'no_binding_code');
    const opened = await call.openOrganization(code, toText(organization_id));
    if (typeof opened === 'string') return fault(results.organizationNotFound, opened);
    return ok({ organization_name: opened.name });
  },
};
