/** `dockhook dock list` and `dock show`: where each dock stands, and how it came there. */
import type { Command } from 'commander';
import { PROBE_ACCOUNT } from '../../access/safe-names.js';
import type { Ban } from '../../emqx/bans.js';
import { DockhookError } from '../../errors.js';
import type { Stores, TimelineEntry } from '../../stores/types.js';
import { diagnose, type Diagnosis } from '../../diagnosis/diagnose.js';
import { listingAccounts } from '../../diagnosis/facts.js';
import { grouped } from '../../diagnosis/group-by.js';
import { knownDocks, readKnown, readOthers, type Known } from '../../diagnosis/strangers.js';
import { readBans } from '../emqx/bans.js';
import { localTime, printFindings, printStory, styledState, timeZone } from './history.js';
import { demandSerialNumber } from '../input.js';
import { withStores } from '../open-stores.js';
import { wantsJson } from '../options.js';
import { print, printFields, printJson, printTable, reportBadRows, style } from '../output.js';

/** Entries of a dock that its state is read from: all that are kept. */
const STORY = 200;
/** Of many docks only the last ones: some ten attempts to connect. */
const STORY_IN_LIST = 60;
const DOCKS_AT_ONCE = 200;
/** Clients of no known dock that the list ends with. */
const STRANGERS = 5;

interface Listed extends Diagnosis {
  sn: string;
  account: string | undefined;
  organization: string | undefined;
}

export async function listDocks(_options: unknown, command: Command): Promise<void> {
  const json = wantsJson(command);
  const bans = await readBans(command);
  const { docks, strangers, known } = await withStores(command, (stores) => readDocks(stores, bans));
  if (json) printJson(docks.map(publicDock));
  else if (docks.length === 0) print('no docks yet: dockhook account add NAME --gateway SN --generate');
  else {
    printTable(
      ['SN', 'STATE', `SINCE (${timeZone()})`, 'ACCOUNT', 'ORGANIZATION', 'WHAT IS WRONG'],
      docks.map(({ sn, state, since, account, organization, findings }) => [
        sn,
        state,
        since === undefined ? '' : localTime(since),
        account ?? '',
        organization ?? '',
        findings[0]?.brief ?? '',
      ]),
    );
    const troubled = docks.find(({ findings }) => findings[0]?.level === 'error');
    if (troubled) print(`\nWhat is wrong and what to do: dockhook dock show ${troubled.sn}`);
  }
  if (!json) printStrangers(strangers);
  reportBadRows(known.badRows, json);
}

async function readDocks(stores: Stores, bans: readonly Ban[]) {
  const known = await readKnown(stores, Date.now(), bans);
  const others = await readOthers(stores.timeline, known);
  const sns = await knownDocks(stores.timeline, known);
  const docks: Listed[] = [];
  for (let from = 0; from < sns.length; from += DOCKS_AT_ONCE) {
    const some = sns.slice(from, from + DOCKS_AT_ONCE);
    const own = grouped(await stores.timeline.of(some, STORY_IN_LIST), ({ gateway = '' }) => gateway);
    for (const sn of some) {
      const story = own.get(sn) ?? [];
      const rest = others.of(sn, story);
      // By its accounts, which strangers cannot have; any dock of an account for many may call itself as a probe does.
      const isProbe = story.length > 0 && story.every(({ account }) => account.startsWith(PROBE_ACCOUNT));
      if (!isProbe) docks.push(dockOf(sn, story, known, rest));
    }
  }
  return { docks, strangers: others.unclaimed(), known };
}

function dockOf(sn: string, own: TimelineEntry[], known: Known, others: TimelineEntry[]): Listed {
  const diagnosis = diagnose([...own, ...others], { ...known, sn });
  return {
    sn,
    account: diagnosis.session?.account ?? listingAccounts({ ...known, sn })[0],
    organization: known.bindings.get(sn)?.organizationId,
    ...diagnosis,
  };
}

function publicDock({
  sn,
  state,
  since,
  account,
  organization,
  session,
  drone,
  findings,
  isConnected,
}: Listed) {
  return {
    sn,
    state,
    since: since === undefined ? null : new Date(since).toISOString(),
    connected: isConnected,
    account: account ?? null,
    clientId: session?.clientId ?? null,
    address: session?.peerHost ?? null,
    organization: organization ?? null,
    drone: drone ?? null,
    findings: findings.map(({ since: moment, state: _state, ...finding }) => ({
      ...finding,
      since: moment > 0 ? new Date(moment).toISOString() : null,
    })),
  };
}

