/** Ends sessions in EMQX after a change, and reports the result. */
import type { Command } from 'commander';
import type { EmqxClient } from '../emqx/clients.js';
import type { Revoked } from '../emqx/end-sessions.js';
import { messageOf } from '../errors.js';
import { configOf, wantsJson } from './options.js';
import { warn } from './output.js';

/** What became of the sessions that a change should end. */
export interface Disconnected {
  /** The sentences that tell the operator what happened to the sessions. */
  text: string;
  /** For `--json`: how many sessions were ended; null if EMQX could not be asked. */
  disconnected: number | null;
}

const STAYS =
  'A connected client stays until it reconnects. If the broker keeps its session (clean session off), it ' +
  'keeps its subscriptions even then. End both in the broker, or let dockhook do it (DOCKHOOK_EMQX_URL).';

/**
 * Ends the sessions, if EMQX's API is configured. A failure is only a warning, and the exit code stays 0, because the
 * change is made.
 */
export async function disconnectClients(command: Command, revoked: Revoked): Promise<Disconnected> {
  const config = configOf(command);
  if (config.emqxUrl === undefined) return { text: STAYS, disconnected: null };
  let ended: readonly EmqxClient[] = [];
  try {
    const { openEmqx } = await import('../emqx/api.js');
    const { endSessions } = await import('../emqx/end-sessions.js');
    const api = await openEmqx(config);
    if (!api) return { text: STAYS, disconnected: null };
    const outcome = await endSessions(api, revoked);
    ended = outcome.ended;
    if (outcome.failure === undefined) return { text: textOf(ended), disconnected: ended.length };
    warnOfRest(outcome.failure);
  } catch (error) {
    warnOfRest(error);
  }
  return { text: STAYS, disconnected: ended.length > 0 ? ended.length : null };

  function warnOfRest(error: unknown): void {
    const part =
      ended.length > 0 ? `only ${ended.length} of its sessions were ended` : 'no session was ended';
    warn(`the change is made, but ${part}: ${messageOf(error)}`, wantsJson(command));
  }
}

function textOf(ended: readonly EmqxClient[]): string {
  const online = ended.filter(({ connected }) => connected).length;
  const kept = ended.length - online;
  const clients = online === 1 ? '1 client was' : `${online} clients were`;
  const disconnected = online === 0 ? 'None of its clients was connected' : `${clients} disconnected`;
  if (kept === 0) return `${disconnected}.`;
  const sessions =
    kept === 1
      ? '1 kept session of a client that is away was'
      : `${kept} kept sessions of clients that are away were`;
  return `${disconnected}, and ${sessions} ended.`;
}
