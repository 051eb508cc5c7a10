/** Where accounts and bindings say different things: commands prevent most of it, plain SQL does not. Pure. */
import { droneBinding } from '../accounts/conflicts.js';
import { gatewaysIn } from '../accounts/scope.js';
import { command } from '../command.js';
import type { Finding } from '../finding.js';
import type { Account, Binding, Organization } from '../stores/types.js';
import { listed } from '../text.js';

export function compareAccounts(
  accounts: readonly Account[],
  bindings: readonly Binding[],
  organizations: readonly Organization[],
): Finding[] {
  const bound = new Map(bindings.map((binding) => [binding.sn, binding]));
  const known = new Set(organizations.map(({ id }) => id));
  return [
    missingOrganizations(accounts, known),
    otherOrganizations(accounts, bound),
    listedDrones(accounts, bound),
  ].flatMap((finding) => finding ?? []);
}

function missingOrganizations(accounts: readonly Account[], known: ReadonlySet<string>): Finding | undefined {
  const missing = accounts.flatMap(({ name, organizationId: id }) =>
    id === undefined || known.has(id) ? [] : [`"${name}" (${id})`],
  );
  if (missing.length === 0) return undefined;
  return {
    level: 'warning',
    code: 'account_organization_missing',
    what: `accounts that belong to an organization that is not there: ${listed(missing)}`,
    why: 'their remote controllers may carry no bound drone; and an organization of that id, added later, would get them',
    fix: [
      `give each its organization: ${command('account', 'set', 'NAME', '--organization', 'ID')}`,
      `or take it away: ${command('account', 'set', 'NAME', '--no-organization')}`,
    ],
  };
}

function otherOrganizations(
  accounts: readonly Account[],
  bound: ReadonlyMap<string, Binding>,
): Finding | undefined {
  const different = accounts.flatMap(({ name, scope, organizationId: id }) =>
    gatewaysIn(scope).flatMap((sn) => {
      const binding = bound.get(sn);
      if (id === undefined || binding === undefined || binding.organizationId === id) return [];
      return [`${sn} (bound to ${binding.organizationId}, account "${name}" of ${id})`];
    }),
  );
  if (different.length === 0) return undefined;
  return {
    level: 'warning',
    code: 'account_organization_differs',
    what: `gateways that are bound to another organization than their account's: ${listed(different)}`,
    why: "they may carry the drones of the organization to which they are bound, and none of the account's",
    fix: [
      `if the account is wrong: ${command('account', 'set', 'NAME', '--organization', 'ID')}`,
      `if the binding is wrong: ${command('binding', 'move', 'SN', '--organization', 'ID')}`,
    ],
  };
}

function listedDrones(
  accounts: readonly Account[],
  bound: ReadonlyMap<string, Binding>,
): Finding | undefined {
  const drones = accounts.flatMap(({ name, scope }) =>
    gatewaysIn(scope).flatMap((sn) => {
      const drone = droneBinding(bound.get(sn));
      return drone ? [`${sn} (account "${name}", bound through ${drone.gateway})`] : [];
    }),
  );
  if (drones.length === 0) return undefined;
  return {
    level: 'warning',
    code: 'drone_listed_as_gateway',
    what: `accounts that list the drone of another gateway as a gateway: ${listed(drones)}`,
    why: 'nobody else may act as a listed gateway, so the gateway that brought the drone may not carry it',
    fix: [
      `let the account list its gateways only: ${command('account', 'set', 'NAME', '--gateway', 'SN')}`,
      `or, if it has no other: ${command('account', 'remove', 'NAME')}`,
      `only if that SN is a gateway: ${command('binding', 'remove', 'SN')}`,
    ],
  };
}
