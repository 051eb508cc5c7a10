/** `dockhook dock show`: one dock, its history, what is wrong with it, and how to fix that. */
import type { Command } from 'commander';
import { command } from '../../command.js';
import { DockhookError } from '../../errors.js';
import { findDock, type Dock } from '../../diagnosis/docks.js';
import type { DockFinding, State } from '../../diagnosis/dock-finding.js';
import type { GatewayKind } from '../../diagnosis/gateway-kind.js';
import { localTime } from '../../dates.js';
import { readBans } from '../emqx/bans.js';
import { demandSerialNumber } from '../input.js';
import { withStores } from '../open-stores.js';
import { wantsJson } from '../options.js';
import { print, printFields, printJson, reportBadRows, style } from '../output.js';
import { printHistory } from './history.js';
import { publicDock, publicEntry } from './json.js';
import { reportSilence } from './silence.js';

/** Shows the newest `--limit` entries. For the SN of a drone it only names the drone's gateway. */
export async function showCommand(sn: string, options: { limit: string }, typed: Command): Promise<void> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1) {
    throw new DockhookError('usage', `--limit ${options.limit}: not a whole number from 1`);
  }
  demandSerialNumber('dock show', sn);
  const json = wantsJson(typed);
  const bans = await readBans(typed);
  const found = await withStores(typed, async (stores) => {
    await reportSilence(stores, json);
    return findDock(stores, sn, bans);
  });
  if (found.kind === 'drone') {
    const { gateway } = found;
    if (json) printJson({ sn, gateway });
    else print(`${sn} is a drone; it comes through ${gateway}: ${command('dock', 'show', gateway)}`);
    return;
  }
  const { dock, entries, badRows } = found;
  const shown = entries.slice(-limit);
  if (json) printJson({ ...publicDock(dock), story: shown.map(publicEntry) });
  else {
    printFacts(dock);
    print('');
    printHistory(dock.sn, shown, entries.length - shown.length);
    print('');
    printFindings(dock.findings);
  }
  reportBadRows(badRows, json);
}

function printFacts({ sn, kind, state, since, session, drone, isConnected, ...dock }: Dock): void {
  const { organizationId, organizationName } = dock;
  const when = since === undefined ? '' : ` since ${localTime(since)}`;
  print(`${KIND_TEXTS[kind]} ${style('bold', sn)}: ${styledState(state)}${when}`);
  printFields({
    callsign: dock.callsign,
    model: dock.modelKey,
    organization: organizationId && `${organizationId}${organizationName ? ` ("${organizationName}")` : ''}`,
    account: dock.account ?? 'none lists it',
    'client id': session?.clientId,
    address: session && `${session.peerHost ?? 'unknown'}${isConnected ? '' : ' (not connected)'}`,
    node: session?.node,
    drone: drone === '' ? 'off' : (drone ?? dock.boundDrone),
    drc_mode_enter:
      kind === 'dock' && session && dock.isAccountOfGateways ? secondSession(sn, session.account) : undefined,
  });
}

/**
 * What a backend must hand out in `drc_mode_enter`, with which a dock opens a second session for remote control. Never the
 * account of a bridge, which may act as any dock.
 */
function secondSession(sn: string, account: string): string {
  return `let it hand out account ${account} with its password, and client id drc-${sn}`;
}

const KIND_TEXTS: Readonly<Record<GatewayKind, string>> = {
  dock: 'dock',
  'remote controller': 'remote controller',
  gateway: 'gateway (of unknown kind)',
};

function styledState(state: State): string {
  if (state === 'online') return style('green', state);
  return style(state === 'connecting' || state === 'offline' ? 'yellow' : 'red', state);
}

function printFindings(findings: readonly DockFinding[]): void {
  const errors = findings.filter(({ level }) => level === 'error');
  const warnings = findings.filter(({ level }) => level === 'warning');
  if (errors.length === 0) print(style(['bold', 'green'], 'Nothing is wrong.'));
  else print(style(['bold', 'red'], 'What is wrong, and how to fix it'));
  errors.forEach(printFinding);
  if (warnings.length > 0) print(`\n${style('bold', 'Good to know')}`);
  warnings.forEach(printFinding);
}

function printFinding({ what, fix }: DockFinding): void {
  print(`\n  ${what}`);
  for (const step of fix) print(`  → ${step}`);
}
