/** `client.authorize`: what a client must pass to publish to a topic, or to subscribe to a filter. */
import type { Reason, Tell } from '../events.js';
import type { Action, Client, Hooks, Verdict } from '../hooks.js';
import type { Publishers } from '../publisher.js';
import type { Account, Bindings, RememberedAccounts, Scope } from '../stores/types.js';
import { storeBudget, type Within } from '../time-limits.js';
import type { Decide } from './decisions.js';
import { disabledOrExpired } from './expiry.js';
import type { GatewayOwners } from './gateway-owners.js';
import { clientNames, failureRefusal, wrongCertificate, type TellRefusal } from './refusal.js';
import { isReplyFilter, noSerialNumberIn, parseDeviceTopic } from '../topics.js';
import { judge, ownGateways } from './topic-rules.js';

interface AuthorizeOptions {
  bindings: Bindings;
  accounts: RememberedAccounts;
  decide: Decide;
  owners: GatewayOwners;
  unknownAccounts: 'deny' | 'ignore';
  tell: Tell;
  tellRefusal: TellRefusal;
  now: () => number;
}

/** The hook answers from memory while the store is away, and says no if it remembers nothing. */
export function createAuthorize(
  options: AuthorizeOptions,
): Pick<Hooks, 'authorize'> & Pick<Publishers, 'mayPublish'> {
  const { accounts, bindings, decide, owners, unknownAccounts, tell, tellRefusal, now } = options;

  /** In this order. */
  async function check(client: Client, action: Action, topic: string): Promise<Reason | undefined> {
    if (client.username === '') return 'no_username';
    const within = storeBudget();
    const account = await accounts.recall(client.username, within);
    if (!account) return 'unknown_account';
    const refusal =
      disabledOrExpired(account, now()) ??
      wrongCertificate(account, client.certificateCn) ??
      (await topicRefusal(account, client.clientId, action, topic, within));
    if (refusal === undefined && action === 'subscribe' && account.scope.kind !== 'service')
      tellListener(client, topic);
    return refusal;
  }

  /** A gateway that does not listen to its replies gets none, and nothing else shows that. */
  function tellListener(client: Client, topic: string): void {
    if (!isReplyFilter(topic)) return;
    const { peerPort } = client;
    const gateway = parseDeviceTopic(topic)?.sn;
    const about = { ...clientNames(client), action: 'subscribe', topic, peerPort } as const;
    tell({ step: 'authorize', outcome: 'ok', ...about, ...(gateway === undefined ? {} : { gateway }) });
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
    if (judgement === 'no') return refusalOf(account.scope, topic);
    const { as, sn } = judgement;
    const { organizationId } = account;
    return decide({ account: account.name, clientId, as, sn, organizationId }, () =>
      as === 'client-id'
        ? owners.claimRefusal(account.name, sn, within)
        : droneRefusal(account, clientId, { sn, isCommanded: as === 'bound drone' }, within),
    );
  }

  /** Why a client may not carry this drone, or may not take commands for it. */
  async function droneRefusal(
    account: Account,
    clientId: string,
    { sn, isCommanded }: { sn: string; isCommanded: boolean },
    within: Within,
  ): Promise<Reason | undefined> {
    const own = ownGateways(account.scope, clientId);
    // Its session may be older than the claim of another account.
    const [claimed] = account.scope.kind === 'client-id' ? own : [];
    const foreign = claimed && (await owners.claimRefusal(account.name, claimed, within));
    if (foreign) return foreign;
    const { isGateway, binding } = await owners.lookUp(sn, within);
    if (isGateway) return 'foreign_gateway';
    if (!binding) return isCommanded ? 'drone_not_bound' : undefined;
    const ownBindings = await within(bindings.getMany(own));
    /** Where the gateway is bound counts; a remote controller is bound nowhere, and belongs where its account does. */
    const organizationOf = (gateway: string): string | undefined =>
      (ownBindings.get(gateway) ?? account).organizationId;
    if (own.some((gateway) => organizationOf(gateway) === binding.organizationId)) return undefined;
    // A gateway without an organization has the drones that it bound, and takes no commands for them: an operator may have
    // moved them. One that an operator moved has lost them.
    const isThroughOwn = own.includes(binding.gateway) && organizationOf(binding.gateway) === undefined;
    return isThroughOwn && !isCommanded ? undefined : 'foreign_organization';
  }

  async function authorize(client: Client, action: Action, topic: string): Promise<Verdict> {
    const refusal = await check(client, action, topic).then((reason) => reason && { reason }, failureRefusal);
    if (refusal === undefined) return true;
    if (refusal.reason === 'unknown_account' && unknownAccounts === 'ignore') return 'ignore';
    const about = { step: 'authorize', ...clientNames(client), action, topic } as const;
    tellRefusal({ ...about, ...refusal }, client.peerHost);
    return false;
  }

  return {
    authorize,
    async mayPublish({ account: name, clientId }, topic, within) {
      const account = await accounts.recall(name, within);
      // A message does not carry the certificate; it was compared when the session asked to publish.
      if (!account || account.scope.kind === 'service' || disabledOrExpired(account, now())) return false;
      return (await topicRefusal(account, clientId, 'publish', topic, within)) === undefined;
    },
  };
}

function refusalOf({ kind }: Scope, topic: string): Reason {
  return kind !== 'service' && noSerialNumberIn(topic) !== undefined ? 'not_a_serial_number' : 'not_in_scope';
}
