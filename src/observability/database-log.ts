/** What is logged and counted of the database: that it is away or back, what it refuses, how it is set up. */
import { messageOf, type DockhookError } from '../errors.js';
import { findingText } from '../finding.js';
import { sqlState } from '../stores/database.js';
import type { PostgresOptions } from '../stores/connect-postgres.js';
import type { OnQuery } from '../stores/database-errors.js';
import type { Stores } from '../stores/types.js';
import type { Logger } from './log.js';
import type { Metrics } from './metrics.js';

/** Between two lines about the same answer of the database, in milliseconds. */
const REFUSAL_MS = 60_000;

/** Logs lost connections, and what becomes of a changed DATABASE_URL_FILE. */
export function logConnections(log: Logger): Pick<PostgresOptions, 'onError' | 'onChange' | 'onUnusable'> {
  return {
    onError: (error) => {
      log.warn({ event: 'database_connection_lost', detail: messageOf(error) });
    },
    onChange: () => {
      log.info({ event: 'database_url_reloaded' });
    },
    onUnusable: (error) => {
      log.error({ event: 'database_url_not_reloaded', detail: messageOf(error) });
    },
  };
}

/** Counts each store operation, and logs when the database goes away, when it is back, and what it refuses. */
export function observeQueries(metrics: Metrics, log: Logger): OnQuery {
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
    // Nobody waits for the timeline, which logs `timeline_not_written` itself.
    if (table === 'dockhook_timeline') return;
    if (failure?.code === 'store_refused') logRefusal(failure);
    const isSilent = failure?.code === 'store_unavailable';
    if (isSilent === away) return;
    away = isSilent;
    if (away) log.error({ event: 'database_away', detail: 'nobody new gets in; connected docks go on' });
    else log.info({ event: 'database_back' });
  };
}

/** Tells whether records are answered from memory. */
export function observeChanges(metrics: Metrics, log: Logger): (heard: boolean, why?: string) => void {
  return (heard, why = '') => {
    metrics.changesHeard(heard);
    if (heard) log.info({ event: 'changes_heard' });
    else log.warn({ event: 'changes_not_heard', detail: `records are read at each call: ${why}` });
  };
}

/** Logs what is set up so that the database could give wrong answers; `dockhook doctor` says the same. */
export async function logUnsound(stores: Stores, log: Logger): Promise<void> {
  try {
    for (const finding of await stores.unsound()) {
      const line = { event: 'database_unsound', code: finding.code, detail: findingText(finding) };
      if (finding.level === 'error') log.error(line);
      else log.warn(line);
    }
  } catch (error) {
    log.warn({ event: 'database_unsound', detail: `not looked at: ${messageOf(error)}` });
  }
}
