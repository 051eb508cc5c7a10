/**
 * The stores as the rest of dockhook sees them. Every method may reject with `store_unavailable`
 * (Postgres silent, gone or too slow), `store_refused` (it answered with an error) or `bad_row` (a row that
 * breaks its schema); none is ever reported as "absent". Keys are taken byte for byte; one that the
 * database cannot hold, for its encoding, is absent.
 */
import type { Within } from '../time-limits.js';
import type { DockhookError } from '../errors.js';
import type { Finding } from '../finding.js';
import type { Ending } from './database.js';
import type { AccessEvent, Outcome, Reason, Step } from '../events.js';
import type { Recalled } from './remembered-reads.js';
import type { Account, Binding, License, Organization } from './records.js';

export type * from './records.js';

/** All rows of a table in key order; bad ones apart, so that one of them does not hide the rest. */
export interface Listing<T> {
  records: T[];
  badRows: DockhookError[];
}

/** `get` resolves with undefined if there is no such account. */
export interface Accounts {
  get(name: string): Promise<Account | undefined>;
  list(): Promise<Listing<Account>>;
  /** Rejects with `conflict` if the name is taken. */
  add(account: Account): Promise<void>;
  /**
   * Adds any number of accounts; all of them come to be, or none: none if the work says `rollback` or
   * rejects, if this process ends, or if the connection is lost. `addMany` leaves out accounts whose name
   * is taken or that PostgreSQL refuses, and resolves to why, by name; a rejection of it ends the whole.
   */
  addTogether(
    work: (addMany: (accounts: readonly Account[]) => Promise<Map<string, DockhookError>>) => Promise<Ending>,
  ): Promise<void>;
  /**
   * Reads, edits, and writes if nobody wrote in between (else reads again). Rejects with `not_found`.
   * @returns the account as written
   */
  update(name: string, edit: (account: Account) => Account): Promise<Account>;
  /** Replaces a password hash. @returns false if the account has another hash by now, was changed meanwhile, or is gone */
  replaceHash(name: string, oldHash: string, newHash: string): Promise<boolean>;
  /** Rejects with `not_found`. */
  remove(name: string): Promise<void>;
  /** Whether any account's scope lists this SN as a gateway. */
  listsGateway(sn: string): Promise<boolean>;
  /** Whether any account keeps this client id for itself. */
  keepsClientId(clientId: string): Promise<boolean>;
}

/** Both look-ups resolve with undefined if there is no such organization. */
export interface Organizations {
  get(id: string): Promise<Organization | undefined>;
  byBindingCode(code: string): Promise<Organization | undefined>;
  list(): Promise<Listing<Organization>>;
  /** As for accounts; rejects with `conflict` if another organization has the binding code, too. */
  update(id: string, edit: (organization: Organization) => Organization): Promise<Organization>;
  /** Rejects with `conflict` if the id or the binding code is taken. */
  add(organization: Organization): Promise<void>;
  /** Rejects with `not_found`, or with `conflict` while devices are bound to it or accounts belong to it. */
  remove(id: string): Promise<void>;
}

/** The organization is only checked when it is asked for. */
export type BindingWithOrganization = Binding & {
  /** Throws `bad_row`; `undefined` if it is gone, which only a broken reference allows. */
  organization(): Organization | undefined;
};

/**
 * `another_gateway`: the device was bound through itself, and only it renews that. `bound_elsewhere`: it belongs to another
 * organization, and stays there; or it asks for itself, and was bound through another gateway.
 */
export type BindOutcome = 'bound' | 'another_gateway' | 'bound_elsewhere' | 'no_such_organization';

/** One binding for each device; the key is its SN. */
export interface Bindings {
  /** Resolves with undefined if the device is not bound. */
  get(sn: string): Promise<Binding | undefined>;
  /** The bindings of those SNs that have one. */
  getMany(sns: readonly string[]): Promise<Map<string, Binding>>;
  /** The same of a gateway and of devices that it asks about, together with their organizations. */
  getWithOrganizations(
    gateway: string,
    sns: readonly string[],
  ): Promise<Map<string, BindingWithOrganization>>;
  list(): Promise<Listing<Binding>>;
  /**
   * Binds devices, or renews their bindings to the same organization; never moves one. A renewal without callsign or
   * model key (`''`) keeps the old one. All are durable together before it resolves, and each bind is atomic across
   * replicas. A device that is named twice is bound twice, in that order. If it rejects, the outcome of all is unknown,
   * except with `store_refused`: then nothing was changed.
   * @returns for each, in their order, what became of it, or the `store_refused` with which PostgreSQL refused it alone
   */
  bind(bindings: readonly Binding[]): Promise<(BindOutcome | DockhookError)[]>;
  /**
   * An operator's act: to another organization, or account, or both. Rejects with `not_found` if the device is not
   * bound or the organization unknown.
   */
  move(
    sn: string,
    to: { organizationId?: string | undefined; account?: string | undefined },
  ): Promise<Binding>;
  /** Rejects with `not_found`. */
  remove(sn: string): Promise<void>;
}

/** There is at most one license. `get` resolves with undefined if none is set. */
export interface LicenseStore {
  get(): Promise<License | undefined>;
  set(license: License): Promise<void>;
  clear(): Promise<void>;
}

