/** pgbench (PostgreSQL) with one statement of ours: what Postgres alone takes for it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { binaries } from '../support/postgres.js';
import type { Run } from './h2load.js';
import { quantile } from './statistics.js';

export interface Statement {
  databaseUrl: string;
  /** With pgbench's variables, `:name`; they are sent as parameters, as pg does. */
  sql: string;
  variables: Record<string, string>;
  clients: number;
  /** Of all clients together, about. */
  calls: number;
}

export async function pgbench({ databaseUrl, sql, variables, clients, calls }: Statement): Promise<Run> {
  const bin = binaries('pgbench');
  if (bin === undefined) throw new Error('pgbench is not installed: Debian has it in postgresql');
  const directory = mkdtempSync(join(tmpdir(), 'dockhook-pgbench-'));
  try {
    const script = join(directory, 'script.sql');
    writeFileSync(script, `${sql};\n`);
    const perClient = Math.ceil(calls / clients);
    const { stdout } = await promisify(execFile)(join(bin, 'pgbench'), [
      '--no-vacuum',
      '--protocol=extended',
      `--client=${clients}`,
      `--transactions=${perClient}`,
      `--file=${script}`,
      ...Object.entries(variables).map(([name, value]) => `--define=${name}=${value}`),
      '--log',
      `--log-prefix=${join(directory, 'log')}`,
      databaseUrl,
    ]);
    const perSecond = Number(/tps = ([\d.]+) \(without/.exec(stdout)?.[1]);
    if (!(perSecond > 0)) throw new Error(`pgbench told no rate:\n${stdout}`);
    const took = readLogs(directory);
    return { perSecond, p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A line per transaction; the third field is its time in microseconds. */
function readLogs(directory: string): number[] {
  return readdirSync(directory)
    .filter((name) => name.startsWith('log.'))
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').trimEnd().split('\n'))
    .map((line) => Number(line.split(' ')[2]) / 1000);
}
