/** Which docks there are, and what there is to say about each, as plain data: for commands and pages. */
import { PROBE_ACCOUNT } from '../access/unsafe-names.js';
import type { Ban } from '../emqx/bans.js';
import { DockhookError } from '../errors.js';
import type { Stores, Timeline, TimelineEntry } from '../stores/types.js';
import { diagnose, type Diagnosis } from './diagnose.js';
import { listingAccounts, readFacts, type Facts } from './facts.js';
import { groupBy } from './group-by.js';
import { readStrangers } from './strangers.js';

/** How many entries of a dock its diagnosis reads: all that are kept. */
const ENTRIES = 200;
/** The same when all docks are read: about ten attempts to connect. */
const ENTRIES_IN_LIST = 60;
const DOCKS_AT_ONCE = 200;
const PAGE = 2000;

/** A dock as commands show it: its diagnosis, and what the stores know about it. */
export interface Dock extends Diagnosis {
  sn: string;
  callsign: string | undefined;
  /** The account of its session, or the first that lists it. */
  account: string | undefined;
  /** The organization that it is bound to. */
  organizationId: string | undefined;
  organizationName: string | undefined;
  /** A device that is bound through it; `drone` is what the dock itself said last. */
  boundDrone: string | undefined;
}

/** A client that was refused and belongs to no dock: that of a dock with a mistyped account name, for example. */
export interface RefusedClient {
  clientId: string;
  account: string;
  address: string | undefined;
  reason: string;
  times: number;
  /** Milliseconds since the epoch. */
  lastAt: number;
}

interface DockList {
  /** By SN. */
  docks: Dock[];
  /** The latest first. */
  refusedClients: RefusedClient[];
  /** Rows that could not be read, so that docks may be missing. */
  badRows: DockhookError[];
}

/** @param bans clients that EMQX itself refuses, if it could be asked */
export async function listDocks(stores: Stores, bans: readonly Ban[] = []): Promise<DockList> {
  const facts = await readFacts(stores, Date.now(), bans);
  const strangers = await readStrangers(stores.timeline, facts);
  const sns = await listSerialNumbers(stores.timeline, facts);
  const docks: Dock[] = [];
  for (let from = 0; from < sns.length; from += DOCKS_AT_ONCE) {
    const part = sns.slice(from, from + DOCKS_AT_ONCE);
    const entries = await stores.timeline.of(part, ENTRIES_IN_LIST);
    const bySn = groupBy(entries, ({ gateway = '' }) => gateway);
    for (const sn of part) {
      const own = bySn.get(sn) ?? [];
      const others = strangers.entriesFor(sn, own);
      if (!isProbe(own)) docks.push(describeDock(sn, [...own, ...others], facts));
    }
  }
  return { docks, refusedClients: groupRefusals(strangers.refusedOthers()), badRows: facts.badRows };
}

/** A dock with its timeline; or, for the SN of a drone, the dock through which the drone comes. */
type FoundDock =
  | { kind: 'dock'; dock: Dock; entries: TimelineEntry[]; badRows: DockhookError[] }
  | { kind: 'drone'; gateway: string };

/** Rejects with `not_found` if nothing is known about this SN. */
export async function findDock(stores: Stores, sn: string, bans: readonly Ban[] = []): Promise<FoundDock> {
  const { timeline } = stores;
  const facts = await readFacts(stores, Date.now(), bans);
  const own = await timeline.of([sn], ENTRIES);
  const others = (await readStrangers(timeline, facts)).entriesFor(sn, own);
  if (own.length === 0 && listingAccounts({ ...facts, sn }).length === 0) {
    const binding = facts.bindings.get(sn);
    const isDrone = binding !== undefined && binding.gateway !== sn;
    const gateway = isDrone ? binding.gateway : await timeline.gatewayOfDrone(sn);
    if (gateway !== undefined) return { kind: 'drone', gateway };
    if (others.length === 0 && binding === undefined) throw await notFound(sn, timeline, facts);
  }
  const entries = [...own, ...others].sort((a, b) => a.at - b.at);
  return { kind: 'dock', dock: describeDock(sn, entries, facts), entries, badRows: facts.badRows };
}

function describeDock(sn: string, entries: readonly TimelineEntry[], facts: Facts): Dock {
  const diagnosis = diagnose(entries, { ...facts, sn });
  const binding = facts.bindings.get(sn);
  return {
    ...diagnosis,
    sn,
    callsign: binding?.callsign || undefined,
    account: diagnosis.session?.account ?? listingAccounts({ ...facts, sn })[0],
    organizationId: binding?.organizationId,
    organizationName: facts.organizations.get(binding?.organizationId ?? '')?.name,
    boundDrone: facts.drones.get(sn),
  };
}

/** SNs of all docks that did something, are listed in an account, or are bound; sorted. */
async function listSerialNumbers(timeline: Timeline, { listings, bindings }: Facts): Promise<string[]> {
  const docks = new Set(listings.keys());
  for (let after = ''; ;) {
    const page = await timeline.gateways(after, PAGE);
    for (const sn of page) docks.add(sn);
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) break;
    after = last;
  }
  for (const { sn, gateway } of bindings.values()) if (sn === gateway) docks.add(sn);
  return [...docks].sort();
}

/**
 * A probe is known by its accounts, which strangers cannot have. A client id proves nothing: any dock of a shared
 * account may use one like a probe's.
 */
function isProbe(own: readonly TimelineEntry[]): boolean {
  return own.length > 0 && own.every(({ account }) => account.startsWith(PROBE_ACCOUNT));
}

function groupRefusals(refusals: readonly TimelineEntry[]): RefusedClient[] {
  const groups = groupBy(refusals, ({ clientId, account, reason = '' }) =>
    JSON.stringify([clientId, account, reason]),
  );
  return [...groups.values()].flatMap(([latest, ...earlier]) => {
    if (latest === undefined) return [];
    const { clientId, account, reason = '', details, lastAt } = latest;
    const times = earlier.reduce((sum, { count }) => sum + count, latest.count);
    return [{ clientId, account, address: details.peerHost, reason, times, lastAt }];
  });
}

async function notFound(sn: string, timeline: Timeline, facts: Facts): Promise<DockhookError> {
  const lower = sn.toLowerCase();
  const meant = (await listSerialNumbers(timeline, facts)).find((other) => other.toLowerCase() === lower);
  const hint =
    meant === undefined
      ? ': no account lists it, it is not bound, and it was not seen in the last 30 days. dockhook dock list shows all docks'
      : `; did you mean ${meant}?`;
  return new DockhookError('not_found', `nothing is known about ${sn}${hint}`);
}
