/** What a benchmark hands over: rows of named cells, as a Markdown table for people and as JSON for later. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { h2loadVersion } from './h2load.js';
import type { Ratio } from './statistics.js';

export type Cell = string | number | Ratio;
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
      system: `Linux ${release()}`,
      loadAverage: loadavg().map(rounded),
    },
    versions: {
      dockhook: versionOf('../../package.json'),
      node: process.versions.node,
      '@grpc/grpc-js': versionOf('@grpc/grpc-js/package.json'),
      postgres,
      h2load: h2loadVersion() ?? '',
    },
  };
}

function versionOf(manifest: string): string {
  return (createRequire(import.meta.url)(manifest) as { version: string }).version;
}

/** Empty where the sources are no clone. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  try {
    return `${git('rev-parse', 'HEAD')}${git('status', '--porcelain', '--', 'src', 'test/bench') === '' ? '' : ' and changes'}`;
  } catch {
    return '';
  }
}

/** As a Markdown table with aligned columns, ready for a README. */
export function tableOf(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = [names, ...rows.map((row) => names.map((name) => textOf(row[name])))];
  const widths = names.map((_, column) => Math.max(3, ...lines.map((line) => line[column]!.length)));
  const written = lines.map((line) => join(line.map((text, column) => text.padEnd(widths[column]!))));
  return [written[0], join(widths.map((width) => '-'.repeat(width))), ...written.slice(1)].join('\n');
}

function join(cells: string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function textOf(cell: Cell | undefined): string {
  if (cell === undefined) return '';
  if (typeof cell === 'string') return cell;
  if (typeof cell === 'number') return String(rounded(cell));
  const [median, least, most] = [cell.median, cell.least, cell.most].map((ratio) => ratio.toFixed(2));
  return `${median} (${least}–${most})`;
}

/** To three digits: the others would be noise. */
function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}

/** Writes a part's rows into a file of results; other parts in it stay. */
export function save(file: string, part: string, report: Report, origin: Origin): void {
  mkdirSync(dirname(file), { recursive: true });
  const results = { ...read(file), [part]: { ...origin, ...report } };
  const text = JSON.stringify(
    results,
    (_key, value: unknown) => (typeof value === 'number' ? rounded(value) : value),
    2,
  );
  writeFileSync(file, `${text}\n`);
}

function read(file: string): object {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as object;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
