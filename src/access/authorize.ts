/** `client.authorize`: what a client must pass to publish to a topic, or to subscribe to a filter. */
import type { Reason } from '../events.js';
import type { Action, Client, Hooks } from '../hooks.js';
import type { Account, Bindings, RememberedAccounts } from '../stores/types.js';
import { storeBudget, type Within } from '../time-limits.js';
import type { Decide } from './decisions.js';
import { disabledOrExpired } from './expiry.js';
import type { GatewayOwners } from './gateway-owners.js';
import { clientNames, failureRefusal, wrongCertificate, type TellRefusal } from './refusal.js';
import { judge, ownGateways } from './topic-rules.js';

interface AuthorizeOptions {
  bindings: Bindings;
  accounts: RememberedAccounts;
  decide: Decide;
  owners: GatewayOwners;
  unknownAccounts: 'deny' | 'ignore';
  tellRefusal: TellRefusal;
  now: () => number;
}

/** The hook answers from memory while the store is away, and says no if it remembers nothing. */
export function createAuthorize(options: AuthorizeOptions): Hooks['authorize'] {
  const { accounts, bindings, decide, owners, unknownAccounts, tellRefusal, now } = options;

  /** In this order. */
  async function check(client: Client, action: Action, topic: string): Promise<Reason | undefined> {
    if (client.username === '') return 'no_username';
    const within = storeBudget();
    const account = await accounts.recall(client.username, within);
    if (!account) return 'unknown_account';
    return (
      disabledOrExpired(account, now()) ??
      wrongCertificate(account, client.certificateCn) ??
      (await topicRefusal(account, client.clientId, action, topic, within))
    );
  }

  async function topicRefusal(
    account: Account,
    clientId: string,
    action: Action,
    topic: string,
    within: Within,
  ): Promise<Reason | undefined> {
    const judgement = judge(account.scope, clientId, action, topic);
    if (judgement === 'yes') return undefined;
    if (judgement === 'no') return 'not_in_scope';
    const { as, sn } = judgement;
    return decide(account.name, clientId, sn, () =>
      as === 'drone'
        ? droneRefusal(ownGateways(account.scope, clientId), sn, within)
        : owners.claimRefusal(account.name, sn, within),
    );
  }

  /** Why a client that is one of the gateways `own` may not carry this drone. */
  async function droneRefusal(own: string[], sn: string, within: Within): Promise<Reason | undefined> {
    const { isGateway, binding } = await owners.lookUp(sn, within);
    if (isGateway) return 'foreign_gateway';
    if (!binding) return undefined;
    const ownBindings = [...(await within(bindings.getMany(own))).values()];
    if (ownBindings.some(({ organizationId }) => organizationId === binding.organizationId)) return undefined;
    // A gateway that is bound nowhere has the drones it bound; one that an operator moved has lost them.
    const throughOwn =
      own.includes(binding.gateway) && !ownBindings.some(({ sn: bound }) => bound === binding.gateway);
    return throughOwn ? undefined : 'foreign_organization';
  }

  return async (client, action, topic) => {
    const refusal = await check(client, action, topic).then((reason) => reason && { reason }, failureRefusal);
    if (refusal === undefined) return true;
    if (refusal.reason === 'unknown_account' && unknownAccounts === 'ignore') return 'ignore';
    const about = { step: 'authorize', ...clientNames(client), action, topic } as const;
    tellRefusal({ ...about, ...refusal }, client.peerHost);
    return false;
  };
}
