/**
 * What the client id of a CONNECT claims. The broker ends a session, or hands it over, when another client connects
 * with its client id, so no dock account may use the client id of another account's dock. We trust backends and
 * accounts of any gateway with that, but not with an id that an account keeps for itself.
 */
import type { Reason } from '../events.js';
import type { Account, Accounts } from '../stores/types.js';
import type { Within } from '../time-limits.js';
import type { GatewayOwners } from './gateway-owners.js';
import { serialNumbersIn } from './topic-rules.js';

/** Why an account may not connect with this client id; undefined if it may. */
export async function claimRefusal(
  account: Account,
  clientId: string,
  { accounts, owners, within }: { accounts: Accounts; owners: GatewayOwners; within: Within },
): Promise<Reason | undefined> {
  const { scope } = account;
  // A dock under its own SN is never refused, and needs no query.
  if (scope.kind === 'gateways' && scope.gateways.includes(clientId)) return undefined;
  // Both at once, so that they take one round trip.
  const [isKept, refusal] = await Promise.all([
    isKeptByAnother(account, clientId, accounts, within),
    namedGatewayRefusal(account, clientId, owners, within),
  ]);
  return isKept ? 'kept_client_id' : refusal;
}

async function isKeptByAnother(
  { scope }: Account,
  clientId: string,
  accounts: Accounts,
  within: Within,
): Promise<boolean> {
  if (scope.kind === 'service' && scope.clientIds?.includes(clientId)) return false;
  return within(accounts.keepsClientId(clientId));
}

async function namedGatewayRefusal(
  { name, scope }: Account,
  clientId: string,
  owners: GatewayOwners,
  within: Within,
): Promise<Reason | undefined> {
  const named = serialNumbersIn(clientId);
  if (scope.kind === 'gateways') {
    // The list says who this is, so the rest may be a container's id, for example; but not another account's gateway.
    const others = named.filter((sn) => !scope.gateways.includes(sn));
    const found = await Promise.all(others.map((sn) => owners.lookUp(sn, within)));
    return found.some(({ isGateway }) => isGateway) ? 'foreign_gateway' : undefined;
  }
  if (scope.kind !== 'client-id') return undefined;
  const [sn, another] = named;
  if (another !== undefined) return 'ambiguous_client_id';
  return sn === undefined ? undefined : owners.claimRefusal(name, sn, within);
}
