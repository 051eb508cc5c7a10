/** Runs the server of `serve` and `dev`, and logs what concerns the process as a whole. */
import { startApp, UNREADY_MS, type App } from '../app.js';
import type { Config } from '../config.js';
import { messageOf, traceOf, type DockhookError } from '../errors.js';
import { createLog, type Logger } from '../observability/log.js';
import { openLogOutput } from '../observability/log-output.js';
import { createMetrics, type Metrics } from '../observability/metrics.js';
import { sqlState } from '../stores/database.js';
import type { OnQuery } from '../stores/run.js';
import { openServerStores } from '../stores/stores.js';
import type { Stores } from '../stores/types.js';
import { describeDatabase, openDatabase } from './open-stores.js';
import { firstSignal } from './signals.js';

/** Serves until told to stop. */
export async function serve(config: Config): Promise<void> {
  const signalled = firstSignal();
  const metrics = createMetrics();
  const log = openLog(config, metrics);
  if (config.unknownAccounts === 'ignore') {
    log.warn({
      event: 'unknown_accounts_ignored',
      detail:
        'accounts that dockhook does not know are left to the broker: EMQX 5.9 and later lets them in ' +
        'unless it has an authenticator of its own',
    });
  }
  const { app } = await startServer(
    config,
    { log, metrics },
    {
      command: 'dockhook serve',
      onProgress: (detail) => {
        log.info({ event: 'embedded_database', detail });
      },
    },
  );
  const where = { grpc: app.grpc, http: app.http, database: await describeDatabase(config) };
  log.info({ event: 'listening', ...where });
  void app.ready.then((reached) => {
    if (reached) log.info({ event: 'ready', ...where });
  });
  const signal = await signalled;
  log.info({ event: 'stopping', signal });
  // Ctrl-C is a person who waits; SIGTERM is a supervisor whose proxy must notice first.
  await app.stop(signal === 'SIGTERM' ? UNREADY_MS : 0);
  log.info({ event: 'stopped' });
  await flushed(log);
}

/** The log of a process that stays up: on stdout. */
export function openLog(config: Config, metrics: Metrics): Logger {
  return createLog(config.logLevel, openLogOutput(1, metrics.logLineLost));
}

/** Waits until what was logged is written, for as long as is reasonable. */
async function flushed(log: Logger): Promise<void> {
  await new Promise<void>((resolve) => {
    log.flush(() => {
      resolve();
    });
  });
}

/**
 * Opens the database that the settings name, holding it if it is the embedded one, and starts the app on it.
 * Nothing stays open if that fails. From here on a rejected promise that nobody awaits is logged and not fatal, and
 * Node's warnings go to the log.
 */
export async function startServer(
  config: Config,
  { log, metrics }: { log: Logger; metrics: Metrics },
  holder: { command: string; onProgress: (text: string) => void },
): Promise<{ app: App; stores: Stores }> {
  process.on('unhandledRejection', (error) => {
    log.error({ event: 'unhandled_rejection', detail: traceOf(error) });
  });
  // Node would write both to stderr, and wait there if that is a terminal whose reader has stopped.
  process.on('uncaughtException', (error) => {
    log.fatal({ event: 'uncaught_exception', detail: traceOf(error) });
    process.exit(1);
  });
  process.removeAllListeners('warning').on('warning', (warning) => {
    log.warn({ event: 'node_warning', detail: traceOf(warning) });
  });
  const database = await openDatabase(config, {
    ...holder,
    postgres: {
      onError: (error) => {
        log.warn({ event: 'database_connection_lost', detail: messageOf(error) });
      },
      onChange: () => {
        log.info({ event: 'database_url_reloaded' });
      },
      onUnusable: (error) => {
        log.error({ event: 'database_url_not_reloaded', detail: messageOf(error) });
      },
    },
  });
  const stores = openServerStores(database, {
    schema: config.databaseSchema,
    onQuery: queryObserver(metrics, log),
    onHeard: accountChangesObserver(metrics, log),
  });
  try {
    return { app: await startApp(config, { stores, metrics, log, refusal: database.refusal }), stores };
  } catch (error) {
    await stores.close();
    throw error;
  }
}

/** Between two lines about one and the same answer of the database, in milliseconds. */
const REFUSAL_MS = 60_000;

/** Counts each store operation, and logs when the database goes away, when it is back, and what it refuses. */
function queryObserver(metrics: Metrics, log: Logger): OnQuery {
  let away = false;
  const refusals = new Map<string | undefined, number>();

  function logRefusal({ message, cause }: DockhookError): void {
    const now = performance.now();
    const state = sqlState(cause);
    if (now - (refusals.get(state) ?? -Infinity) < REFUSAL_MS) return;
    refusals.set(state, now);
    log.error({ event: 'database_refuses', sqlstate: state, detail: message });
  }

  return (table, operation, milliseconds, failure) => {
    metrics.query(table, operation, milliseconds, failure?.code);
    // Nobody waits for it; `timeline_not_written` is said of it.
    if (table === 'dockhook_timeline') return;
    if (failure?.code === 'store_refused') logRefusal(failure);
    const isSilent = failure?.code === 'store_unavailable';
    if (isSilent === away) return;
    away = isSilent;
    if (away) log.error({ event: 'database_away', detail: 'nobody new gets in; connected docks go on' });
    else log.info({ event: 'database_back' });
  };
}

/** Whether accounts are answered from memory. */
function accountChangesObserver(metrics: Metrics, log: Logger): (heard: boolean, why?: string) => void {
  return (heard, why) => {
    metrics.accountChangesHeard(heard);
    if (heard) log.info({ event: 'account_changes_heard' });
    else
      log.warn({
        event: 'account_changes_not_heard',
        detail: `accounts are read at each call: ${why ?? ''}`,
      });
  };
}
