/** `dockhook dock list`: the state of each dock, and refused clients that belong to none. */
import type { Command } from 'commander';
import { command } from '../../command.js';
import { addAccount } from '../../fixes.js';
import { listDocks, type Dock, type RefusedClient } from '../../diagnosis/docks.js';
import { localTime, timeZone } from '../../dates.js';
import { readBans } from '../emqx/bans.js';
import { withStores } from '../open-stores.js';
import { wantsJson } from '../options.js';
import { print, printJson, printTable, reportBadRows } from '../output.js';
import { missingText } from './history.js';
import { publicDock } from './json.js';
import { reportSilence } from './silence.js';

/** Refused clients that the list ends with. */
const MAX_REFUSED = 5;
/** Outages with events that were not recorded. */
const MAX_MISSING = 3;

/** Also shows the latest refused clients that belong to no dock. */
export async function listCommand(_options: unknown, typed: Command): Promise<void> {
  const json = wantsJson(typed);
  const bans = await readBans(typed);
  const { docks, refusedClients, missing, badRows } = await withStores(typed, async (stores) => {
    await reportSilence(stores, json);
    return listDocks(stores, bans);
  });
  if (json) printJson(docks.map(publicDock));
  else {
    printDocks(docks);
    printRefused(refusedClients);
    if (missing.length > 0) print(`\n${missing.slice(-MAX_MISSING).map(missingText).join('\n')}`);
  }
  reportBadRows(badRows, json);
}

function printDocks(docks: readonly Dock[]): void {
  if (docks.length === 0) {
    print(`no docks yet: ${addAccount('NAME', 'SN')}`);
    return;
  }
  printTable(
    ['SN', 'STATE', `SINCE (${timeZone()})`, 'KIND', 'ACCOUNT', 'ORGANIZATION', 'WHAT IS WRONG'],
    docks.map(({ sn, state, since, kind, account = '', organizationId = '', findings }) => [
      sn,
      state,
      since === undefined ? '' : localTime(since),
      kind,
      account,
      organizationId,
      findings[0]?.brief ?? '',
    ]),
  );
  const troubled = docks.find(({ findings }) => findings[0]?.level === 'error');
  if (troubled) print(`\nWhat is wrong, and how to fix it: ${command('dock', 'show', troubled.sn)}`);
}

function printRefused(clients: readonly RefusedClient[]): void {
  if (clients.length === 0) return;
  print(
    '\nRefused clients that belong to none of these docks, and topics that name none, the latest first:\n',
  );
  printTable(
    ['CLIENT ID', 'ACCOUNT', 'ADDRESS', 'REASON', 'TOPIC', 'TIMES', `LAST (${timeZone()})`],
    clients
      .slice(0, MAX_REFUSED)
      .map(({ clientId, account, address = '', reason, topic = '', times, lastAt }) => [
        clientId,
        account,
        address,
        reason,
        topic,
        String(times),
        localTime(lastAt),
      ]),
  );
}
