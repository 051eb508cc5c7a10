/**
 * Where log lines go. The server never waits for whoever reads them: if the reader of a pipe, terminal or socket has
 * stopped, or a disk is full, lines are kept for a while, then lost and counted. No answer is delayed by it.
 */
import { constants, fstatSync, openSync, write as writeInThread, writeSync } from 'node:fs';

/** Characters of log kept while they cannot be written; of what comes beyond, nothing is kept. */
const MAX_UNWRITTEN = 1 << 20;
/** Characters of one write at most: what a pipe usually holds. */
const MAX_WRITE = 1 << 16;
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

/** @param onLost told of each line that was not kept */
export function openLogOutput(fd = 1, onLost: () => void = () => undefined): LogOutput {
  const ownFd = withoutWaiting(fd);
  /** Lines in full, and of the one that is under way what is not written yet. */
  const lines: string[] = [];
  let rest: Buffer | undefined;
  let unwritten = 0;
  let lost = 0;
  let retry: NodeJS.Timeout | undefined;
  /** Since when a thread writes. */
  let busySince: number | undefined;
  let isExiting = false;
  const flushing = new Set<() => void>();

  function keep(line: string): void {
    lines.push(line);
    unwritten += line.length;
  }

  function write(line: string): void {
    // Once some were lost, more are until there is room for many: one gap, and one line that tells of it.
    if (lost > 0 || unwritten + line.length > MAX_UNWRITTEN) {
      lost += 1;
      onLost();
      return;
    }
    keep(line);
    writeOn();
  }

  /** What to write next. */
  function next(): Buffer | undefined {
    if (rest) return rest;
    if (lines.length === 0) return undefined;
    let count = 1;
    let length = lines[0]?.length ?? 0;
    while (count < lines.length && length + (lines[count]?.length ?? 0) <= MAX_WRITE) {
      length += lines[count]?.length ?? 0;
      count += 1;
    }
    unwritten -= length;
    return (rest = Buffer.from(lines.splice(0, count).join('')));
  }

  function written(count: number): void {
    rest = rest && count < rest.length ? rest.subarray(count) : undefined;
    if (lost > 0 && unwritten <= MAX_UNWRITTEN / 2) {
      keep(lossLine(lost));
      lost = 0;
    }
  }

  function writeOn(): void {
    if (retry !== undefined || busySince !== undefined) return;
    for (let chunk = next(); chunk; chunk = next()) {
      if (ownFd === undefined && !isExiting) {
        writeByThread(chunk);
        return;
      }
      try {
        written(writeSync(ownFd ?? fd, chunk));
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
        written(count);
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
      rest = undefined;
      busySince = undefined;
    }
    writeOn();
  });

  return {
    write,
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
 * A descriptor of the same pipe, terminal or socket on which a write that would wait fails instead; undefined of a
 * file, which has no such thing, or if it is not to be had.
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

function lossLine(count: number): string {
  return `${JSON.stringify({
    level: 'warn',
    time: new Date().toISOString(),
    event: 'log_lines_lost',
    count,
    detail: `${count} log lines were lost here, because nobody read the log or it could not be written`,
  })}\n`;
}
