/** What an account acts for: checked on the way in, compared, and in words. */
import { filterFault } from '../access/topic-filters.js';
import { isUnsafeClientId } from '../access/unsafe-names.js';
import { DockhookError } from '../errors.js';
import type { Accounts, Scope } from '../stores/types.js';
import { serialNumberFault } from '../serial-number.js';

/**
 * @param where the flag or column in which the user wrote them
 * @throws DockhookError `usage`
 */
export function checkedGateways(where: string, gateways: string[]): string[] {
  for (const sn of gateways) {
    const fault = serialNumberFault(sn);
    if (fault) throw new DockhookError('usage', `${where} ${sn}: ${fault}; put spaces between several`);
  }
  return gateways;
}

/** As {@link checkedGateways}. */
export function checkedFilters(where: string, filters: string[]): string[] {
  for (const filter of filters) {
    const fault = filterFault(filter);
    if (fault) throw new DockhookError('usage', `${where} ${filter}: the topic filter ${fault}`);
  }
  return filters;
}

/** As {@link checkedGateways}; empty ones are left out. */
export function checkedClientIds(where: string, clientIds: string[]): string[] {
  const named = clientIds.filter((id) => id !== '');
  const unsafe = named.find(isUnsafeClientId);
  if (unsafe === undefined) return named;
  throw new DockhookError(
    'usage',
    `${where} ${unsafe}: a client id with + # / | or a control character in it, or of more than 255 characters, can never connect`,
  );
}

/**
 * The organization says which drones a gateway may carry. Throws `usage` where none is asked for it: a service has topic
 * filters, and an account of any gateway may carry every drone.
 */
export function demandUsedOrganization({
  scope: { kind },
  organizationId,
}: {
  scope: Scope;
  organizationId?: string | undefined;
}): void {
  if (organizationId === undefined || kind === 'gateways' || kind === 'client-id') return;
  const why = kind === 'service' ? 'a service has topic filters instead' : 'any gateway may carry any drone';
  throw new DockhookError(
    'usage',
    `an account of scope ${kind} has no organization: ${why}; leave it out, or take it away with --no-organization`,
  );
}

/** For people, in one line. */
export function describeScope(scope: Scope): string {
  switch (scope.kind) {
    case 'gateways':
      return scope.gateways.join(' ');
    case 'client-id':
      return 'the gateway in its client id';
    case 'any-gateway':
      return 'any gateway';
    case 'service': {
      const topics = `publish ${scope.publish.join(' ')}, subscribe ${scope.subscribe.join(' ')}`;
      const ids = scope.clientIds ? `, client ids ${scope.clientIds.join(' ')}` : '';
      return `service: ${topics}${ids}`;
    }
  }
}

/** The SNs that a scope lists. */
export function gatewaysIn(scope: Scope): string[] {
  return scope.kind === 'gateways' ? scope.gateways : [];
}

/** The client ids that a scope keeps from all other accounts. */
function clientIdsIn(scope: Scope): string[] {
  return scope.kind === 'service' ? (scope.clientIds ?? []) : [];
}

/** SNs and client ids of one account. */
export interface Claims {
  gateways: string[];
  clientIds: string[];
}

/** What an account lists for itself, without what its scope listed before a change. */
export function claimsOf(scope: Scope, before?: Scope): Claims {
  const [gateways, clientIds] = before ? [gatewaysIn(before), clientIdsIn(before)] : [[], []];
  return {
    gateways: gatewaysIn(scope).filter((sn) => !gateways.includes(sn)),
    clientIds: clientIdsIn(scope).filter((id) => !clientIds.includes(id)),
  };
}

/** Which of these another account has, too. */
export async function sharedClaims(
  accounts: Pick<Accounts, 'listsGateway' | 'keepsClientId'>,
  { gateways, clientIds }: Claims,
): Promise<Claims> {
  const isListed = await Promise.all(gateways.map((sn) => accounts.listsGateway(sn)));
  const isKept = await Promise.all(clientIds.map((id) => accounts.keepsClientId(id)));
  return {
    gateways: gateways.filter((_, index) => isListed[index]),
    clientIds: clientIds.filter((_, index) => isKept[index]),
  };
}
