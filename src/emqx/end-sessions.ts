/**
 * Which sessions must end after an account or a binding has changed, and ending them. It also makes EMQX forget what it
 * cached of their rights.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { droneSubscriptions, ownGateways, serialNumbersIn } from '../access/topic-rules.js';
import type { Account } from '../stores/types.js';
import type { EmqxApi } from './api.js';
import {
  clientsNaming,
  clientsOfUsername,
  clientsSubscribed,
  disconnect,
  forEachClient,
  forgetRights,
} from './clients.js';
import type { EmqxClient } from './clients.js';

/** Whose sessions are meant. All accounts are read only where that is needed. */
export type Revoked =
  /** All clients of an account. */
  | { account: string }
  /**
   * Those that act as a gateway SN; and, of a drone that has left its organization, those of other gateways that subscribe
   * under its SN.
   */
  | { gateway: string; drone?: string | undefined; accounts: () => Promise<readonly Account[]> }
  /** Those of other accounts that use SNs or client ids which from now on belong to one account alone. */
  | {
      keptFor: string;
      gateways: readonly string[];
      clientIds: readonly string[];
      accounts: () => Promise<readonly Account[]>;
    };

/**
 * Nobody who was let in before a change still comes in after this, in milliseconds: an account that was read may be a
 * second old when a client comes, and the answer may take two more.
 */
const LATE_MS = 3000;

/** The sessions that were ended, and the first failure, after which some may be left. Never rejects. */
export async function endSessions(
  api: EmqxApi,
  revoked: Revoked,
): Promise<{ ended: readonly EmqxClient[]; failure?: unknown }> {
  const ended: EmqxClient[] = [];
  const end = async (clients: readonly EmqxClient[]): Promise<unknown> => {
    const { done, failure } = await forEachClient(clients, (clientId) => disconnect(api, clientId));
    ended.push(...done);
    return failure;
  };
  try {
    const { certain, possible } = await find(api, revoked);
    let failure = await end(certain);
    // Whoever was let in just before the change was in no list yet.
    if (failure === undefined && !('gateway' in revoked && revoked.drone === undefined)) {
      await pause(LATE_MS);
      failure = await end(await findLate(api, revoked));
    }
    const flushed = await forEachClient(possible, async (clientId) => {
      await forgetRights(api, clientId);
      return true;
    });
    return { ended, failure: failure ?? flushed.failure };
  } catch (failure) {
    return { ended, failure };
  }
}

function find(api: EmqxApi, revoked: Revoked): Promise<Found> {
  if ('account' in revoked) return clientsOfAccount(api, revoked.account);
  return 'gateway' in revoked ? clientsOfGateway(api, revoked) : clientsOfOthers(api, revoked);
}

/**
 * A gateway may come back at once, and to other topics of its drone: only the commands are not for it any more. (A gateway of
 * the drone's new organization that asked for them meanwhile has to come again.)
 */
async function findLate(api: EmqxApi, revoked: Revoked): Promise<EmqxClient[]> {
  if ('gateway' in revoked) return clientsOfDrone(api, revoked, 'commands');
  return (await find(api, revoked)).certain;
}

interface Found {
  /** To be disconnected. */
  certain: EmqxClient[];
  /** One of many docks of an account, and so perhaps meant: EMQX asks again what they may do, but they stay. */
  possible: EmqxClient[];
}

async function clientsOfAccount(api: EmqxApi, name: string): Promise<Found> {
  return { certain: await clientsOfUsername(api, name), possible: [] };
}

/** Clients whose id names the gateway, those of accounts that list it, and those that listen for its drone. */
async function clientsOfGateway(
  api: EmqxApi,
  revoked: Extract<Revoked, { gateway: string }>,
): Promise<Found> {
  const { gateway, accounts } = revoked;
  const named = (await clientsNaming(api, gateway)).filter(({ ownId }) =>
    serialNumbersIn(ownId).includes(gateway),
  );
  const listening = await clientsOfDrone(api, revoked, 'all');
  const certain = new Map([...named, ...listening].map((client) => [client.clientId, client]));
  const possible: EmqxClient[] = [];
  for (const { name, scope } of await accounts()) {
    if (scope.kind !== 'gateways' || !scope.gateways.includes(gateway)) continue;
    for (const client of await clientsOfUsername(api, name)) {
      const gateways = ownGateways(scope, client.ownId);
      if (certain.has(client.clientId) || !gateways.includes(gateway)) continue;
      if (gateways.length === 1) certain.set(client.clientId, client);
      else possible.push(client);
    }
  }
  return { certain: [...certain.values()], possible };
}

/** Gateways that subscribe to topics of the drone. Accounts of other scopes have their right to these from no organization. */
async function clientsOfDrone(
  api: EmqxApi,
  { drone, accounts }: Extract<Revoked, { gateway: string }>,
  which: 'all' | 'commands',
): Promise<EmqxClient[]> {
  if (drone === undefined) return [];
  const found = await clientsSubscribed(api, drone, droneSubscriptions(drone)[which]);
  if (found.length === 0) return [];
  const kinds = new Map((await accounts()).map(({ name, scope }) => [name, scope.kind]));
  return found.filter(({ username }) => {
    const kind = kinds.get(username);
    return kind === 'gateways' || kind === 'client-id';
  });
}

/** Clients that come as one of these gateways without being allowed to, or under one of these client ids. */
async function clientsOfOthers(
  api: EmqxApi,
  { keptFor, gateways, clientIds, accounts }: Extract<Revoked, { keptFor: string }>,
): Promise<Found> {
  const scopes = new Map((await accounts()).map(({ name, scope }) => [name, scope]));
  const certain = new Map<string, EmqxClient>();
  for (const sn of gateways) {
    for (const client of await clientsNaming(api, sn)) {
      const scope = scopes.get(client.username);
      // Its claim no longer holds. Who lists the SN, and who may be any gateway, may stay.
      if (scope?.kind === 'client-id' && serialNumbersIn(client.ownId).includes(sn))
        certain.set(client.clientId, client);
    }
  }
  for (const id of clientIds) {
    for (const client of await clientsNaming(api, id)) {
      if (client.ownId === id && client.username !== keptFor) certain.set(client.clientId, client);
    }
  }
  return { certain: [...certain.values()], possible: [] };
}
