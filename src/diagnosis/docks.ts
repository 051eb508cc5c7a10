/** Which docks there are, and what there is to say about each, as plain data: for commands and pages. */
import { command } from '../command.js';
import { PROBE_ACCOUNT } from '../access/unsafe-names.js';
import type { Ban } from '../emqx/bans.js';
import { DockhookError } from '../errors.js';
import type { Stores, Timeline, TimelineEntry } from '../stores/types.js';
import { diagnose, type Diagnosis } from './diagnose.js';
import { listingAccounts, readFacts, type Facts } from './facts.js';
import { groupBy } from './group-by.js';
import { isRefusedTopic } from './rules/refused-topics.js';
import { readStrangers } from './strangers.js';
import { noSerialNumberIn, parseDeviceTopic } from '../topics.js';

/** How many entries of a dock are read: all that are kept. */
const ENTRIES = 200;
/** Those that a diagnosis reads first, about ten attempts to connect: a list of 10,000 docks cannot read them all. */
const NEWEST = 60;
const DOCKS_AT_ONCE = 200;
/** Refused SNs of which it is looked up whether they are drones of other gateways. */
const MAX_CARRIERS = 20;
const PAGE = 2000;

/** A dock as commands show it: its diagnosis, and what the stores know about it. */
export interface Dock extends Diagnosis {
  sn: string;
  callsign: string | undefined;
  /** The account of its session, or the first that lists it. */
  account: string | undefined;
  /** Whether that account may act only as SNs that it lists or that are in the client id: a bridge or backend may act as any. */
  isAccountOfGateways: boolean;
  /** The organization that it is bound to; of a gateway that is bound nowhere, that of its account. */
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
  /** A word of `Reason`, and what more there is to say. */
  reason: string;
  /** `subscribe thing/product/+/osd`; undefined for a connect. */
  topic: string | undefined;
  times: number;
  /** Milliseconds since the epoch. */
  lastAt: number;
}

interface DockList {
  /** By SN. */
  docks: Dock[];
  /** The latest first. */
  refusedClients: RefusedClient[];
  /** Entries that say how many others are missing; oldest first. */
  missing: TimelineEntry[];
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
    const bySn = groupBy(await stores.timeline.of(part, NEWEST), ({ gateway = '' }) => gateway);
    const stories = part
      .map((sn) => ({ sn, own: bySn.get(sn) ?? [] }))
      .filter(({ own }) => !isProbe(own))
      .map(({ sn, own }) => ({ sn, own, others: strangers.entriesFor(sn, own) }));
    docks.push(...(await describeDocks(stories, facts, stores.timeline)));
  }
  return {
    docks,
    refusedClients: groupRefusals(strangers.refusedOthers()),
    missing: strangers.missing,
    badRows: facts.badRows,
  };
}

/** What a dock did, and what others did in its name. */
interface Story {
  sn: string;
  /** In order of time. */
  own: readonly TimelineEntry[];
  others: readonly TimelineEntry[];
}

/**
 * Diagnoses the newest entries of each dock. What they show as an error may be excused by what came before, so
 * then all are read. A list and a single dock do the same, so that they say the same.
 */
async function describeDocks(stories: readonly Story[], facts: Facts, timeline: Timeline): Promise<Dock[]> {
  const known = { ...facts, carriers: await readCarriers(stories, facts, timeline) };
  const docks = stories.map(({ sn, own, others }) =>
    describeDock(sn, [...own.slice(-NEWEST), ...others], known),
  );
  const doubtful = docks.filter(({ findings }, index) => {
    return findings[0]?.level === 'error' && (stories[index]?.own.length ?? 0) >= NEWEST;
  });
  if (doubtful.length === 0) return docks;
  const all = groupBy(
    await timeline.of(
      doubtful.map(({ sn }) => sn),
      ENTRIES,
    ),
    ({ gateway = '' }) => gateway,
  );
  return docks.map((dock, index) => {
    const own = all.get(dock.sn);
    return own === undefined
      ? dock
      : describeDock(dock.sn, [...own, ...(stories[index]?.others ?? [])], known);
  });
}

/** Which of the SNs that were refused are drones of other gateways: no account may list these. */
async function readCarriers(
  stories: readonly Story[],
  { bindings, listings }: Facts,
  timeline: Timeline,
): Promise<Map<string, string>> {
  const named = new Set(
    stories.flatMap(({ own, others }) =>
      [...own, ...others]
        .filter(isRefusedTopic)
        .flatMap(({ details }) => parseDeviceTopic(details.topic ?? '')?.sn ?? []),
    ),
  );
  const unknown = [...named].filter((sn) => !bindings.has(sn) && !listings.has(sn)).slice(0, MAX_CARRIERS);
  const carriers = new Map<string, string>();
  for (const sn of unknown) {
    const gateway = await timeline.gatewayOfDrone(sn);
    if (gateway !== undefined) carriers.set(sn, gateway);
  }
  return carriers;
}

