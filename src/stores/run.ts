/** One frame around all store work: it tells how long the work took, and makes a driver's error a readable one. */
import { DockhookError, messageOf } from '../errors.js';
import { connectAdvice } from './connect-advice.js';
import { FOREIGN_KEY_VIOLATION, INSUFFICIENT_PRIVILEGE, sqlState, UNIQUE_VIOLATION } from './database.js';
import { NEWER_SCHEMA, type TableName } from './tables.js';

/** Told after each store operation; `failed` means that Postgres did not do its part. */
export type OnQuery = (
  table: TableName | 'all',
  operation: string,
  milliseconds: number,
  failed: boolean,
) => void;

/**
 * Runs work on a table. `subject` is what people call the thing, `account "dock-7"`. Driver errors become
 * `store_unavailable`, except that a violated constraint is looked up in `violated` first.
 */
export type Run = <T>(
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

export function openRun(table: TableName | 'all', onQuery: OnQuery | undefined): Run {
  return async (operation, subject, work, violated = {}) => {
    const start = performance.now();
    const done = (failed: boolean): void => onQuery?.(table, operation, performance.now() - start, failed);
    try {
      const result = await work();
      done(false);
      return result;
    } catch (error) {
      const state = sqlState(error);
      const answer =
        state === UNIQUE_VIOLATION
          ? violated.unique
          : state === FOREIGN_KEY_VIOLATION
            ? violated.reference
            : undefined;
      done(answer === undefined && !(error instanceof DockhookError));
      if (answer !== undefined) return answer();
      throw error instanceof DockhookError ? error : unavailable(operation, subject, error);
    }
  };
}

/** What to do, by Postgres' SQLSTATE. */
const ADVICE: Readonly<Record<string, string>> = {
  [INSUFFICIENT_PRIVILEGE]:
    'with the roles of deploy/postgres, dockhook_server is for dockhook serve alone: the other commands need ' +
    'dockhook_operator. Without them, make the role of DATABASE_URL the owner of its database, or have an ' +
    'administrator run deploy/postgres/schema.sql and roles.sql',
  '25006': 'DATABASE_URL names a server that is read-only, a standby perhaps; nothing was changed',
  [NEWER_SCHEMA]: 'use the dockhook that made them, or a newer one; nothing was changed',
};

const SCHEMA_PUBLIC =
  'dockhook keeps its tables in the schema public. An administrator lets the role of DATABASE_URL make them there ' +
  '(GRANT CREATE ON SCHEMA public TO …), or runs deploy/postgres/schema.sql and roles.sql';

/** What to do about a driver's error, if that can be told from its code. */
export function adviceFor(error: unknown): string | undefined {
  const state = sqlState(error) ?? '';
  if (state === INSUFFICIENT_PRIVILEGE && /\bschema public\b/.test(messageOf(error))) return SCHEMA_PUBLIC;
  return connectAdvice(error) ?? ADVICE[state];
}

/** Whether store work was refused because the role of DATABASE_URL lacks the right: nothing was done then. */
export function lacksRight(error: unknown): boolean {
  return error instanceof DockhookError && sqlState(error.cause) === INSUFFICIENT_PRIVILEGE;
}

/**
 * Only message and SQLSTATE of the driver's error are kept: its other fields hold the row (`detail`) or
 * the parameters (PGlite's `params`), and so password hashes and binding codes.
 */
function unavailable(operation: string, subject: string, error: unknown): DockhookError {
  const advice = adviceFor(error);
  const cause = Object.assign(new Error(messageOf(error)), { code: sqlState(error) });
  return new DockhookError(
    'store_unavailable',
    `the store is not available (${operation}, ${subject}): ${messageOf(error)}${advice ? `; ${advice}` : ''}`,
    { cause },
  );
}
