/** A place that runs SQL: a Postgres pool, PGlite in this process, or the socket of the process that holds it. */

export type Row = Record<string, unknown>;

export interface Database {
  /**
   * Runs one statement. Rejects with the driver's error (its `code` is the SQLSTATE if Postgres answered),
   * and always within its own time limit.
   */
  query(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
  close(): Promise<void>;
}