/** A dock whose account name is mistyped is in nobody's list. */
function printStrangers(refusals: readonly TimelineEntry[]): void {
  const groups = grouped(refusals, ({ clientId, account, reason = '' }) =>
    JSON.stringify([clientId, account, reason]),
  );
  if (groups.size === 0) return;
  print('\nRefused clients that belong to none of these docks, the latest first:\n');
  printTable(
    ['CLIENT ID', 'ACCOUNT', 'ADDRESS', 'REASON', 'TIMES', `LAST (${timeZone()})`],
    [...groups.values()].slice(0, STRANGERS).map((group) => {
      const [{ clientId, account, reason = '', details, lastAt }] = group as [TimelineEntry];
      const times = group.reduce((sum, { count }) => sum + count, 0);
      return [clientId, account, details.peerHost ?? '', reason, String(times), localTime(lastAt)];
    }),
  );
}

export async function showDock(sn: string, options: { limit: string }, command: Command): Promise<void> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1) {
    throw new DockhookError('usage', `--limit ${options.limit}: not a whole number from 1`);
  }
  demandSerialNumber('dock show', sn);
  const bans = await readBans(command);
  const found = await withStores(command, (stores) => readDock(stores, sn, bans));
  if ('flownBy' in found) {
    if (wantsJson(command)) printJson({ sn, gateway: found.flownBy });
    else
      print(`${sn} is a drone; it comes through dock ${found.flownBy}: dockhook dock show ${found.flownBy}`);
    return;
  }
  const { dock, known, entries } = found;
  const shown = entries.slice(-limit);
  if (wantsJson(command)) printJson({ ...publicDock(dock), story: shown.map(publicEntry) });
  else {
    printFacts(dock, known);
    print('');
    printStory(shown, entries.length - shown.length);
    print('');
    printFindings(dock);
  }
  reportBadRows(known.badRows, wantsJson(command));
}

/** Rejects with `not_found` if nothing is known of this SN. */
async function readDock(stores: Stores, sn: string, bans: readonly Ban[]) {
  const known = await readKnown(stores, Date.now(), bans);
  const own = await stores.timeline.of([sn], STORY);
  const others = (await readOthers(stores.timeline, known)).of(sn, own);
  const binding = known.bindings.get(sn);
  if (own.length === 0 && listingAccounts({ ...known, sn }).length === 0) {
    const gateway =
      binding && binding.gateway !== sn ? binding.gateway : await stores.timeline.gatewayOfDrone(sn);
    if (gateway !== undefined) return { flownBy: gateway };
    if (others.length === 0 && binding === undefined) {
      const lower = sn.toLowerCase();
      const meant = (await knownDocks(stores.timeline, known)).find((other) => other.toLowerCase() === lower);
      if (meant !== undefined)
        throw new DockhookError('not_found', `nothing is known of ${sn}; did you mean ${meant}?`);
      throw new DockhookError(
        'not_found',
        `nothing is known of ${sn}: no account lists it, it is not bound, and it was not seen in the last 30 days; ` +
          'dockhook dock list shows all docks',
      );
    }
  }
  const entries = [...own, ...others].sort((a, b) => a.at - b.at);
  return { dock: dockOf(sn, own, known, others), known, entries };
}

function printFacts({ sn, state, since, session, drone, isConnected, ...dock }: Listed, known: Known): void {
  const binding = known.bindings.get(sn);
  const organization = known.organizations.get(dock.organization ?? '');
  const bound = [...known.bindings.values()].find((other) => other.gateway === sn && other.sn !== sn);
  const when = since === undefined ? '' : ` since ${localTime(since)}`;
  print(`dock ${style('bold', sn)}: ${styledState(state)}${when}`);
  printFields({
    callsign: binding?.callsign || undefined,
    organization: binding && `${binding.organizationId}${organization ? ` ("${organization.name}")` : ''}`,
    account: dock.account ?? 'none lists it',
    'client id': session?.clientId,
    address: session && `${session.peerHost ?? 'unknown'}${isConnected ? '' : ' (not connected)'}`,
    node: session?.node,
    drone: drone === '' ? 'off' : (drone ?? bound?.sn),
  });
}

function publicEntry({ at, lastAt, own, details, ...entry }: TimelineEntry) {
  return {
    at: new Date(at).toISOString(),
    lastAt: new Date(lastAt).toISOString(),
    own,
    ...entry,
    ...details,
  };
}
