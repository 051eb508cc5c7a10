/** What account commands say in the same words. */
import { command } from '../../command.js';
import type { Command } from 'commander';
import { doubtsAbout, doubtsAboutShared } from '../../accounts/warnings.js';
import { claimsOf, gatewaysIn, type Claims } from '../../accounts/scope.js';
import { DockhookError } from '../../errors.js';
import type { Account, Accounts } from '../../stores/types.js';
import { disconnectClients, type Disconnected } from '../disconnect.js';
import { wantsJson } from '../options.js';
import { print, warn } from '../output.js';

/** The `not_found` error for a command that names this account. */
export function noAccount(name: string): DockhookError {
  return new DockhookError(
    'not_found',
    `there is no account "${name}"; all of them: ${command('account', 'list')}`,
  );
}

/** @param generated the password, if dockhook made it */
export function printPassword(generated: string | undefined): void {
  if (generated === undefined) return;
  print(`password: ${generated}\nIt is shown this once. Type it with its hyphens.`);
}

/** @param shared what another account has, too */
export function warnOfDoubts({ name, scope }: Account, shared: Claims, command: Command): void {
  const doubts = [...doubtsAboutShared(shared), ...doubtsAbout(name, scope)];
  for (const doubt of doubts) warn(doubt, wantsJson(command));
}

/** Ends sessions of other accounts under the SNs and client ids that this account now claims for itself. */
export async function disconnectOthers(
  command: Command,
  { name, scope }: Account,
  before: Account | undefined,
  accounts: Accounts,
): Promise<Disconnected | undefined> {
  const claims = claimsOf(scope, before?.scope);
  if (claims.gateways.length === 0 && claims.clientIds.length === 0) return undefined;
  const list = async (): Promise<Account[]> => (await accounts.list()).records;
  const ended = await disconnectClients(command, { keptFor: name, ...claims, accounts: list });
  if (ended.disconnected !== null) return ended;
  const others = (await list()).filter((other) => other.name !== name);
  return others.some((other) => mayHaveUsed(other, claims)) ? ended : undefined;
}

/** Whether a client of this account may be connected under one of these SNs or client ids. */
function mayHaveUsed({ scope }: Account, { gateways, clientIds }: Claims): boolean {
  if (clientIds.length > 0 || scope.kind === 'any-gateway' || scope.kind === 'client-id') return true;
  return gateways.some((sn) => gatewaysIn(scope).includes(sn));
}

/** @param others undefined if there was nothing to look for */
export function printOthers(others: Disconnected | undefined): void {
  if (others?.disconnected === null) {
    print(
      'Clients of other accounts that are connected under its SNs or client ids stay until they reconnect: end them in ' +
        'the broker, or set DOCKHOOK_EMQX_URL.',
    );
  } else if (others !== undefined && others.disconnected > 0) {
    print(`Other accounts used its SNs or client ids: ${others.text}`);
  }
}
