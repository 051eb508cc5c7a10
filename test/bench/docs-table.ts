/** The figures of docs/benchmarks.md, from the newest file in test/bench/results. `npm run docs` writes them; a test compares them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { writeBlocks } from '../support/generated.js';
import { tablesOf, type Origin, type Results, type Row } from './report.js';

export const BENCHMARKS = fileURLToPath(new URL('../../docs/benchmarks.md', import.meta.url));
const RESULTS = fileURLToPath(new URL('results/', import.meta.url));

const WAYS = [
  'broker',
  'step of one dock',
  'p50',
  'p50 ms',
  'docks at once',
  'whole way p50',
  'whole way p99',
  'docks/s',
  'whole way p50 ms',
  'classic p50 ms',
];

/** What of each part the page shows: ratios before figures. The rest is in the file. */
const SHOWN: Record<string, string[]> = {
  hooks: [
    'call',
    'in flight',
    'throughput',
    'p50',
    'p99',
    'throughput of a read per call',
    'p50 of a read per call',
    'CPU µs/call',
    'no-op CPU µs/call',
  ],
  binds: ['in flight', 'throughput', 'p50', 'p50 ms', 'no-op p50 ms', 'pgbench p50 ms'],
  journey: WAYS,
  live: WAYS,
  telemetry: [
    'broker',
    'osd messages',
    'publish calls per osd message',
    'authorize calls per dock',
    'beside 500 osd/s',
    'osd p50',
    'osd p99',
    'osd p99 ms',
    'without the plugin p99 ms',
  ],
  storms: [
    'storm',
    'docks',
    'docks/s',
    'half in s',
    'all in s',
    'starved',
    'refused',
    'unanswered',
    'slowest answer ms',
    'p99 to idle',
    'docks/s to no-op',
    'p99 to no-op',
  ],
  steady: [
    'docks',
    'calls/s',
    'CPU %',
    'no-op CPU %',
    'failed calls',
    'statements/s',
    'timeline statements/s',
    'heartbeats/s',
    'call',
    'p50',
    'p99',
    'p50 ms',
    'p99 ms',
  ],
  growth: ['call', 'accounts', 'p50 to the smallest', 'p50 ms'],
  footprint: [
    'start to ready ms',
    'idle CPU %',
    'idle RSS MiB',
    'warm docks',
    'RSS over idle right after MiB',
    'after a minute MiB',
    'of that in use, garbage collected, MiB',
  ],
  replicas: ['call', 'in flight', 'through', 'throughput', 'p50'],
};

/** In the order of the parts, whichever order they were measured in. */
export function docsTables(results: Results): string {
  const parts = Object.keys(SHOWN).flatMap((kind) =>
    Object.keys(results).filter((part) => kindOf(part) === kind),
  );
  const origins = new Map<string, string[]>();
  for (const part of parts) {
    const origin = originText(results[part]!);
    origins.set(origin, [...(origins.get(origin) ?? []), part]);
  }
  const measured = [...origins].map(([origin, of]) => `Measured ${origin} (${of.join(', ')}).`);
  const tables = parts.map((part) => {
    const { title, rows } = results[part]!;
    return `**${part}**: ${title}\n\n${tablesOf(rows.map((row) => shownOf(row, SHOWN[kindOf(part)]!)))}`;
  });
  return `${[...measured, ...tables].join('\n\n')}\n`;
}

/** `live` of "live EMQX 6.2.0": that part is there once for each broker. */
function kindOf(part: string): string {
  return part.split(' ')[0]!;
}

function shownOf(row: Row, names: string[]): Row {
  return Object.fromEntries(Object.entries(row).filter(([name]) => names.includes(name)));
}

function originText({ at, commit, machine, versions }: Origin): string {
  const { cpu, cores, memoryGib, system } = machine;
  const software = Object.entries(versions)
    .filter(([, version]) => version !== '')
    .map(([name, version]) => `${name} ${version}`);
  const sources = commit === '' ? '' : ` at ${commit.slice(0, 12)}${commit.slice(40)}`;
  return `${at.slice(0, 10)}${sources} on ${cpu}, ${cores} cores, ${memoryGib} GiB, ${system}; ${software.join(', ')}`;
}

/** The results in the file with the latest date for a name, if there is one. */
export function newestResults(): Results | undefined {
  const names = existsSync(RESULTS) ? readdirSync(RESULTS).filter((name) => name.endsWith('.json')) : [];
  const newest = names.sort().at(-1);
  return newest === undefined
    ? undefined
    : (JSON.parse(readFileSync(`${RESULTS}${newest}`, 'utf8')) as Results);
}

/** The block of the page; none without results. */
export function benchmarkBlocks(results: Results | undefined): Record<string, string> {
  return results === undefined ? {} : { benchmarks: docsTables(results) };
}

if (process.argv.includes('--write')) writeBlocks(BENCHMARKS, benchmarkBlocks(newestResults()));
