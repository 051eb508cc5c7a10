/**
 * Which organization a device binding code opens. DJI leaves this rule to the developer of the cloud ("Dock access to
 * cloud"): replace this function for another rule.
 */
import type { Organization, Organizations } from '../stores/types.js';

/** Why a code opens nothing. To a dock both are the same, or it could try out which codes exist. */
export type NoOrganization = 'wrong_binding_code' | 'wrong_organization_id';

/**
 * The organization with this code, unless an id was typed as well and is not its id.
 * @param code what was typed as device binding code; not empty
 * @param id what was typed as organization id; `''` if nothing was
 */
export async function organizationFor(
  organizations: Organizations,
  code: string,
  id: string,
): Promise<Organization | NoOrganization> {
  const organization = await organizations.byBindingCode(code);
  if (organization === undefined) return 'wrong_binding_code';
  return id === '' || organization.id === id ? organization : 'wrong_organization_id';
}
