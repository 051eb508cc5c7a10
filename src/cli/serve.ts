/** `dockhook serve`: the ExHook server. */
import type { Command } from 'commander';
import { createMetrics, startApp, UNREADY_MS, type App } from '../app.js';
import type { Config } from '../config.js';
import { messageOf } from '../errors.js';
import { createLog, type Logger } from '../observability/log.js';
import type { Metrics } from '../observability/metrics.js';
import type { Database } from '../stores/database.js';
import { connectPostgres } from '../stores/postgres.js';
import { openStores } from '../stores/stores.js';
import { addSettingFlags, configOf } from './options.js';
import { firstSignal } from './signals.js';

export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .description('answer the broker: PostgreSQL from DATABASE_URL, else an embedded database')
    .action(async (_options: unknown, self: Command) => {
      await serve(configOf(self));
    });
  addSettingFlags(command);
}

async function serve(config: Config): Promise<void> {
  const signalled = firstSignal();
  const log = createLog(config.logLevel);
  const metrics = createMetrics();
  if (config.unknownAccounts === 'ignore') {
    log.warn({
      event: 'unknown_accounts_ignored',
      detail:
        'accounts that dockhook does not know are left to the broker: EMQX 5.9 and later lets them in ' +
        'unless it has an authenticator of its own',
    });
  }
  const app = await startServer(config, await openDatabase(config, log), log, metrics);
  log.info({ event: 'listening', grpc: app.grpc, http: app.http });
  void app.ready.then(() => {
    if (app.isReady()) log.info({ event: 'ready', grpc: app.grpc, http: app.http });
  });
  const signal = await signalled;
  log.info({ event: 'stopping', signal });
  // Ctrl-C is a person who waits; SIGTERM is a supervisor whose proxy must notice first.
  await app.stop(signal === 'SIGTERM' ? UNREADY_MS : 0);
  log.info({ event: 'stopped' });
}

/** Opens the stores over a database and starts the app on them; closes the database if that fails. */
export async function startServer(
  config: Config,
  database: Database,
  log: Logger,
  metrics: Metrics,
): Promise<App> {
  process.on('unhandledRejection', (error) => {
    log.error({ event: 'unhandled_rejection', detail: messageOf(error) });
  });
  const stores = openStores(database, { onQuery: metrics.query });
  try {
    return await startApp(config, { stores, metrics, log });
  } catch (error) {
    await stores.close();
    throw error;
  }
}

async function openDatabase(config: Config, log: Logger): Promise<Database> {
  if (config.databaseUrl !== undefined) {
    return connectPostgres(config.databaseUrl, {
      onError: (error) => {
        log.warn({ event: 'database_connection_lost', detail: messageOf(error) });
      },
    });
  }
  const { openDataDirectory } = await import('../embedded/data-directory.js');
  return openDataDirectory(config.dataDir, {
    command: 'dockhook serve',
    onProgress: (detail) => {
      log.info({ event: 'embedded_database', detail });
    },
  });
}
