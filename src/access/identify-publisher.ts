/** `message.publish`: who published a message on the `requests` topic of a gateway. */
import type { Publishers } from '../publisher.js';
import type { RememberedAccounts } from '../stores/types.js';
import type { Decide } from './decisions.js';
import { disabledOrExpired } from './expiry.js';
import type { GatewayOwners } from './gateway-owners.js';
import { isOwnGateway } from './topic-rules.js';

interface IdentifyPublisherOptions {
  accounts: RememberedAccounts;
  decide: Decide;
  owners: GatewayOwners;
  unknownAccounts: 'deny' | 'ignore';
  now: () => number;
}

/** Answers from memory while the store is away, and rejects if it remembers nothing. */
export function createIdentifyPublisher({
  accounts,
  decide,
  owners,
  unknownAccounts,
  now,
}: IdentifyPublisherOptions): Publishers['identifyPublisher'] {
  return async ({ account: name, clientId }, gateway, within) => {
    const account = await accounts.recall(name, within);
    if (!account) return unknownAccounts === 'ignore' ? 'not_ours' : 'stranger';
    // A message does not carry the certificate; it was compared when the session asked to publish.
    if (disabledOrExpired(account, now())) return 'stranger';
    if (account.scope.kind === 'service') return 'service';
    if (!isOwnGateway(account.scope, clientId, gateway)) return 'stranger';
    if (account.scope.kind !== 'client-id') return 'dock';
    const refusal = await decide({ account: name, clientId, as: 'client-id', sn: gateway }, () =>
      owners.claimRefusal(name, gateway, within),
    );
    return refusal ? 'stranger' : 'dock';
  };
}
