/** `message.publish`: who published a message on the `requests` topic of a gateway. */
import type { Publishers } from '../publisher.js';
import type { AccountMemory } from './account-memory.js';
import { disabledOrExpired } from './expiry.js';
import type { GatewayOwners } from './gateway-owners.js';
import { isOwnGateway } from './topic-rules.js';

export interface IdentifyPublisherOptions {
  memory: AccountMemory;
  owners: GatewayOwners;
  unknownAccounts: 'deny' | 'ignore';
  now: () => number;
}

export function createIdentifyPublisher({
  memory,
  owners,
  unknownAccounts,
  now,
}: IdentifyPublisherOptions): Publishers['identifyPublisher'] {
  return async ({ account: name, clientId }, gateway, within) => {
    const account = await memory.recall(name, within);
    if (!account) return unknownAccounts === 'ignore' ? 'not_ours' : 'stranger';
    // A message does not carry the certificate; it was compared when the session asked to publish.
    if (disabledOrExpired(account, now())) return 'stranger';
    if (account.scope.kind === 'service') return 'service';
    if (!isOwnGateway(account.scope, clientId, gateway)) return 'stranger';
    if (account.scope.kind !== 'client-id') return 'dock';
    const refusal = await memory.decide(name, clientId, gateway, () =>
      owners.claimRefusal(name, gateway, within),
    );
    return refusal ? 'stranger' : 'dock';
  };
}
