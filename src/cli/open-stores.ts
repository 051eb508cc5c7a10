/** Opens the stores that the settings name. */
import type { Config } from '../config.js';
import type { Database } from '../stores/database.js';
import { connectPostgres } from '../stores/postgres.js';
import { openStores } from '../stores/stores.js';
import type { Stores } from '../stores/types.js';

/**
 * Runs a command's work on the stores and closes them whatever happens. With the embedded database,
 * a running `serve` or `dev` serves it; otherwise it is opened for as long as the command runs.
 */
export async function withStores<T>(config: Config, work: (stores: Stores) => Promise<T>): Promise<T> {
  const stores = openStores(await openDatabase(config));
  try {
    return await work(stores);
  } finally {
    await stores.close();
  }
}

async function openDatabase(config: Config): Promise<Database> {
  if (config.databaseUrl !== undefined) return connectPostgres(config.databaseUrl);
  const { connectDataDirectory } = await import('../embedded/data-directory.js');
  return connectDataDirectory(config.dataDir, {
    onProgress: (text) => process.stderr.write(`${text}\n`),
  });
}
