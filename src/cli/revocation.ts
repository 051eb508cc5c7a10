/** What a change of an account or a binding means to the sessions that the broker has now. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { ownGateways, serialNumbersIn } from '../access/topic-rules.js';
import type { EmqxClient } from '../emqx/clients.js';
import type { EmqxApi } from '../emqx/api.js';
import { messageOf } from '../errors.js';
import type { Account } from '../stores/types.js';
import { configOf, wantsJson } from './options.js';
import { warn } from './output.js';

/**
 * Whose clients are meant: those of an account; those of a gateway SN, for which some of all accounts act; or those of
 * others that come under what is an account's alone from now on. Accounts are read only where EMQX can be asked.
 */
export type Revoked =
  | { account: string }
  | { gateway: string; accounts: () => Promise<readonly Account[]> }
  | {
      keptFor: string;
      gateways: readonly string[];
      clientIds: readonly string[];
      accounts: () => Promise<readonly Account[]>;
    };

export interface Disconnected {
  /** The sentences that tell the operator what became of sessions. */
  text: string;
  /** For `--json`: how many sessions were ended; null if EMQX could not be asked. */
  disconnected: number | null;
}

const STAYS =
  'A client that is connected stays on until it reconnects. A session that the broker keeps (clean session off) keeps ' +
  'its subscriptions even then: end both in the broker, or let dockhook do it (DOCKHOOK_EMQX_URL).';

/**
 * After which nobody comes in any more who was let in before a change, in milliseconds: an account that was read may be a
 * second old when a client comes, and the answer to that may take two.
 */
const LATE_MS = 3000;

/**
 * Disconnects the clients and forgets what EMQX cached of their rights, if EMQX's API is configured.
 * A failure is no reason to fail the command, whose change is made: it is a warning, and the exit code stays 0.
 */
export async function disconnectClients(command: Command, revoked: Revoked): Promise<Disconnected> {
  let done: readonly EmqxClient[] = [];
  const failed = (error: unknown): Disconnected => {
    const ended = done.length > 0 ? `only ${done.length} of its sessions were ended` : 'no session was ended';
    warn(`the change is made, but ${ended}: ${messageOf(error)}`, wantsJson(command));
    return { text: STAYS, disconnected: done.length > 0 ? done.length : null };
  };
  try {
    const { openEmqx } = await import('../emqx/api.js');
    const api = await openEmqx(configOf(command));
    if (!api) return { text: STAYS, disconnected: null };
    const { disconnect, forEachClient, forgetRights } = await import('../emqx/clients.js');
    const { certain, possible } = await find(api, revoked);
    const ended = await forEachClient(certain, (clientId) => disconnect(api, clientId));
    done = ended.done;
    const late = await endLate();
    done = [...done, ...late.done];
    const flushed = await forEachClient(possible, async (clientId) => {
      await forgetRights(api, clientId);
      return true;
    });
    const failure = ended.failure ?? late.failure ?? flushed.failure;
    if (failure !== undefined) return failed(failure);
    return { text: textOf(done), disconnected: done.length };

    /** Whoever had been let in just before the change, and was in no list yet. A gateway may come back at once. */
    async function endLate(): ReturnType<typeof forEachClient> {
      if (!api || 'gateway' in revoked || ended.failure !== undefined) return { done: [] };
      await pause(LATE_MS);
      const since = await find(api, revoked);
      return forEachClient(since.certain, (clientId) => disconnect(api, clientId));
    }
  } catch (error) {
    return failed(error);
  }
}

function textOf(ended: readonly EmqxClient[]): string {
  const online = ended.filter(({ connected }) => connected).length;
  const kept = ended.length - online;
  const texts = [
    online === 0
      ? 'No client of it was connected'
      : `${online === 1 ? '1 client was' : `${online} clients were`} disconnected`,
    ...(kept === 0
      ? []
      : [
          `${kept === 1 ? '1 kept session of a client that is away was' : `${kept} kept sessions of clients that are away were`} ended`,
        ]),
  ];
  return `${texts.join(', and ')}.`;
}

function find(api: EmqxApi, revoked: Revoked): Promise<Found> {
  if ('account' in revoked) return ofAccount(api, revoked.account);
  return 'gateway' in revoked ? ofGateway(api, revoked) : ofOthers(api, revoked);
}

interface Found {
  /** To be disconnected. */
  certain: EmqxClient[];
  /** May be meant, as one of many docks of an account: asked anew what they may do, but not disconnected. */
  possible: EmqxClient[];
}

async function ofAccount(api: EmqxApi, name: string): Promise<Found> {
  const { clientsOfUsername } = await import('../emqx/clients.js');
  return { certain: await clientsOfUsername(api, name), possible: [] };
}

/** Clients whose id names the gateway, and those of accounts that list it. */
async function ofGateway(
  api: EmqxApi,
  { gateway, accounts }: Extract<Revoked, { gateway: string }>,
): Promise<Found> {
  const { clientsNaming, clientsOfUsername } = await import('../emqx/clients.js');
  const named = (await clientsNaming(api, gateway)).filter(({ ownId }) =>
    serialNumbersIn(ownId).includes(gateway),
  );
  const certain = new Map(named.map((client) => [client.clientId, client]));
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

/** Clients that come as one of these gateways without being allowed to, or under one of these client ids. */
async function ofOthers(
  api: EmqxApi,
  { keptFor, gateways, clientIds, accounts }: Extract<Revoked, { keptFor: string }>,
): Promise<Found> {
  const { clientsNaming } = await import('../emqx/clients.js');
  const scopes = new Map((await accounts()).map(({ name, scope }) => [name, scope]));
  const certain = new Map<string, EmqxClient>();
  for (const sn of gateways) {
    for (const client of await clientsNaming(api, sn)) {
      const scope = scopes.get(client.username);
      // Its claim is void now. Who lists the SN, and who may be any gateway, may go on.
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
