/** `dockhook serve`: the ExHook server. */
import type { Command } from 'commander';
import type { Config } from '../config.js';
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

/** Serves until told to stop. */
async function serve(config: Config): Promise<void> {
  const signalled = firstSignal();
  // Loaded only now: the other commands need no server and start in half the time.
  const { openLog, startServer, UNREADY_MS } = await import('../app.js');
  const { createMetrics } = await import('../observability/metrics.js');
  const { describeDatabase } = await import('../open-database.js');
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
  const onProgress = (detail: string): void => {
    log.info({ event: 'embedded_database', detail });
  };
  const { app } = await startServer(config, { log, metrics }, { command: 'dockhook serve', onProgress });
  const where = { grpc: app.grpc, http: app.http, database: await describeDatabase(config) };
  log.info({ event: 'listening', ...where });
  void app.ready.then((reached) => {
    if (reached) log.info({ event: 'ready', ...where });
  });
  const signal = await signalled;
  log.info({ event: 'stopping', signal });
  // After Ctrl-C a person waits. SIGTERM comes from a supervisor, and its proxy must notice first.
  await app.stop(signal === 'SIGTERM' ? UNREADY_MS : 0);
  log.info({ event: 'stopped' });
  await new Promise<void>((resolve) => {
    log.flush(() => {
      resolve();
    });
  });
}