/**
 * The stores of a server, which remembers what it reads: while changes are heard, it answers from memory, that there is no
 * such record, too. But a gateway may have been bound through another server a moment ago, and must not hear that it is
 * not: `getMany` looks for each binding that is missing, and `getWithOrganizations` does if that of the gateway is.
 */
export interface ServerStores extends Stores {
  accounts: RememberedAccounts;
  license: RememberedLicense;
}

/** The accounts of a server. */
export interface RememberedAccounts extends Accounts {
  /** As `get`; but while the store is away, the account as it was last read, at most ten minutes ago. */
  recall(name: string, within: Within): Promise<Account | undefined>;
}

/** The license of a server, which goes on answering while the database is away. */
export interface RememberedLicense extends LicenseStore {
  /**
   * As `get`; but while the store is away, the license as it was last read, however long ago: a dock takes none for
   * a failed license check, and disconnects.
   */
  recall(within: Within): Promise<Recalled<License>>;
}

/** One line of a dock's story, or several equal ones in a row. */
export interface TimelineEntry {
  /** When the first and the last of `count` happened, in milliseconds since the epoch. */
  at: number;
  lastAt: number;
  count: number;
  /** The gateway it is about, if that is known. */
  gateway?: string | undefined;
  /**
   * Whether `gateway` did this itself: its account was checked, and may act as it. What is not, anybody
   * who reaches the broker can cause, under any name.
   */
  own: boolean;
  clientId: string;
  account: string;
  /** `missing`: so many entries were lost in that time, because the database was away. */
  step: Step | 'missing';
  outcome: Outcome;
  reason?: Reason | undefined;
  details: TimelineDetails;
}

/** What there is to say beside that. `undefined` is as good as absent: JSON drops it. */
export type TimelineDetails = {
  [
    Name in
      | 'sn'
      | 'organizationId'
      | 'method'
      | 'result'
      | 'action'
      | 'topic'
      | 'peerHost'
      | 'peerPort'
      | 'node'
      | 'clockSkewMs'
      | 'drone'
      | 'modelKey'
      | 'license'
      | 'broker'
      | 'detail'
  ]?: AccessEvent[Name] | undefined;
} & {
  /** The dock had sent this request before: it got no reply. */
  again?: true | undefined;
};

/** How many rows the timeline keeps, beside those newest of each gateway. */
export interface TimelineLimits {
  /** Newest of those that are not a gateway's own. */
  strangers: number;
  /** Of all. */
  total: number;
}

/** What docks did and what became of it, kept for 30 days. */
export interface Timeline {
  /**
   * Adds entries, to be kept for 30 days. Waits for a locked table no longer than a second.
   * @returns how many were left out, because PostgreSQL refuses what is in them
   */
  append(entries: readonly TimelineEntry[]): Promise<number>;
  /** Deletes what has expired and what goes beyond the limits. */
  sweep(limits: TimelineLimits): Promise<void>;
  /** Deletes all but the newest `limit` of each of these gateways, of which some hundred may be told at once. */
  trim(gateways: readonly string[], limit: number): Promise<void>;
  /** The next gateways with entries of their own, in byte order. */
  gateways(after: string, limit: number): Promise<string[]>;
  /** The newest entries of each of these gateways' own, at most `limit` each, in order of time. */
  of(gateways: readonly string[], limit: number): Promise<TimelineEntry[]>;
  /**
   * A page of the entries that are no gateway's own, newest first, and where the next page begins; that is
   * undefined behind the last one.
   * @param before where this page begins; undefined for the first
   */
  others(before: string | undefined, limit: number): Promise<{ entries: TimelineEntry[]; next?: string }>;
  /** The gateway that last said that it has this drone. */
  gatewayOfDrone(sn: string): Promise<string | undefined>;
}

/** A dockhook server, as it said last what it is. */
export interface HeardServer {
  /** Its host, and a text that is its own. */
  name: string;
  /** It ended in order. */
  isStopped: boolean;
  /** The brokers that asked it, in their own words: `EMQX`, `Mosquitto`. */
  brokers: string[];
  /** Milliseconds since the epoch, and until now, by the clock of the database. */
  heardAt: number;
  agoMs: number;
}

/** Those that were heard of on this database. */
export interface HeardServers {
  /** The latest first. */
  servers: HeardServer[];
  /** How long ago any server, of any version, wrote an entry of the timeline; absent if there is none. */
  lastEntryAgoMs?: number;
}

/** Which servers run on this database, by what they say themselves. */
export interface Servers {
  /** A server is there, or stops. */
  beat(server: Pick<HeardServer, 'name' | 'isStopped' | 'brokers'>): Promise<void>;
  heard(): Promise<HeardServers>;
}

/** All that dockhook keeps, over one database. */
export interface Stores {
  accounts: Accounts;
  organizations: Organizations;
  bindings: Bindings;
  license: LicenseStore;
  timeline: Timeline;
  servers: Servers;
  /** One round trip that also makes sure the tables exist. Rejects with `store_unavailable`. */
  ping(): Promise<void>;
  /** What around the tables could make an answer wrong, in words: settings, hidden rows, guards that are off. */
  unsound(): Promise<Finding[]>;
  close(): Promise<void>;
}
