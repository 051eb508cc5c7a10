/** JSON logs on stdout, one object a line. What may be logged is listed here by name, so no secret slips in. */
import { pino, type DestinationStream, type Logger } from 'pino';
import type { AccessEvent, Tell } from '../events.js';
import { createThrottle } from '../throttle.js';

export type { Logger };

/** `destination` is for tests; the default is stdout. */
export function createLog(level: string, destination?: NodeJS.WritableStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, destination ?? stdout());
}

/** Characters of log kept while they cannot be written; what comes beyond is dropped. */
const MAX_UNWRITTEN = 1 << 20;

/** A full disk or a reader that left costs the log, never the docks: left alone, a failed write is thrown. */
function stdout(): DestinationStream {
  const stream = pino.destination({ dest: 1, sync: true, maxLength: MAX_UNWRITTEN });
  stream.on('error', () => undefined);
  return stream;
}

/** What is logged of an event, in the order of a line. */
const FIELDS = [
  'outcome',
  'reason',
  'clientId',
  'account',
  'gateway',
  'sn',
  'organizationId',
  'method',
  'result',
  'action',
  'topic',
  'peerHost',
  'peerPort',
  'node',
  'messageId',
  'tid',
  'clockSkewMs',
  'drone',
  'repeated',
  'detail',
] as const satisfies readonly (keyof AccessEvent)[];

/** Lines about one account at once, and the time in which one more is allowed, in milliseconds: five a second. */
const LINES_PER_ACCOUNT = { burst: 1000, refillMs: 200 };
/** How often it is said of one account that it has no more lines, in milliseconds. */
const TOLD_AGAIN_MS = 60_000;

/**
 * One line for each connect, refusal and provisioning step, and each end of a session. What is too much of one account
 * is logged at `debug`: one request can ask for 16 devices, and so makes more log than it has bytes.
 */
export function logEvents(log: Logger): Tell {
  const lines = createThrottle(LINES_PER_ACCOUNT.burst, LINES_PER_ACCOUNT.refillMs);
  const limitTold = createThrottle(1, TOLD_AGAIN_MS);
  return (event) => {
    const line: Record<string, unknown> = { event: event.step };
    for (const name of FIELDS) {
      const value = event[name];
      if (value !== undefined) line[name] = clip(name, value);
    }
    const level = levelOf(event);
    if (level === 'debug' || lines.take(event.account)) {
      log[level](line);
      return;
    }
    log.debug(line);
    if (limitTold.take(event.account))
      log.warn({ event: 'log_limited', account: clip('account', event.account) });
  };
}

/** Names and topics of up to 64 KiB come from outside, escaped six times as long; stacks are ours. */
function clip(name: string, value: unknown): unknown {
  const limit = name === 'detail' ? 4096 : 255;
  return typeof value === 'string' && value.length > limit ? `${value.slice(0, limit)}…` : value;
}

function levelOf({ step, outcome, reason, repeated }: AccessEvent): 'debug' | 'info' | 'warn' | 'error' {
  // Whoever tries by the thousand must not fill the disk.
  if (repeated) return 'debug';
  // Of no dock's way in, and told again and again by one that gets no answer to it.
  if (step === 'status') return 'debug';
  // No dock can come online until somebody sets it; and a mistake in dockhook itself.
  if (reason === 'license_not_set' || reason === 'internal_error') return 'error';
  return outcome === 'refused' || outcome === 'dropped' || outcome === 'faulty' ? 'warn' : 'info';
}
