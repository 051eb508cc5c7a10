/** The parts of the Mosquitto plugin that need neither broker nor server: C++ programs that say what was not so. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describeWithMosquitto } from '../support/mosquitto.js';

const run = promisify(execFile);
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const SOURCE = here('../../deploy/mosquitto/src');

describeWithMosquitto('the Mosquitto plugin’s', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'dockhook-parts-'));
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  async function passes(test: string, ...more: string[]): Promise<void> {
    const program = join(directory, test);
    await run('c++', [
      '-std=c++17',
      '-O1',
      `-I${SOURCE}`,
      here(`mosquitto-parts/${test}.cc`),
      ...more,
      '-o',
      program,
    ]);
    await run(program).catch((error: unknown) => {
      throw new Error((error as { stdout: string }).stdout || String(error));
    });
  }

  it('buckets of time bound how long the broker waits, for all strangers and for each username', () =>
    passes('throttle'));

  it('grants are found as the broker matches filters, and have few shapes', () =>
    passes('grants', join(SOURCE, 'grants.cc'), '-lmosquitto'));
});
