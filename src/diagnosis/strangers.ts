/** Finds what belongs to a dock's story: its own entries, and those of others that name it. */
import { ownGateways, serialNumbersIn } from '../access/topic-rules.js';
import { INVENTED_SERIAL_NUMBER } from '../topics.js';
import type { Ban } from '../emqx/bans.js';
import type { DockhookError } from '../errors.js';
import type { Account, Stores, Timeline, TimelineEntry } from '../stores/types.js';
import { BROKER } from '../timeline/recorder.js';
import { listingsOf, type DockFacts } from './facts.js';
import { grouped } from './group-by.js';

/** More than the sweep leaves; a bound for the reader, should nobody sweep. */
const MAX_OTHERS = 25_000;
const PAGE = 2000;

/** Starts of the broker's nodes: as many as are kept. */
const BOOTS = 200;

/** What the stores know of all docks. */
export type Known = Omit<DockFacts, 'sn'> & { badRows: DockhookError[] };

/** @param bans whom EMQX keeps out by itself, where it could be asked */
export async function readKnown(stores: Stores, now: number, bans: readonly Ban[] = []): Promise<Known> {
  const [accounts, organizations, bindings, license, broker] = [
    await stores.accounts.list(),
    await stores.organizations.list(),
    await stores.bindings.list(),
    await stores.license.get(),
    await stores.timeline.of([BROKER], BOOTS),
  ];
  const boots = grouped(broker, ({ clientId }) => clientId);
  return {
    now,
    bans,
    hasLicense: license !== undefined,
    accounts: new Map(accounts.records.map((account) => [account.name, account])),
    listings: listingsOf(accounts.records),
    organizations: new Map(organizations.records.map((organization) => [organization.id, organization])),
    bindings: new Map(bindings.records.map((binding) => [binding.sn, binding])),
    boots: new Map([...boots].map(([node, entries]) => [node, entries.map(({ at }) => at)])),
    badRows: [...accounts.badRows, ...organizations.badRows, ...bindings.badRows],
  };
}

/** SNs of all docks that did something, are listed in an account, or are bound; sorted. */
export async function knownDocks(timeline: Timeline, { listings, bindings }: Known): Promise<string[]> {
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

/** Entries that no dock vouches for, to be asked whose story they may belong to. */
export interface Others {
  /** @param own the dock's own entries: who came under their client ids belongs to it, too */
  of(sn: string, own: readonly TimelineEntry[]): TimelineEntry[];
  /** Refusals, of a connect or of a gateway's topics, of which `of` found no dock so far; newest first. What a probe did is none. */
  unclaimed(): TimelineEntry[];
}

export async function readOthers(timeline: Timeline, { accounts }: Known): Promise<Others> {
  const entries: TimelineEntry[] = [];
  let next: string | undefined;
  do {
    const page = await timeline.others(next, PAGE);
    entries.push(...page.entries);
    next = page.next;
  } while (next !== undefined && entries.length < MAX_OTHERS);
  entries.reverse();

  const named = entries.flatMap((entry) =>
    [...namedIn(entry, accounts.get(entry.account))].map((sn) => ({ sn, entry })),
  );
  const bySn = grouped(named, ({ sn }) => sn);
  const byClientId = grouped(entries, ({ clientId }) => clientId);
  const claimed = new Set<TimelineEntry>();
  return {
    of(sn, own) {
      const clientIds = new Set(own.map(({ clientId }) => clientId));
      const found = [
        ...(bySn.get(sn) ?? []).map(({ entry }) => entry),
        ...[...clientIds].flatMap((clientId) => byClientId.get(clientId) ?? []),
      ];
      for (const entry of found) claimed.add(entry);
      return [...new Set(found)];
    },
    unclaimed: () =>
      entries
        .filter(
          (entry) =>
            (entry.step === 'authenticate' ? entry.outcome === 'refused' : isDeniedGateway(entry)) &&
            !claimed.has(entry) &&
            !entry.clientId.startsWith(INVENTED_SERIAL_NUMBER),
        )
        .reverse(),
  };
}

/** A dock that was let in, under an account that does not list its SN: no dock of the list has that SN. */
function isDeniedGateway({ gateway, step, outcome }: TimelineEntry): boolean {
  if (gateway === undefined) return false;
  return (step === 'authorize' && outcome === 'refused') || (step === 'request' && outcome === 'dropped');
}

/** The SNs that an entry names: in its topic, its client id, or through the account that was refused. */
function namedIn(
  { gateway, clientId, step, outcome }: TimelineEntry,
  account: Account | undefined,
): Set<string> {
  const named = new Set(serialNumbersIn(clientId));
  if (gateway !== undefined) named.add(gateway);
  if (account && step === 'authenticate' && outcome !== 'ok') {
    for (const sn of ownGateways(account.scope, clientId)) named.add(sn);
  }
  return named;
}
