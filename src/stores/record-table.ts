/** What all tables of records have in common: read, list, add, update, remove. */
import { DockhookError } from '../errors.js';
import type { Rows, Sql } from './record-sql.js';
import { decode, decodeRow, encode, isKey, nameOf, type RecordType } from './codec.js';
import { mergeReads, type Read } from './merged-reads.js';
import type { Attempt, Violated } from './database-errors.js';
import type { Listing } from './types.js';

/** How often an update starts anew because somebody else wrote in between. */
const UPDATE_ATTEMPTS = 10;
const PAGE = 1000;

interface Table<T> {
  rows: Rows;
  /** Values by key, not yet checked. */
  read: Read<unknown>;
  get(key: string): Promise<T | undefined>;
  list(): Promise<Listing<T>>;
  /** Rejects with `conflict` if the key is taken. */
  add(record: T, violated?: Violated<void>): Promise<void>;
  /** Rejects with `not_found`. @returns the record as written */
  update(key: string, edit: (record: T) => T, operation?: string, violated?: Violated<T>): Promise<T>;
  /** Rejects with `not_found`. */
  remove(key: string, violated?: Violated<void>): Promise<void>;
}

/** Runs no statement yet. Reads that come at the same time share one statement. */
export function openRecordTable<T, V>(sql: Sql, type: RecordType<T, V>, attempt: Attempt): Table<T> {
  const rows = sql.rows(type.table);
  const subject = (key: string): string => nameOf(type, key);
  const notFound = (key: string): DockhookError =>
    new DockhookError('not_found', `there is no ${subject(key)}`);
  const read = mergeReads((keys) => readMany(rows, keys));
  return {
    rows,
    read,
    async get(key) {
      if (!isKey(key)) return undefined;
      return attempt('get', subject(key), async () => {
        const value = (await read([key])).get(key);
        return value === undefined ? undefined : decode(type, key, value);
      });
    },
    list: () => attempt('list', type.table, () => listAll(rows, type)),
    async add(record, violated) {
      const { key, text } = encode(type, record);
      const work = async (): Promise<void> => {
        if (await rows.insert({ key, text })) return;
        throw new DockhookError('conflict', `${subject(key)} exists already`);
      };
      await attempt('add', subject(key), work, violated);
    },
    async update(key, edit, operation = 'update', violated) {
      if (!isKey(key)) throw notFound(key);
      const work = async (): Promise<T> => {
        for (let times = 0; times < UPDATE_ATTEMPTS; times += 1) {
          const old = await rows.text(key);
          if (old === undefined) throw notFound(key);
          const edited = edit(decodeRow(type, { key, text: old }));
          const row = encode(type, edited);
          if (row.key !== key) throw new DockhookError('usage', `${subject(key)} cannot be renamed`);
          if (await rows.replace(key, old, row.text)) return edited;
        }
        throw new DockhookError(
          'conflict',
          `${subject(key)} was changed by others ${UPDATE_ATTEMPTS} times meanwhile; try again`,
        );
      };
      return attempt(operation, subject(key), work, violated);
    },
    async remove(key, violated) {
      if (!isKey(key)) throw notFound(key);
      const work = async (): Promise<void> => {
        if (!(await rows.remove(key))) throw notFound(key);
      };
      await attempt('remove', subject(key), work, violated);
    },
  };
}

async function readMany({ keyv }: Rows, keys: readonly string[]): Promise<Map<string, unknown>> {
  const values: unknown[] = await keyv.getMany([...keys]);
  return new Map(keys.map((key, index) => [key, values[index]]));
}

/** Page by page, as one query for a million rows would run into its time limit. */
async function listAll<T, V>(rows: Rows, type: RecordType<T, V>): Promise<Listing<T>> {
  const listing: Listing<T> = { records: [], badRows: [] };
  // No key is empty, so all of them come after ''.
  let after = '';
  for (;;) {
    const page = await rows.page(after, PAGE);
    for (const row of page) {
      try {
        listing.records.push(decodeRow(type, row));
      } catch (error) {
        if (!(error instanceof DockhookError)) throw error;
        listing.badRows.push(error);
      }
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return listing;
    after = last.key;
  }
}
