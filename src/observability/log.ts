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

/** One line for each refusal and each provisioning step; what goes well on every connect is `debug`. */
export function logEvents(log: Logger): Tell {
  return ({ step, ...event }) => {
    log[levelOf({ step, ...event })]({ event: step, ...event });
  };
}

function levelOf({ step, outcome, reason }: AccessEvent): 'debug' | 'info' | 'warn' {
  // Whoever tries names by the thousand must not fill the disk.
  if (reason === 'too_many_unknown_names') return 'debug';
  if (outcome === 'refused' || outcome === 'dropped' || outcome === 'faulty') return 'warn';
  return step === 'request' || step === 'bind' ? 'info' : 'debug';
}
