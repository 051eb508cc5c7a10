/** What the stores and EMQX know about docks now, beside what the timeline says about the past. */
import type { Ban } from '../emqx/bans.js';
import type { DockhookError } from '../errors.js';
import type { Account, Binding, Organization, Stores } from '../stores/types.js';
import { BROKER } from '../timeline/clients.js';
import { licenseMark } from '../license-mark.js';
import { brokerKind, type BrokerKind } from './brokers.js';
import { groupBy } from './group-by.js';

/** What is known about one dock. */
export interface DockFacts {
  sn: string;
  /** Milliseconds since the epoch. */
  now: number;
  hasLicense: boolean;
  /** The mark of the license; absent if none is set. */
  licenseMark?: string | undefined;
  /** By name. */
  accounts: ReadonlyMap<string, Account>;
  /** Names of the accounts that list an SN, by that SN; see {@link indexBySn}. */
  listings: ReadonlyMap<string, readonly string[]>;
  /** By id. */
  organizations: ReadonlyMap<string, Organization>;
  /** By SN, of docks and drones. */
  bindings: ReadonlyMap<string, Binding>;
  /** When each node of the broker started, in milliseconds since the epoch, in order. */
  boots: ReadonlyMap<string, readonly number[]>;
  /** The kinds of brokers that ask dockhook; empty or absent if none has said what it is. */
  brokers?: ReadonlySet<BrokerKind>;
  /** Clients that EMQX itself refuses; absent if EMQX was not asked. */
  bans?: readonly Ban[];
  /** Drones that gateways announced, by SN: the gateway that did so last. Only those that were looked for. */
  carriers?: ReadonlyMap<string, string>;
}

/** What is known about all docks. */
export interface Facts extends Omit<DockFacts, 'sn'> {
  /** A device other than the gateway that is bound through it, by the gateway's SN. */
  drones: ReadonlyMap<string, string>;
  badRows: DockhookError[];
}

/** How many starts of the broker's nodes are read: as many as the timeline keeps. */
const MAX_BOOTS = 200;

/** @param bans clients that EMQX itself refuses, if it could be asked */
export async function readFacts(stores: Stores, now: number, bans: readonly Ban[] = []): Promise<Facts> {
  const accounts = await stores.accounts.list();
  const organizations = await stores.organizations.list();
  const bindings = await stores.bindings.list();
  const license = await stores.license.get();
  const started = (await stores.timeline.of([BROKER], MAX_BOOTS)).filter(({ step }) => step === 'booted');
  const boots = groupBy(started, ({ clientId }) => clientId);
  // In reverse, so that the first drone of each gateway wins.
  const drones = bindings.records.filter(({ sn, gateway }) => sn !== gateway).reverse();
  return {
    now,
    bans,
    hasLicense: license !== undefined,
    licenseMark: license && licenseMark(license),
    brokers: new Set(started.flatMap(({ details }) => brokerKind(details.broker ?? '') ?? [])),
    accounts: new Map(accounts.records.map((account) => [account.name, account])),
    listings: indexBySn(accounts.records),
    organizations: new Map(organizations.records.map((organization) => [organization.id, organization])),
    bindings: new Map(bindings.records.map((binding) => [binding.sn, binding])),
    drones: new Map(drones.map(({ gateway, sn }) => [gateway, sn])),
    boots: new Map([...boots].map(([node, entries]) => [node, entries.map(({ at }) => at)])),
    badRows: [...accounts.badRows, ...organizations.badRows, ...bindings.badRows],
  };
}

/** The accounts that list an SN, by SN. Made once: otherwise each of 10,000 docks would search 10,000 accounts. */
export function indexBySn(accounts: Iterable<Account>): Map<string, string[]> {
  const listings = new Map<string, string[]>();
  for (const { name, scope } of accounts) {
    for (const sn of scope.kind === 'gateways' ? new Set(scope.gateways) : []) {
      const names = listings.get(sn);
      if (names === undefined) listings.set(sn, [name]);
      else names.push(name);
    }
  }
  return listings;
}

/** Names of the accounts that list this SN. */
export function listingAccounts({ listings, sn }: Pick<DockFacts, 'listings' | 'sn'>): readonly string[] {
  return listings.get(sn) ?? [];
}
