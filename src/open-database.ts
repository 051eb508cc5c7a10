/** Opens the database that the settings name: PostgreSQL, or the embedded one. Its driver is loaded only then. */
import type { Config } from './config.js';
import type { Database } from './stores/database.js';
import type { PostgresOptions } from './stores/connect-postgres.js';

interface OpenOptions {
  /** What people call a process that stays up; it then holds the embedded database for itself. */
  command?: string | undefined;
  /** Whether an embedded database is made where there is none; otherwise that is a `not_found`. Default: yes. */
  mayMake?: boolean;
  /** Told what takes long. */
  onProgress: (text: string) => void;
  /** As in `stores/connect-postgres.ts`; for a process that stays up. */
  postgres?: Pick<PostgresOptions, 'onError' | 'onChange' | 'onUnusable'>;
}

/** Commands that do not stay up do one thing after the other. */
const CONNECTIONS_OF_A_COMMAND = 2;

/** With `command`, rejects with `locked` while another process holds the embedded database. */
export async function openDatabase(config: Config, options: OpenOptions): Promise<Database> {
  const { command, mayMake, onProgress, postgres } = options;
  if (config.databaseUrl !== undefined) {
    const { connectPostgres } = await import('./stores/connect-postgres.js');
    return connectPostgres(config.databaseUrl, {
      ...postgres,
      file: config.databaseUrlFile,
      // One of the server's is the session that hears of changes.
      connections: command === undefined ? CONNECTIONS_OF_A_COMMAND : config.databaseConnections - 1,
    });
  }
  const { connectDataDirectory, openDataDirectory } = await import('./embedded-database/data-directory.js');
  if (command === undefined) return connectDataDirectory(config.dataDir, { onProgress, mayMake });
  return openDataDirectory(config.dataDir, { command, onProgress });
}

/** Where everything is kept, in words and without a password. */
export async function describeDatabase({ databaseUrl, databaseSchema, dataDir }: Config): Promise<string> {
  const inSchema = databaseSchema === 'public' ? '' : `, schema ${databaseSchema}`;
  if (databaseUrl === undefined) return `embedded database in ${dataDir}${inSchema}`;
  const { describeDatabaseUrl } = await import('./stores/database-url.js');
  return `${describeDatabaseUrl(databaseUrl)}${inSchema}`;
}
