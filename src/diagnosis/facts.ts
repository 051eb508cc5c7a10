/** What the stores know, beside the timeline, that bears on one dock; and how a finding about it looks. Types mostly. */
import type { Ban } from '../emqx/bans.js';
import type { Account, Binding, Organization } from '../stores/types.js';

export interface DockFacts {
  sn: string;
  /** Milliseconds since the epoch. */
  now: number;
  hasLicense: boolean;
  /** By name. */
  accounts: ReadonlyMap<string, Account>;
  /** Names of the accounts that list an SN, by that SN; see {@link listingsOf}. */
  listings: ReadonlyMap<string, readonly string[]>;
  /** By id. */
  organizations: ReadonlyMap<string, Organization>;
  /** By SN, of docks and drones. */
  bindings: ReadonlyMap<string, Binding>;
  /** When each node of the broker started, in milliseconds since the epoch, in order. */
  boots: ReadonlyMap<string, readonly number[]>;
  /** Whom EMQX keeps out by itself; absent where it was not asked. */
  bans?: readonly Ban[];
}

/** Which accounts list which SN. Made once for all docks: each of 10,000 would go through 10,000 accounts. */
export function listingsOf(accounts: Iterable<Account>): Map<string, string[]> {
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

/** A name as a word of a shell command. */
export function word(name: string): string {
  return /^[\w.@:-]+$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`;
}
