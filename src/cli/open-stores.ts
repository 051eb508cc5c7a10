/** Opens the database that the settings name; its driver is loaded only then. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Config } from '../config.js';
import type { Database } from '../stores/database.js';
import type { PostgresOptions } from '../stores/postgres.js';
import type { Stores } from '../stores/types.js';
import { configOf, wantsJson } from './options.js';
import { say } from './output.js';

/**
 * Runs a command's work on the stores and closes them whatever happens. With the embedded database,
 * a running `serve` or `dev` serves it; otherwise it is opened for as long as the command runs.
 */
export async function withStores<T>(command: Command, work: (stores: Stores) => Promise<T>): Promise<T> {
  const config = configOf(command);
  const tell = (text: string): void => {
    if (!wantsJson(command)) say(text);
  };
  // Else a shell without the server's DATABASE_URL would fill another database in silence.
  if (config.databaseUrl === undefined) {
    const isNew = !existsSync(join(config.dataDir, 'postgres'));
    const hint = isNew ? ', which holds nothing yet; set DATABASE_URL if your fleet is in PostgreSQL' : '';
    tell(`(${await describeDatabase(config)}${hint})`);
  }
  const { openStores } = await import('../stores/stores.js');
  const stores = openStores(await openDatabase(config, { onProgress: tell }), {
    schema: config.databaseSchema,
  });
  try {
    return await work(stores);
  } finally {
    await stores.close();
  }
}

export interface OpenOptions {
  /** What people call a process that stays up; it then holds the embedded database for itself. */
  command?: string;
  /** Told what takes long. */
  onProgress: (text: string) => void;
  /** As in `stores/postgres.ts`; for a process that stays up. */
  postgres?: Pick<PostgresOptions, 'onError' | 'onChange' | 'onUnusable'>;
}

/** Commands that do not stay up do one thing after the other. */
const CONNECTIONS_OF_A_COMMAND = 2;

export async function openDatabase(config: Config, options: OpenOptions): Promise<Database> {
  const { command, onProgress, postgres } = options;
  if (config.databaseUrl !== undefined) {
    const { connectPostgres } = await import('../stores/postgres.js');
    return connectPostgres(config.databaseUrl, {
      ...postgres,
      file: config.databaseUrlFile,
      // One of the server's is the session that hears of changes.
      connections: command === undefined ? CONNECTIONS_OF_A_COMMAND : config.databaseConnections - 1,
    });
  }
  const { connectDataDirectory, openDataDirectory } = await import('../embedded-database/data-directory.js');
  if (command === undefined) return connectDataDirectory(config.dataDir, { onProgress });
  return openDataDirectory(config.dataDir, { command, onProgress });
}

/** Where everything is kept, in words and without a password. */
export async function describeDatabase({ databaseUrl, databaseSchema, dataDir }: Config): Promise<string> {
  const inSchema = databaseSchema === 'public' ? '' : `, schema ${databaseSchema}`;
  if (databaseUrl === undefined) return `embedded database in ${dataDir}${inSchema}`;
  const { describeDatabaseUrl } = await import('../stores/database-url.js');
  return `${describeDatabaseUrl(databaseUrl)}${inSchema}`;
}
