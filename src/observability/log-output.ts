/**
 * Where log lines go. The server never waits for their reader: if the reader of a pipe, terminal or socket has stopped,
 * or a disk is full, lines wait in a queue, and later ones are lost and counted. No answer is delayed by it.
 */
import { constants, fstatSync, openSync, write as writeInThread, writeSync } from 'node:fs';
import { createLogQueue } from './log-queue.js';

/**
 * Between two looks at whether there is room again, in milliseconds. A pipe may be full for a moment although somebody
 * reads: at one pipe's worth each time, that is some megabytes a second.
 */
const RETRY_MS = 10;
/** How long {@link LogOutput.flush} waits for a reader, in milliseconds. */
const FLUSH_MS = 1000;

/** What pino writes to. */
export interface LogOutput {
  write(line: string): void;
  /** Calls back when all is written, or when that takes too long. */
  flush(done: () => void): void;
}

/**
 * @param onLost called for each line that was not kept
 * @param format as in {@link createLogQueue}
 */
export function openLogOutput(
  fd = 1,
  onLost: () => void = () => undefined,
  format?: (line: string) => string,
): LogOutput {
  const ownFd = withoutWaiting(fd);
  const queue = createLogQueue(format);
  let retry: NodeJS.Timeout | undefined;
  /** Since when a thread writes. */
  let busySince: number | undefined;
  let isExiting = false;
  const flushing = new Set<() => void>();

  function writeOn(): void {
    if (retry !== undefined || busySince !== undefined) return;
    for (let chunk = queue.next(); chunk; chunk = queue.next()) {
      if (ownFd === undefined && !isExiting) {
        writeByThread(chunk);
        return;
      }
      try {
        queue.written(writeSync(ownFd ?? fd, chunk));
      } catch {
        // Whatever it is, full pipe or full disk or no reader at all: it may pass.
        wait();
        return;
      }
    }
    for (const done of flushing) done();
  }

  function writeByThread(chunk: Buffer): void {
    busySince = performance.now();
    writeInThread(fd, chunk, (error, count) => {
      busySince = undefined;
      if (error) wait();
      else {
        queue.written(count);
        writeOn();
      }
    });
  }

  function wait(): void {
    retry = setTimeout(() => {
      retry = undefined;
      writeOn();
    }, RETRY_MS).unref();
  }

  process.on('exit', () => {
    isExiting = true;
    clearTimeout(retry);
    retry = undefined;
    if (busySince !== undefined) {
      // Node waits for its threads before it ends, and one that is stuck in a write would keep it for ever.
      if (performance.now() - busySince > FLUSH_MS) process.kill(process.pid, 'SIGKILL');
      // The thread finishes it.
      queue.skip();
      busySince = undefined;
    }
    writeOn();
  });

  return {
    write(line) {
      if (queue.add(line)) writeOn();
      else onLost();
    },
    flush(done) {
      const finish = (): void => {
        clearTimeout(limit);
        flushing.delete(finish);
        done();
      };
      const limit = setTimeout(finish, FLUSH_MS);
      flushing.add(finish);
      writeOn();
    },
  };
}

/**
 * A descriptor of the same pipe, terminal or socket on which a write fails instead of waiting. Undefined for a file,
 * which has no such mode, and if no such descriptor can be had.
 */
function withoutWaiting(fd: number): number | undefined {
  const kind = fstatSync(fd);
  if (kind.isFIFO() || kind.isCharacterDevice()) {
    try {
      // Opened anew, the flag is ours alone: another process on the same pipe neither sees nor resets it.
      const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
      return openSync(`/proc/self/fd/${fd}`, flags);
    } catch {
      // Not Linux, or the pipe belongs to another user.
    }
  }
  if (!kind.isFIFO() && !kind.isSocket()) return undefined;
  // Node's own stream sets the flag when it is made.
  return (fd === 2 ? process.stderr : process.stdout).writable ? fd : undefined;
}
