/** What all tables of records have in common: read, list, add, update, remove. */
import { DockhookError } from '../errors.js';
import type { Backend, Rows } from './backend.js';
import { decode, decodeRow, encode, isKey, nameOf, type Kind } from './check.js';
import { mergeReads, type Read } from './merged-reads.js';
import type { Run, Violated } from './run.js';
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

export function openTable<T, V>(backend: Backend, kind: Kind<T, V>, run: Run): Table<T> {
  const rows = backend.rows(kind.table);
  const subject = (key: string): string => nameOf(kind, key);
  const notFound = (key: string): DockhookError =>
    new DockhookError('not_found', `there is no ${subject(key)}`);
  const read = mergeReads((keys) => readMany(rows, keys));
  return {
    rows,
    read,
    async get(key) {
      if (!isKey(key)) return undefined;
      return run('get', subject(key), async () => {
        const value = (await read([key])).get(key);
        return value === undefined ? undefined : decode(kind, key, value);
      });
    },
    list: () => run('list', kind.table, () => listAll(rows, kind)),
    async add(record, violated) {
      const { key, text } = encode(kind, record);
      const work = async (): Promise<void> => {
        if (await rows.insert({ key, text })) return;
        throw new DockhookError('conflict', `${subject(key)} exists already`);
      };
      await run('add', subject(key), work, violated);
    },
    async update(key, edit, operation = 'update', violated) {
      if (!isKey(key)) throw notFound(key);
      const work = async (): Promise<T> => {
        for (let attempt = 0; attempt < UPDATE_ATTEMPTS; attempt += 1) {
          const old = await rows.text(key);
          if (old === undefined) throw notFound(key);
          const edited = edit(decodeRow(kind, { key, text: old }));
          const row = encode(kind, edited);
          if (row.key !== key) throw new DockhookError('usage', `${subject(key)} cannot be renamed`);
          if (await rows.replace(key, old, row.text)) return edited;
        }
        throw new DockhookError(
          'conflict',
          `${subject(key)} was changed by others ${UPDATE_ATTEMPTS} times meanwhile; try again`,
        );
      };
      return run(operation, subject(key), work, violated);
    },
    async remove(key, violated) {
      if (!isKey(key)) throw notFound(key);
      const work = async (): Promise<void> => {
        if (!(await rows.remove(key))) throw notFound(key);
      };
      await run('remove', subject(key), work, violated);
    },
  };
}

async function readMany({ keyv }: Rows, keys: readonly string[]): Promise<Map<string, unknown>> {
  const values: unknown[] = await keyv.getMany([...keys]);
  return new Map(keys.map((key, index) => [key, values[index]]));
}

/** Page by page, as one query for a million rows would run into its time limit. */
async function listAll<T, V>(rows: Rows, kind: Kind<T, V>): Promise<Listing<T>> {
  const listing: Listing<T> = { records: [], badRows: [] };
  // No key is empty, so all of them come after ''.
  let after = '';
  for (;;) {
    const page = await rows.page(after, PAGE);
    for (const row of page) {
      try {
        listing.records.push(decodeRow(kind, row));
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
