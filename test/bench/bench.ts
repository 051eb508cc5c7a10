/** What every part of the benchmark is given: a Postgres that waits for its disk, dockhook on it, and how much to do. */
import { freshDatabase, type TestDatabase, type TestPostgres } from '../support/postgres.js';
import type { Live } from './live.js';
import { startDockhook, type Dockhook, type DockhookOptions } from './processes.js';

export interface Scale {
  rounds: number;
  /** How long one round of one side takes, about. */
  seconds: number;
  /** Calls of one round, in place of `seconds`. */
  calls?: number;
  /** Docks of a storm. */
  docks: number;
}

export const FULL: Scale = { rounds: 7, seconds: 0.3, docks: 10_000 };
/** Only to see that the benchmark itself works: its figures mean nothing. */
export const SMOKE: Scale = { rounds: 1, seconds: 0.05, calls: 20, docks: 30 };

export interface Bench {
  scale: Scale;
  postgres: TestPostgres;
  /** Of the hooks, only those with this in their name. */
  only: string;
  /** Brokers that run already. */
  live: Live | undefined;
  /** Tells people that something long goes on. */
  progress(text: string): void;
  /** An empty database. */
  database(): Promise<TestDatabase>;
  dockhook(databaseUrl: string, options?: DockhookOptions): Promise<Dockhook>;
}

/** @param options.profile directory to leave CPU profiles of dockhook in */
export function benchOn(
  postgres: TestPostgres,
  scale: Scale,
  {
    only = '',
    profile,
    live,
  }: { only?: string | undefined; profile?: string | undefined; live?: Live | undefined } = {},
): Bench {
  return {
    only,
    live,
    scale,
    postgres,
    progress: (text) => {
      console.error(`  ${text}`);
    },
    database: () => freshDatabase(postgres),
    dockhook: (url, options = {}) => startDockhook(url, { profile, ...options }),
  };
}
