/** `dockhook dock list`: the state of each dock, and refused clients that belong to none. */
import type { Command } from 'commander';
import { listDocks, type Dock, type RefusedClient } from '../../diagnosis/docks.js';
import { localTime, timeZone } from '../../dates.js';
import { readBans } from '../emqx/bans.js';
import { withStores } from '../open-stores.js';
import { wantsJson } from '../options.js';
import { print, printJson, printTable, reportBadRows } from '../output.js';
import { publicDock } from './json.js';

/** Refused clients that the list ends with. */
const MAX_REFUSED = 5;

/** Also shows the latest refused clients that belong to no dock. */
export async function listCommand(_options: unknown, command: Command): Promise<void> {
  const json = wantsJson(command);
  const bans = await readBans(command);
  const { docks, refusedClients, badRows } = await withStores(command, (stores) => listDocks(stores, bans));
  if (json) printJson(docks.map(publicDock));
  else {
    printDocks(docks);
    printRefused(refusedClients);
  }
  reportBadRows(badRows, json);
}

function printDocks(docks: readonly Dock[]): void {
  if (docks.length === 0) {
    print('no docks yet: dockhook account add NAME --gateway SN --generate');
    return;
  }
  printTable(
    ['SN', 'STATE', `SINCE (${timeZone()})`, 'ACCOUNT', 'ORGANIZATION', 'WHAT IS WRONG'],
    docks.map(({ sn, state, since, account = '', organizationId = '', findings }) => [
      sn,
      state,
      since === undefined ? '' : localTime(since),
      account,
      organizationId,
      findings[0]?.brief ?? '',
    ]),
  );
  const troubled = docks.find(({ findings }) => findings[0]?.level === 'error');
  if (troubled) print(`\nWhat is wrong, and how to fix it: dockhook dock show ${troubled.sn}`);
}

function printRefused(clients: readonly RefusedClient[]): void {
  if (clients.length === 0) return;
  print('\nRefused clients that belong to none of these docks, the latest first:\n');
  printTable(
    ['CLIENT ID', 'ACCOUNT', 'ADDRESS', 'REASON', 'TIMES', `LAST (${timeZone()})`],
    clients
      .slice(0, MAX_REFUSED)
      .map(({ clientId, account, address = '', reason, times, lastAt }) => [
        clientId,
        account,
        address,
        reason,
        String(times),
        localTime(lastAt),
      ]),
  );
}
