/** What the database holds against an account: an organization that is not there, and gateways that are other gateways' drones. */
import { command } from '../command.js';
import { DockhookError } from '../errors.js';
import type { Binding, Stores } from '../stores/types.js';

/** What an account is to get. */
interface Wanted {
  organizationId?: string | undefined;
  /** SNs that it is to list. */
  gateways: readonly string[];
}

type Known = Pick<Stores, 'organizations' | 'bindings'>;

/** For each, in their order, why it cannot be: `not_found` or `conflict`. */
export async function faultsIn(
  { organizations, bindings }: Known,
  wanted: readonly Wanted[],
): Promise<(DockhookError | undefined)[]> {
  const ids = new Set(wanted.flatMap(({ organizationId }) => organizationId ?? []));
  const found = await Promise.all([...ids].map(async (id) => (await organizations.get(id)) ?? []));
  const known = new Set(found.flat().map(({ id }) => id));
  const bound = await bindings.getMany(wanted.flatMap(({ gateways }) => gateways));
  return wanted.map(({ organizationId, gateways }) => {
    if (organizationId !== undefined && !known.has(organizationId)) return noOrganization(organizationId);
    const [drone] = gateways.flatMap((sn) => droneBinding(bound.get(sn)) ?? []);
    return drone && isDrone(drone);
  });
}

/** As {@link faultsIn}, for one account; rejects with the fault. */
export async function demandNoFault(stores: Known, wanted: Wanted): Promise<void> {
  const [fault] = await faultsIn(stores, [wanted]);
  if (fault !== undefined) throw fault;
}

/** The binding, if the device was bound through another gateway: it is that gateway's drone. */
export function droneBinding(binding: Binding | undefined): Binding | undefined {
  return binding !== undefined && binding.gateway !== binding.sn ? binding : undefined;
}

function noOrganization(id: string): DockhookError {
  return new DockhookError(
    'not_found',
    `there is no organization "${id}"; ${command('organization', 'list')} shows all`,
  );
}

function isDrone({ sn, gateway }: Binding): DockhookError {
  return new DockhookError(
    'conflict',
    `${sn} was bound through gateway ${gateway}, so it is the drone of that: if an account lists it as a gateway, ` +
      `${gateway} may not carry it any more. A drone needs no account. If ${sn} is a gateway all the same, unbind it ` +
      `first: ${command('binding', 'remove', sn)}`,
  );
}
