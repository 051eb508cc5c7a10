/**
 * Which organization a device binding code opens. DJI leaves this rule to the developer of the cloud ("Dock access to
 * cloud"): replace this function for another rule.
 */
import type { Organization, Organizations } from '../stores/types.js';

/** Why a code opens nothing. To a dock all are the same, or it could try out which codes exist. */
export type NoOrganization =
  'wrong_binding_code' | 'wrong_organization_id' | 'organization_id_as_code' | 'typed_with_spaces';

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
  if (organization === undefined) return whyNone(organizations, code);
  if (id === '' || organization.id === id) return organization;
  return organization.id === id.trim() ? 'typed_with_spaces' : 'wrong_organization_id';
}

/**
 * What people do with a code, for the operator alone: it is refused either way. An id is no secret; the typed id is not
 * tried as a code, which would be a second guess in one.
 */
async function whyNone(organizations: Organizations, code: string): Promise<NoOrganization> {
  const trimmed = code.trim();
  const [meant, named] = await Promise.all([
    trimmed === code || trimmed === '' ? undefined : organizations.byBindingCode(trimmed),
    organizations.get(trimmed),
  ]).catch(() => []);
  if (meant !== undefined) return 'typed_with_spaces';
  return named === undefined ? 'wrong_binding_code' : 'organization_id_as_code';
}
