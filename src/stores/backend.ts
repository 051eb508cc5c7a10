/** What lies beneath the stores: rows in Postgres, or in Maps for tests. Types only. */
import type { Keyv } from 'keyv';
import type { Ending, Session, SessionListener } from './database.js';
import type { Finding } from '../finding.js';
import type { RecordTable } from './tables.js';
import type { Timeline } from './types.js';

/** A row as it is kept: `text` is Keyv's envelope, `{"value":…}`. */
export interface StoredRow {
  key: string;
  text: string;
}

/** A binding's row, with that of its organization unless the reference is broken. */
export interface BindingRow extends StoredRow {
  organization: StoredRow | undefined;
}

/**
 * One table. Plain reads and writes go through `keyv`; the rest is what Keyv has not: steps that are
 * atomic among replicas. Where a unique key or a reference forbids a step, it rejects with an error whose
 * `code` is the SQLSTATE.
 */
export interface Rows {
  keyv: Keyv;
  /** A row's text, to be compared by `replace`. */
  text(key: string): Promise<string | undefined>;
  /** The next rows in byte order of their keys, at most `limit`. */
  page(after: string, limit: number): Promise<StoredRow[]>;
  /** @returns false if the key is taken */
  insert(row: StoredRow): Promise<boolean>;
  /** @returns false if the row has not this text any more, or is gone */
  replace(key: string, oldText: string, text: string): Promise<boolean>;
  /** @returns false if there is no such row */
  remove(key: string): Promise<boolean>;
}

/**
 * Inserts rows. @returns those that were left out, by key: `taken`, whose rows stay as they are, or the error with
 * which PostgreSQL refuses them
 */
export type InsertMany = (
  table: RecordTable,
  rows: readonly StoredRow[],
) => Promise<Map<string, 'taken' | Error>>;

export interface Backend {
  /** Insertions of any number that all come to be, or none; see {@link Database.transaction}. */
  transaction(work: (insertMany: InsertMany) => Promise<Ending>): Promise<void>;
  rows(table: RecordTable): Rows;
  timeline: Timeline;
  /** Those that there are, by code. */
  organizationsByCode(codes: readonly string[]): Promise<ReadonlyMap<string, StoredRow>>;
  listsGateway(sn: string): Promise<boolean>;
  keepsClientId(clientId: string): Promise<boolean>;
  /** Those that there are, by SN. */
  bindingsWithOrganizations(sns: readonly string[]): Promise<ReadonlyMap<string, BindingRow>>;
  countBindings(organizationId: string): Promise<number>;
  /**
   * Inserts a binding, or renews one to the same organization, and is durable when it resolves.
   * @returns false if the device is bound to another organization
   */
  bind(row: StoredRow): Promise<boolean>;
  /** One round trip. */
  ping(): Promise<void>;
  unsound(): Promise<Finding[]>;
  /** As in {@link Database}. */
  openSession?: (listener: SessionListener) => Promise<Session>;
  close(): Promise<void>;
}
