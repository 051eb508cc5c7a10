/** A place that runs SQL: a Postgres pool, PGlite in this process, or the socket of the process that holds it. */

export type Row = Record<string, unknown>;

/**
 * Runs one statement. Rejects with the driver's error (its `code` is the SQLSTATE if Postgres answered),
 * and always within its own time limit.
 */
export type Query = (sql: string, parameters?: readonly unknown[]) => Promise<Row[]>;

/** How a transaction ends. */
export type Ending = 'commit' | 'rollback';

/** Errors are the driver's own here; `database-errors.ts` turns them into errors of dockhook. */
export interface Database {
  query: Query;
  /**
   * Runs statements that all come to be or none of them does: it is rolled back if the work says so or
   * rejects, if this process ends, or if the connection is lost. If the commit itself gets no answer, the
   * outcome is unknown.
   */
  transaction(work: (query: Query) => Promise<Ending>): Promise<void>;
  /** Opens a connection of one's own; a place without connections has none. */
  openSession?: (listener: SessionListener) => Promise<Session>;
  /** Set while the server lets nobody in with the user and password that are in use. */
  refusal?: () => Refusal | undefined;
  close(): Promise<void>;
}

/** PostgreSQL refuses the user or the password of `DATABASE_URL`. */
export interface Refusal {
  /** In the server's words. */
  why: string;
  /** As `performance.now()` has it. */
  since: number;
}

/** A connection that is not shared, for what belongs to a session: LISTEN. */
export interface Session {
  query: Query;
  /** Of the server process at its other end, as that said itself when it was opened. */
  processId: number;
  /** Ends it at once, whether the server takes notice or not. */
  close: () => void;
}

/** What a session tells while it is open. */
export interface SessionListener {
  /** A notification came, on any channel listened to. */
  notified: (payload: string) => void;
  /** The connection is gone. */
  ended: () => void;
}

/**
 * How long a transaction over the socket of another process may take, from its first statement to its last:
 * that process can answer nobody else meanwhile, no dock either. An import of 100,000 accounts takes 5 s.
 */
export const HELD_TRANSACTION_LIMIT_MS = 30_000;

/** The SQLSTATE of a driver's error, or Node's code if Postgres was not reached. */
export function sqlState(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** A key or binding code that must be unique is taken. */
export const UNIQUE_VIOLATION = '23505';
/** A binding's organization does not exist, or an organization still has bindings. */
export const FOREIGN_KEY_VIOLATION = '23503';
/** The role may not do that. */
export const INSUFFICIENT_PRIVILEGE = '42501';

/**
 * The SQLSTATE with which PostgreSQL answered; `undefined` if it was silent, or says that it is going away, or not there
 * yet (57P01 to 57P05; class 08 is said by poolers). Node's own codes that have five letters all begin with E.
 */
export function answeredState(error: unknown): string | undefined {
  const state = sqlState(error);
  return state !== undefined && /^(?!E|08|57P)[0-9A-Z]{5}$/.test(state) ? state : undefined;
}

/** Whether PostgreSQL refused a statement for a value in it (class 22), or a row for a constraint (class 23). */
export function isAboutData(error: unknown): error is Error {
  return /^2[23]/.test(answeredState(error) ?? '');
}

/**
 * Whether this text cannot be in the database at all, as a letter that is not in its encoding (22P05) or no text in it
 * (22021). ASCII can be in each: then the error is about a row that was found.
 */
export function cannotBeThere(text: string, error: unknown): boolean {
  return ['22021', '22P05'].includes(sqlState(error) ?? '') && !isAscii(text);
}

export function isAscii(text: string): boolean {
  return /^\p{ASCII}*$/u.test(text);
}
