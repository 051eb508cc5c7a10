/** JSON logs on stdout, one object a line. What may be logged is listed here by name, so no secret slips in. */
import { pino, type Logger } from 'pino';
import type { AccessEvent, Tell } from '../events.js';

export type { Logger };

/** `destination` is for tests; the default is stdout. */
export function createLog(level: string, destination?: NodeJS.WritableStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** One line for each connect, refusal and provisioning step, and each end of a session. */
export function logEvents(log: Logger): Tell {
  return (event) => {
    const { step, ...rest } = event;
    log[levelOf(event)]({ event: step, ...rest });
  };
}

function levelOf({ outcome, reason, repeated }: AccessEvent): 'debug' | 'info' | 'warn' | 'error' {
  // Whoever tries by the thousand must not fill the disk.
  if (repeated) return 'debug';
  // No dock can come online until somebody sets it; and a mistake in dockhook itself.
  if (reason === 'license_not_set' || reason === 'internal_error') return 'error';
  return outcome === 'refused' || outcome === 'dropped' || outcome === 'faulty' ? 'warn' : 'info';
}
