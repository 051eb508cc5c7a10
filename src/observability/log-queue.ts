/** Log lines that are not written yet. When they are too many, later ones are lost, and a line says how many. */

/** In characters. */
const MAX_UNWRITTEN = 1 << 20;
/** Of one write, in characters: what a pipe usually holds. */
const MAX_WRITE = 1 << 16;

interface LogQueue {
  /** @returns whether the line is kept */
  add(line: string): boolean;
  /** What to write next; the same until it is written. */
  next(): Buffer | undefined;
  /** So many bytes of what is next were written. */
  written(bytes: number): void;
  /** Somebody else writes the rest of what is next. */
  skip(): void;
}

/** @param format makes of each line, also of the one about losses, what is written */
export function createLogQueue(format: (line: string) => string = (line) => line): LogQueue {
  /** Lines in full. */
  const lines: string[] = [];
  /** What was taken from `lines` and is not written yet. */
  let rest: Buffer | undefined;
  /** Characters in `lines`. */
  let unwritten = 0;
  let lost = 0;

  function keep(line: string): void {
    lines.push(line);
    unwritten += line.length;
  }

  return {
    add(json) {
      const line = format(json);
      // Once one was lost, all are until there is room for many: that makes one gap, and one line about it.
      if (lost > 0 || unwritten + line.length > MAX_UNWRITTEN) {
        lost += 1;
        return false;
      }
      keep(line);
      return true;
    },
    next() {
      if (rest || lines.length === 0) return rest;
      let count = 1;
      let length = lines[0]?.length ?? 0;
      while (count < lines.length && length + (lines[count]?.length ?? 0) <= MAX_WRITE) {
        length += lines[count]?.length ?? 0;
        count += 1;
      }
      unwritten -= length;
      return (rest = Buffer.from(lines.splice(0, count).join('')));
    },
    written(bytes) {
      rest = rest && bytes < rest.length ? rest.subarray(bytes) : undefined;
      if (lost > 0 && unwritten <= MAX_UNWRITTEN / 2) {
        keep(format(lossLine(lost)));
        lost = 0;
      }
    },
    skip() {
      rest = undefined;
    },
  };
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
