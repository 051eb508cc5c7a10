/** What several findings tell an operator to do, each said in one way. */
import { command } from './command.js';

/** The command that prints a configuration for EMQX. */
export const EMQX_CONFIG = command('emqx', 'config', '--emqx-version', 'VERSION');

/** The command that shows whether EMQX asks dockhook. */
export const EMQX_STATUS = command('emqx', 'status');

/** The command that makes dockhook a provider of EMQX, or brings one up to date. */
export const REGISTER = command('emqx', 'register');

/** The command that checks the installation. */
export const DOCTOR = command('doctor');

/** The command that tries the broker as a dock and as a stranger. */
export const PROBE = command('doctor', '--probe', '--broker', 'mqtt://BROKER:1883');

/** For a database that does not answer or refuses. */
export const CHECK_DATABASE = `check PostgreSQL and DATABASE_URL: ${DOCTOR}`;

/** `name` may be a placeholder such as `NAME`. */
export function addAccount(name: string, sn: string): string {
  return command('account', 'add', name, '--gateway', sn, '--generate');
}

/** The command for an account that is disabled. */
export function enableAccount(name: string): string {
  return command('account', 'enable', name);
}

/** The command for an account that has expired; it gives the account 90 days. */
export function extendAccount(name: string): string {
  return command('account', 'set', name, '--expires', '90d');
}

/** The command that shows what an account may do. */
export function showAccount(name: string): string {
  return command('account', 'show', name);
}

/** The command that gives an account a new password, and prints it. */
export function newPassword(name: string): string {
  return command('account', 'set', name, '--generate');
}

/** The command that deletes an account. */
export function removeAccount(name: string): string {
  return command('account', 'remove', name);
}

/** For an EMQX that lets clients do what they may not, or does not ask dockhook. */
export const CONFIGURE_EMQX = `configure EMQX as ${EMQX_CONFIG} prints it; ${EMQX_STATUS} shows whether EMQX asks dockhook`;

/** For an EMQX that decides about topics before it asks dockhook. */
export const ASK_DOCKHOOK_ALONE = [
  'authorization.sources = [], authorization.no_match = deny',
  CONFIGURE_EMQX,
];

/** For an EMQX that does not hand a reply to the dock that asked. */
export const DELIVER_OWN_REPLIES = 'in EMQX: mqtt.ignore_loop_deliver = false';
