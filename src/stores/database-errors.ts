/** What people are told of a driver's error, and what to do about it. All work on the database is attempted here. */
import { command } from '../command.js';
import { DockhookError, messageOf } from '../errors.js';
import { connectAdvice } from './connect-advice.js';
import {
  answeredState,
  FOREIGN_KEY_VIOLATION,
  INSUFFICIENT_PRIVILEGE,
  sqlState,
  UNIQUE_VIOLATION,
} from './database.js';
import { NEWER_TABLES, NOT_UTF8, type TableName } from './table-names.js';

/** Told after each store operation; a `failure` means that Postgres did not do its part. */
export type OnQuery = (
  table: TableName | 'all',
  operation: string,
  milliseconds: number,
  failure: DockhookError | undefined,
) => void;

/**
 * Does work on a table, and tells how long it took. `subject` is what people call the thing, `account "dock-7"`. Driver errors become
 * `store_refused` if Postgres answered, else `store_unavailable`; but a violated constraint is looked up in
 * `violated` first.
 */
export type Attempt = <T>(
  operation: string,
  subject: string,
  work: () => Promise<T>,
  violated?: Violated<T>,
) => Promise<T>;

/** What it means when Postgres refuses: the error to throw, or the answer that the refusal is. */
export interface Violated<T> {
  unique?: () => T | Promise<T>;
  reference?: () => T | Promise<T>;
}

/** `onQuery` is told of every attempt, with a failure only if PostgreSQL did not do its part. */
export function createAttempt(table: TableName | 'all', onQuery: OnQuery | undefined): Attempt {
  return async (operation, subject, work, violated = {}) => {
    const start = performance.now();
    const done = (failure?: DockhookError): void =>
      onQuery?.(table, operation, performance.now() - start, failure);
    try {
      const result = await work();
      done();
      return result;
    } catch (error) {
      const state = sqlState(error);
      const answer =
        state === UNIQUE_VIOLATION
          ? violated.unique
          : state === FOREIGN_KEY_VIOLATION
            ? violated.reference
            : undefined;
      if (answer !== undefined || error instanceof DockhookError) {
        done();
        if (answer !== undefined) return answer();
        throw error;
      }
      const failure = failureOf(operation, subject, error);
      done(failure);
      throw failure;
    }
  };
}

const MAKE_UTF8 = "CREATE DATABASE … ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
const LACKS_LETTER = `its encoding lacks a letter of this; a database for dockhook must be UTF8: ${MAKE_UTF8}`;
const LACKS_RIGHT =
  'with the roles of deploy/postgres, dockhook_server is for dockhook serve alone: the other commands need ' +
  `dockhook_operator. Without these roles, ${command('doctor')} prints the GRANT that is missing`;
const TABLES_DIFFER = `its tables are not as dockhook makes them: ${command('doctor')} says what differs`;

/** What to do about a statement that failed, by Postgres' SQLSTATE. */
const ADVICE: Readonly<Record<string, string>> = {
  '22021': LACKS_LETTER,
  '22P05': LACKS_LETTER,
  '25006':
    `the server is a standby, or default_transaction_read_only is on for this role or database: ${command('doctor')} ` +
    'tells which; nothing was changed',
  '40001': 'others changed it at the same time, again and again: try again',
  '40P01': 'others changed it at the same time, again and again: try again',
  [INSUFFICIENT_PRIVILEGE]: LACKS_RIGHT,
  '42P01': `the table was dropped: restore it from a backup. If you want an empty one: ${command('doctor')} prints the SQL`,
  '42703': TABLES_DIFFER,
  '42P10': TABLES_DIFFER,
  '42P07': TABLES_DIFFER,
  '42809': TABLES_DIFFER,
  '53100': 'make room on the disk of PostgreSQL',
  '55P03': 'somebody has locked the table: look for a long transaction in pg_stat_activity',
  '57014':
    'statement_timeout is short for this role or database, somebody holds a lock for long, or an administrator ' +
    'cancelled it',
  [NOT_UTF8]: MAKE_UTF8,
  [NEWER_TABLES]: 'use the dockhook that changed them, or a newer one; nothing was changed',
};

/** What to do about a driver's error, if that can be told from its code. */
export function adviceFor(error: unknown): string | undefined {
  const state = sqlState(error) ?? '';
  return connectAdvice(error) ?? ADVICE[state];
}

/**
 * What people are told of a driver's error. Only its message and SQLSTATE are kept: its other fields hold the row
 * (`detail`) or the parameters (PGlite's `params`), and so password hashes and binding codes.
 */
export function failureOf(operation: string, subject: string, error: unknown): DockhookError {
  const [code, what] =
    answeredState(error) === undefined
      ? (['store_unavailable', 'the database cannot be reached'] as const)
      : (['store_refused', 'the database refuses'] as const);
  const advice = adviceFor(error);
  const cause = Object.assign(new Error(messageOf(error)), { code: sqlState(error) });
  const text = `${what} (${operation}, ${subject}): ${messageOf(error)}${advice ? `; ${advice}` : ''}`;
  return new DockhookError(code, text, { cause });
}
