/**
 * Binds that are asked at the same time go to Postgres as one statement. PostgreSQL takes a lock of the whole server
 * for each transaction that notifies, from before its commit is written to disk until after: one bind for each commit
 * would make 64 docks at once wait for 64 disk writes, one after the other.
 */
import { isAboutData, sqlState } from './database.js';
import type { StoredRow } from './record-sql.js';
import { createLine } from './statement-line.js';

/** Binds devices, none of them twice. @returns the SNs that are bound */
export type Bind = (rows: readonly StoredRow[]) => Promise<ReadonlySet<string>>;

/** Devices of one statement. */
const MAX_DEVICES = 200;

/** SQLSTATE of a statement that waited too long for a row that somebody else has locked. */
const LOCK_NOT_AVAILABLE = '55P03';

interface Request {
  rows: readonly StoredRow[];
  resolve(bound: ReadonlySet<string>): void;
  reject(error: unknown): void;
}

interface Statement {
  keys: Set<string>;
  requests: Request[];
}

/** Merges binds that are asked in the same turn of the event loop, or while no more statements may be sent. */
export function mergeBinds(bind: Bind): Bind {
  const line = createLine<Statement>(({ requests }) => send(requests));

  /** The statement that a request can join: one device cannot be bound twice by one statement. */
  function statementFor(rows: readonly StoredRow[]): Statement {
    const known = line.last();
    const joins =
      known !== undefined &&
      known.keys.size + rows.length <= MAX_DEVICES &&
      rows.every(({ key }) => !known.keys.has(key));
    if (joins) return known;
    const statement: Statement = { keys: new Set(), requests: [] };
    line.add(statement);
    return statement;
  }

  async function send(requests: readonly Request[]): Promise<void> {
    try {
      const bound = await bind(requests.flatMap(({ rows }) => rows));
      for (const { resolve } of requests) resolve(bound);
    } catch (error) {
      // What is wrong with one request must not be the fault of the others.
      if (requests.length > 1 && concernsOne(error)) await sendEachAlone(requests);
      else for (const { reject } of requests) reject(error);
    }
  }

  /** One after the other: they have the place of one statement. */
  async function sendEachAlone(requests: readonly Request[]): Promise<void> {
    const waits: unknown[] = [];
    for (const { rows, resolve, reject } of requests) {
      // One may be a row that is locked. With two it is not worth the time of the others.
      if (waits.length > 1) reject(waits[0]);
      else
        await bind(rows).then(resolve, (error: unknown) => {
          if (sqlState(error) === LOCK_NOT_AVAILABLE) waits.push(error);
          reject(error);
        });
    }
  }

  return (rows) =>
    new Promise((resolve, reject) => {
      const { keys, requests } = statementFor(rows);
      for (const { key } of rows) keys.add(key);
      requests.push({ rows, resolve, reject });
    });
}

/**
 * Whether nothing was bound because of one row: for what it holds, because somebody else has locked it, or because a trigger
 * of the site refuses it (class P0).
 */
function concernsOne(error: unknown): boolean {
  const state = sqlState(error);
  return isAboutData(error) || state === LOCK_NOT_AVAILABLE || state?.startsWith('P0') === true;
}
