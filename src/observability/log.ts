/** JSON logs on stdout, one object a line. What may be logged is listed here by name, so no secret slips in. */
import { pino, type Logger } from 'pino';
import { DockhookError, traceOf } from '../errors.js';
import type { AccessEvent, Tell } from '../events.js';
import { clipped, printableJson, withoutUserInfo } from '../text.js';
import { createThrottle } from '../throttle.js';
import { openLogOutput, type LogOutput } from './log-output.js';

export type { Logger };

/** `destination`: stdout unless given. */
export function createLog(
  level: string,
  destination: Pick<LogOutput, 'write'> & Partial<LogOutput> = openLogOutput(),
): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: {
      level: (label: string) => ({ level: label }),
      log: (line: Record<string, unknown>) =>
        typeof line['detail'] === 'string' ? { ...line, detail: withoutUserInfo(line['detail']) } : line,
    },
  };
  const output: LogOutput = {
    // The last place that each line passes.
    write: (line) => {
      destination.write(isPlain(line) ? line : printableJson(line));
    },
    flush: (done) => {
      if (destination.flush) destination.flush(done);
      else done();
    },
  };
  return pino(options, output);
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
  'modelKey',
  'license',
  'broker',
  'repeated',
  'detail',
] as const satisfies readonly (keyof AccessEvent)[];

/** Lines about one account at once, and the time in which one more is allowed, in milliseconds: five a second. */
const LINES_PER_ACCOUNT = { burst: 10_000, refillMs: 200 };
/** How often it is said of one account that it has no more lines, in milliseconds. */
const TOLD_AGAIN_MS = 60_000;

/**
 * One line for each connect, refusal and provisioning step, and each end of a session. What is too much of one account
 * is logged at `debug`: one request can ask for 16 devices, and so makes more log than it has bytes.
 */
export function logEvents(log: Logger): Tell {
  const lines = createThrottle(LINES_PER_ACCOUNT);
  const limitTold = createThrottle({ burst: 1, refillMs: TOLD_AGAIN_MS });
  return (event) => {
    const line: Record<string, unknown> = { event: event.step };
    for (const name of FIELDS) {
      const value = event[name];
      if (value !== undefined) line[name] = clip(name, value);
    }
    const level = levelOf(event);
    const account = String(line['account']);
    // Who was refused has not shown whose account it is, and strangers are limited by where they come from.
    const isStranger = event.step === 'authenticate' && event.outcome !== 'ok';
    if (level === 'debug' || isStranger || lines.take(account)) {
      log[level](line);
      return;
    }
    log.debug(line);
    if (limitTold.take(account)) log.warn({ event: 'log_limited', account });
  };
}

/**
 * Failed calls of one hook that are logged at once, and the time in which one more is, in milliseconds. The metrics count
 * all: in a storm there can be thousands, of one cause.
 */
const LOGGED_FAILURES = { burst: 10, refillMs: 1000 };

/** Logs why a hook failed, with EMQX's name of the hook. Each kind of error of a hook has its own limit. */
export function logFailures(log: Logger): (hook: string, error: unknown) => void {
  const lines = createThrottle(LOGGED_FAILURES);
  return (hook, error) => {
    if (lines.take(`${hook} ${codeOf(error)}`))
      log.error({ event: 'hook_failed', hook, detail: traceOf(error) });
  };
}

function codeOf(error: unknown): string {
  return error instanceof DockhookError ? error.code : error instanceof Error ? error.name : '';
}

/** Names and topics of up to 64 KiB come from outside, escaped six times as long; stacks are ours. */
function clip(name: string, value: unknown): unknown {
  return typeof value === 'string' ? clipped(value, name === 'detail' ? 4096 : 255) : value;
}

/** Nearly all lines: visible ASCII. */
function isPlain(line: string): boolean {
  return /^[ -~]*\n$/.test(line);
}

function levelOf({ step, outcome, reason, repeated }: AccessEvent): 'debug' | 'info' | 'warn' | 'error' {
  // Whoever tries by the thousand must not fill the disk.
  if (repeated) return 'debug';
  // Of no dock's way in, and told again and again by one that gets no answer to it.
  if (step === 'status') return 'debug';
  // Once in each session: it is for the timeline.
  if (step === 'authorize' && outcome === 'ok') return 'debug';
  // No dock can come online until somebody sets it; and a mistake in dockhook itself.
  if (reason === 'license_not_set' || reason === 'internal_error') return 'error';
  return outcome === 'refused' || outcome === 'dropped' || outcome === 'faulty' ? 'warn' : 'info';
}