/** A dock with its timeline, and what is missing from it; or, for the SN of a drone, the dock through which the drone comes. */
type FoundDock =
  | { kind: 'dock'; dock: Dock; entries: TimelineEntry[]; badRows: DockhookError[] }
  | { kind: 'drone'; gateway: string };

/** Rejects with `not_found` if nothing is known about this SN. */
export async function findDock(stores: Stores, sn: string, bans: readonly Ban[] = []): Promise<FoundDock> {
  const { timeline } = stores;
  const facts = await readFacts(stores, Date.now(), bans);
  const own = await timeline.of([sn], ENTRIES);
  const strangers = await readStrangers(timeline, facts);
  // As a list does, which knows no older client ids of the dock.
  const others = strangers.entriesFor(sn, own.slice(-NEWEST));
  if (own.length === 0 && listingAccounts({ ...facts, sn }).length === 0) {
    const binding = facts.bindings.get(sn);
    const isDrone = binding !== undefined && binding.gateway !== sn;
    const gateway = isDrone ? binding.gateway : await timeline.gatewayOfDrone(sn);
    if (gateway !== undefined) return { kind: 'drone', gateway };
    if (others.length === 0 && binding === undefined) throw await notFound(sn, timeline, facts);
  }
  const [dock] = await describeDocks([{ sn, own, others }], facts, timeline);
  if (dock === undefined) throw new Error(`no diagnosis of ${sn}`);
  const known = [...own, ...others];
  const since = Math.min(...known.map(({ at }) => at));
  const missing = strangers.missing.filter(({ lastAt }) => known.length === 0 || lastAt >= since);
  const entries = [...known, ...missing].sort((a, b) => a.at - b.at);
  return { kind: 'dock', dock, entries, badRows: facts.badRows };
}

function describeDock(sn: string, entries: readonly TimelineEntry[], facts: Facts): Dock {
  const diagnosis = diagnose(entries, { ...facts, sn });
  const binding = facts.bindings.get(sn);
  const account = diagnosis.session?.account ?? listingAccounts({ ...facts, sn })[0];
  const scope = facts.accounts.get(account ?? '')?.scope.kind;
  const { organizationId } = binding ?? facts.accounts.get(account ?? '') ?? {};
  return {
    ...diagnosis,
    sn,
    callsign: binding?.callsign || undefined,
    account,
    isAccountOfGateways: scope === 'gateways' || scope === 'client-id',
    organizationId,
    organizationName: facts.organizations.get(organizationId ?? '')?.name,
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
  const groups = groupBy(refusals, ({ clientId, account, reason = '', details }) =>
    JSON.stringify([clientId, account, reason, topicOf(details)]),
  );
  return [...groups.values()].flatMap(([latest, ...earlier]) => {
    if (latest === undefined) return [];
    const { clientId, account, details, lastAt } = latest;
    const times = earlier.reduce((sum, { count }) => sum + count, latest.count);
    const [reason, topic] = [reasonOf(latest), topicOf(details)];
    return [{ clientId, account, address: details.peerHost, reason, topic, times, lastAt }];
  });
}

function topicOf({ action = 'publish', topic }: TimelineEntry['details']): string | undefined {
  return topic === undefined ? undefined : `${action} ${topic}`;
}

/** A simulator often comes with an SN that is none, and nothing else would say why all its topics are refused. */
function reasonOf({ reason = 'internal_error', details }: TimelineEntry): string {
  const named = noSerialNumberIn(details.topic ?? '');
  return named === undefined ? reason : `${reason}: "${named}" is no SN, which has letters and digits only`;
}

async function notFound(sn: string, timeline: Timeline, facts: Facts): Promise<DockhookError> {
  const lower = sn.toLowerCase();
  const meant = (await listSerialNumbers(timeline, facts)).find((other) => other.toLowerCase() === lower);
  const hint =
    meant === undefined
      ? `: no account lists it, it is not bound, and it was not seen in the last 30 days. ${command('dock', 'list')} shows all docks`
      : `; did you mean ${meant}?`;
  return new DockhookError('not_found', `nothing is known about ${sn}${hint}`);
}
