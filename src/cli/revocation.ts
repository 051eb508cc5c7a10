/** What a change of an account or a binding means to the clients that are connected now. */
import type { Command } from 'commander';
import { gatewaysOf, serialNumbersIn } from '../access/scope.js';
import type { ConnectedClient } from '../emqx/clients.js';
import type { EmqxApi } from '../emqx/api.js';
import { messageOf } from '../errors.js';
import type { Account } from '../stores/types.js';
import { configOf, wantsJson } from './options.js';
import { warn } from './output.js';

/**
 * Whose clients are meant: those of an account, or those of a gateway SN, for which some of all accounts act. These
 * are read only where EMQX can be asked.
 */
export type Revoked = { account: string } | { gateway: string; accounts: () => Promise<readonly Account[]> };

export interface Disconnected {
  /** The sentence that tells the operator what became of connected clients. */
  text: string;
  /** For `--json`: how many were disconnected; null if EMQX could not be asked. */
  disconnected: number | null;
}

const STAYS = 'A client that is connected stays on until it reconnects.';

/**
 * Disconnects the clients and forgets what EMQX cached of their rights, if EMQX's API is configured.
 * A failure is no reason to fail the command, whose change is made: it is a warning, and the exit code stays 0.
 */
export async function disconnectClients(command: Command, revoked: Revoked): Promise<Disconnected> {
  let done = 0;
  const failed = (error: unknown): Disconnected => {
    const ended = done > 0 ? `only ${done} of its clients were disconnected` : 'no client was disconnected';
    warn(`the change is made, but ${ended}: ${messageOf(error)}`, wantsJson(command));
    return { text: STAYS, disconnected: done > 0 ? done : null };
  };
  try {
    const { openEmqx } = await import('../emqx/api.js');
    const api = await openEmqx(configOf(command));
    if (!api) return { text: STAYS, disconnected: null };
    const { disconnect, forEachClient, forgetRights } = await import('../emqx/clients.js');
    const { certain, possible } =
      'account' in revoked ? await ofAccount(api, revoked.account) : await ofGateway(api, revoked);
    const ended = await forEachClient(certain, (clientId) => disconnect(api, clientId));
    done = ended.done;
    const flushed = await forEachClient(possible, async (clientId) => {
      await forgetRights(api, clientId);
      return true;
    });
    const failure = ended.failure ?? flushed.failure;
    if (failure !== undefined) return failed(failure);
    const were = done === 1 ? '1 client was' : `${done} clients were`;
    return {
      text: done === 0 ? 'No client of it was connected.' : `${were} disconnected.`,
      disconnected: done,
    };
  } catch (error) {
    return failed(error);
  }
}

interface Found {
  /** To be disconnected. */
  certain: ConnectedClient[];
  /** May be meant, as one of many docks of an account: asked anew what they may do, but not disconnected. */
  possible: ConnectedClient[];
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
  const named = (await clientsNaming(api, gateway)).filter(({ clientId }) =>
    serialNumbersIn(clientId).includes(gateway),
  );
  const certain = new Map(named.map((client) => [client.clientId, client]));
  const possible: ConnectedClient[] = [];
  for (const { name, scope } of await accounts()) {
    if (scope.kind !== 'gateways' || !scope.gateways.includes(gateway)) continue;
    for (const client of await clientsOfUsername(api, name)) {
      const gateways = gatewaysOf(scope, client.clientId);
      if (certain.has(client.clientId) || !gateways.includes(gateway)) continue;
      if (gateways.length === 1) certain.set(client.clientId, client);
      else possible.push(client);
    }
  }
  return { certain: [...certain.values()], possible };
}
