/**
 * Which organization a device binding code opens. DJI leaves this rule to the developer of the cloud
 * ("Dock access to cloud"): whoever wants another one replaces this function.
 */
import type { Organization, Organizations } from '../stores/types.js';

/**
 * The organization with this code, unless an id was typed as well and is not its id.
 * @param code what was typed as device binding code; not empty
 * @param id what was typed as organization id; `''` if nothing was
 */
export async function organizationFor(
  organizations: Organizations,
  code: string,
  id: string,
): Promise<Organization | undefined> {
  const organization = await organizations.byBindingCode(code);
  return id === '' || organization?.id === id ? organization : undefined;
}
