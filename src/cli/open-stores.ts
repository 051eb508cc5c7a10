/** The stores for a command that does not stay up. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describeDatabase, openDatabase } from '../open-database.js';
import type { Stores } from '../stores/types.js';
import { configOf, pathOf, wantsJson } from './options.js';
import { say } from './output.js';

/** Commands with something to put into an empty database. Any other would look into a wrong folder, and leave one there. */
const MAKERS = ['account add', 'account import', 'license set', 'organization add'];

/**
 * Runs a command's work on the stores and closes them whatever happens. With the embedded database,
 * a running `serve` or `dev` serves it; otherwise it is opened for as long as the command runs. It is made only for
 * {@link MAKERS}.
 */
export async function withStores<T>(command: Command, work: (stores: Stores) => Promise<T>): Promise<T> {
  const config = configOf(command);
  const mayMake = MAKERS.includes(pathOf(command));
  const tell = (text: string): void => {
    if (!wantsJson(command)) say(text);
  };
  // Otherwise a shell without the server's DATABASE_URL would silently fill another database.
  if (config.databaseUrl === undefined) {
    const isNew = !existsSync(join(config.dataDir, 'postgres'));
    const hint =
      isNew && mayMake ? ', which holds nothing yet; set DATABASE_URL if your fleet is in PostgreSQL' : '';
    tell(`(${await describeDatabase(config)}${hint})`);
  }
  const { openStores } = await import('../stores/stores.js');
  const stores = openStores(await openDatabase(config, { onProgress: tell, mayMake }), {
    schema: config.databaseSchema,
  });
  try {
    return await work(stores);
  } finally {
    await stores.close();
  }
}
