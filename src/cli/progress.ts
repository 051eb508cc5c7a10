/** A progress bar on stderr for long work, if stderr is a terminal. */

const WIDTH = 24;
const REDRAW_MS = 100;

interface Progress {
  /**
   * @param done the part that is done, from 0 to 1; `undefined` if the total is not known
   * @param remark what else there is to say
   */
  at(count: number, done: number | undefined, remark?: string): void;
  /** Removes the bar, so that other lines can be written. */
  clear(): void;
}

/** @param noun what is counted */
export function startProgress(noun: string, stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY) return { at: () => undefined, clear: () => undefined };
  const start = performance.now();
  let drawn = -Infinity;
  let isShown = false;
  return {
    at(count, done, remark = '') {
      const now = performance.now();
      if (now - drawn < REDRAW_MS) return;
      drawn = now;
      isShown = true;
      const filled = done === undefined ? 0 : Math.round(Math.min(1, done) * WIDTH);
      const bar =
        done === undefined
          ? ''
          : `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${Math.floor(done * 100)} %  `;
      const rate = Math.round((count * 1000) / (now - start));
      stream.write(
        `\r\u001b[2K${bar}${count.toLocaleString('en')} ${noun}, ${rate.toLocaleString('en')} a second` +
          (remark === '' ? '' : `, ${remark}`),
      );
    },
    clear() {
      if (isShown) stream.write('\r\u001b[2K');
      isShown = false;
    },
  };
}
