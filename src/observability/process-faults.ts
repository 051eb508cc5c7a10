/** Faults of the whole process, in the log. */
import { traceOf } from '../errors.js';
import type { Logger } from './log.js';

/**
 * From here on a rejected promise that nobody awaits is logged and not fatal, and Node's warnings go to the log. Node
 * would write to stderr, and wait there if that is a terminal whose reader has stopped.
 */
export function logProcessFaults(log: Logger): void {
  process.on('unhandledRejection', (error) => {
    log.error({ event: 'unhandled_rejection', detail: traceOf(error) });
  });
  process.on('uncaughtException', (error) => {
    log.fatal({ event: 'uncaught_exception', detail: traceOf(error) });
    process.exit(1);
  });
  process.removeAllListeners('warning').on('warning', (warning) => {
    log.warn({ event: 'node_warning', detail: traceOf(warning) });
  });
}
