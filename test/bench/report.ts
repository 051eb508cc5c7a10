/** What a benchmark hands over: rows of named cells, as a Markdown table for people and as JSON for later. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Ratio, Spread } from './statistics.js';

export type Cell = string | number | Spread | Ratio;
export type Row = Record<string, Cell>;

export interface Report {
  /** What was compared with what. */
  title: string;
  rows: Row[];
  /** For the JSON alone. */
  curves?: Record<string, number[]>;
}

/** Where and on what something was measured. */
export interface Origin {
  at: string;
  commit: string;
  machine: { cpu: string; cores: number; memoryGib: number; system: string; loadAverage: number[] };
  versions: Record<string, string>;
}

/** A file of results: by part. */
export type Results = Record<string, Origin & Report>;

const root = fileURLToPath(new URL('../../', import.meta.url));

export function originNow(postgres: string): Origin {
  const [cpu] = cpus();
  return {
    at: new Date().toISOString(),
    commit: commit(),
    machine: {
      cpu: cpu?.model ?? '',
      cores: cpus().length,
      memoryGib: Math.round(totalmem() / 2 ** 30),
      // What comes behind the version is whose kernel it is.
      system: `Linux ${release().split('-')[0]}`,
      loadAverage: loadavg().map(rounded),
    },
    versions: {
      dockhook: versionOf('../../package.json'),
      node: process.versions.node,
      '@grpc/grpc-js': versionOf('@grpc/grpc-js/package.json'),
      postgres,
      h2load: versionSaid('h2load', '--version'),
      mosquitto: versionSaid('mosquitto', '-h'),
      haproxy: versionSaid('haproxy', '-v'),
    },
  };
}

function versionOf(manifest: string): string {
  return (createRequire(import.meta.url)(manifest) as { version: string }).version;
}

/** Empty if the program is not installed. */
function versionSaid(program: string, flag: string): string {
  // Debian has brokers and proxies where only root looks.
  const env = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` };
  const { stdout } = spawnSync(program, [flag], { encoding: 'utf8', env }) as { stdout: string | null };
  return /\d+\.\d+[^\s]*/.exec(stdout ?? '')?.[0] ?? '';
}

/** Empty where the sources are no clone. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  try {
    return `${git('rev-parse', 'HEAD')}${git('status', '--porcelain', '--', 'src', 'test/bench', ':!test/bench/results') === '' ? '' : ' and changes'}`;
  } catch {
    return '';
  }
}

/** As Markdown tables with aligned columns, ready for a page: one for all rows that have the same cells. */
export function tablesOf(rows: readonly Row[]): string {
  const tables = new Map<string, Row[]>();
  for (const row of rows) {
    const key = Object.keys(row).join();
    tables.set(key, [...(tables.get(key) ?? []), row]);
  }
  return [...tables.values()].map(tableOf).join('\n\n');
}

function tableOf(rows: readonly Row[]): string {
  const lines = [Object.keys(rows[0]!), ...rows.map((row) => Object.values(row).map(textOf))];
  const widths = lines[0]!.map((_, column) => Math.max(3, ...lines.map((line) => line[column]!.length)));
  const written = lines.map((line) => join(line.map((text, column) => text.padEnd(widths[column]!))));
  return [written[0], join(widths.map((width) => '-'.repeat(width))), ...written.slice(1)].join('\n');
}

function join(cells: string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** How far the rounds lie apart is of interest where something is claimed: in ratios. The rest is in the JSON. */
function textOf(cell: Cell): string {
  if (typeof cell === 'string') return cell;
  if (typeof cell === 'number') return String(rounded(cell));
  if ('median' in cell) return String(rounded(cell.median));
  const [ratio, least, most] = [cell.ratio, cell.least, cell.most].map((value) => value.toFixed(2));
  return `${ratio} (${least}–${most})`;
}

/** To three digits: the others would be noise. */
function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}

/** Writes a part's rows into a file of results; other parts in it stay. */
export function save(file: string, part: string, report: Report, origin: Origin): void {
  mkdirSync(dirname(file), { recursive: true });
  const results: Results = { ...read(file), [part]: { ...origin, ...report } };
  const text = JSON.stringify(
    results,
    (_key, value: unknown) => (typeof value === 'number' ? rounded(value) : value),
    2,
  );
  writeFileSync(file, `${text}\n`);
}

function read(file: string): Results {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Results;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
