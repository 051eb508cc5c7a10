/** Where log lines go: a pipe that is full, a file, a disk that is full. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openLogOutput, type LogOutput } from '../../../src/observability/log-output.js';

const line = (index: number): string => `${JSON.stringify({ index, text: 'ä'.repeat(500) })}\n`;
const flushed = (output: LogOutput): Promise<void> =>
  new Promise((resolve) => {
    output.flush(resolve);
  });

describe('the output of the log', () => {
  let directory: string;
  let fds: number[];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'dockhook-log-output-'));
    fds = [];
  });
  afterEach(() => {
    for (const fd of fds) closeSync(fd);
    rmSync(directory, { recursive: true });
  });

  function open(path: string, flags: number): number {
    const fd = openSync(path, flags);
    fds.push(fd);
    return fd;
  }

  it('keeps what a full pipe does not take, loses and counts the rest, and tells of it where it was', async () => {
    const path = join(directory, 'pipe');
    execFileSync('mkfifo', [path]);
    // It blocks who writes to it, as the pipe of a shell does.
    const reader = open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    let lost = 0;
    const output = openLogOutput(open(path, constants.O_WRONLY), () => (lost += 1));
    const sent = 4000;
    for (let index = 0; index < sent; index += 1) output.write(line(index));
    expect(lost).to.be.within(1, sent - 1);

    let text = '';
    const bytes = Buffer.alloc(1 << 16);
    const decoder = new TextDecoder();
    const read = (): boolean => {
      try {
        const count = readSync(reader, bytes);
        text += decoder.decode(bytes.subarray(0, count), { stream: true });
        return count > 0;
      } catch {
        // Empty for now.
        return false;
      }
    };
    while (!text.includes('log_lines_lost')) {
      if (!read()) await pause(5);
    }
    output.write(line(sent));
    while (!text.includes(`"index":${sent}`)) {
      if (!read()) await pause(5);
    }
    const lines = text
      .trimEnd()
      .split('\n')
      .map((each) => JSON.parse(each) as { index?: number; event?: string; count?: number });
    const gap = lines.findIndex(({ event }) => event === 'log_lines_lost');
    expect(lines[gap]?.count).to.equal(lost);
    expect(lines.slice(0, gap).map(({ index }) => index)).to.deep.equal(
      Array.from({ length: sent - lost }, (_, index) => index),
    );
    expect(lines.slice(gap + 1)).to.have.lengthOf(1);
  });

  it('has all of it in a file once it is flushed, in order', async () => {
    const path = join(directory, 'file');
    const output = openLogOutput(open(path, constants.O_WRONLY | constants.O_CREAT));
    const lines = Array.from({ length: 900 }, (_, index) => line(index));
    for (const each of lines) output.write(each);
    await flushed(output);
    expect(readFileSync(path, 'utf8')).to.equal(lines.join(''));
  });

  it('is done with flushing though nothing can be written', async function () {
    // Linux has a file that is always full.
    if (!existsSync('/dev/full')) this.skip();
    let lost = 0;
    const output = openLogOutput(open('/dev/full', constants.O_WRONLY), () => (lost += 1));
    for (let index = 0; index < 4000; index += 1) output.write(line(index));
    await flushed(output);
    expect(lost).to.be.above(0);
  });
});
