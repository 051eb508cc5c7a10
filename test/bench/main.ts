/**
 * `npm run bench [-- PART…]`: measures dockhook against floors from the same run, prints tables, and writes JSON to
 * `test/bench/results/DATE.json`. Ratios are the claim: absolute figures are the machine's.
 */
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startPostgres } from '../support/postgres.js';
import { benchOn, FULL, SMOKE, type Bench } from './bench.js';
import { binds } from './binds.js';
import { floods } from './floods.js';
import { footprint } from './footprint.js';
import { growth } from './growth.js';
import { h2loadVersion } from './h2load.js';
import { hooks } from './hooks.js';
import { journey } from './journey.js';
import { live, type Live } from './live.js';
import { originNow, save, tablesOf, type Report } from './report.js';
import { refusals } from './refusals.js';
import { replicas } from './replicas.js';
import { steady } from './steady.js';
import { storms } from './storms.js';
import { telemetry } from './telemetry.js';

const PARTS: Record<string, (bench: Bench) => Promise<Report>> = {
  hooks,
  binds,
  journey,
  live,
  telemetry,
  storms,
  steady,
  growth,
  floods,
  footprint,
  replicas,
  refusals,
};
/** Run without being named: under five minutes together. */
const DEFAULT_PARTS = ['hooks', 'binds', 'journey', 'telemetry'];

const OPTIONS = {
  /** JSON file to write to. */
  out: { type: 'string' },
  /** Tiny counts: shows that the benchmark works, and measures nothing. */
  smoke: { type: 'boolean', default: false },
  /** Number of docks in a storm; `growth` goes to a hundred times as many accounts. */
  docks: { type: 'string' },
  rounds: { type: 'string' },
  /** Of the hooks, only those with this in their name. */
  only: { type: 'string' },
  /** Of `live`: see there. */
  ours: { type: 'string' },
  classic: { type: 'string' },
  'ours-database': { type: 'string' },
  'classic-database': { type: 'string' },
  broker: { type: 'string' },
  /** Directory for CPU profiles of dockhook, to be opened in Chrome's developer tools. */
  'cpu-prof': { type: 'string' },
} as const;

const { values, positionals } = readArguments();
const parts = positionals.length > 0 ? positionals : DEFAULT_PARTS;
if (h2loadVersion() === undefined) {
  console.error('h2load is not installed: apt-get install nghttp2-client');
  process.exit(1);
}

const scale = { ...(values.smoke ? SMOKE : FULL) };
if (values.docks !== undefined) scale.docks = positive(values.docks);
if (values.rounds !== undefined) scale.rounds = positive(values.rounds);
const liveBrokers = parts.includes('live') ? readLive() : undefined;
const today = new Date().toISOString().slice(0, 10);
const out = values.out ?? fileURLToPath(new URL(`results/${today}.json`, import.meta.url));

// So that what was started ends with this process.
process.once('SIGINT', () => process.exit(130));
// As a Postgres that keeps what it acknowledged: a bind must be on disk before its reply exists.
const postgres = await startPostgres(tmpdir(), { fsync: 'on', wal_writer_delay: '200ms' });
try {
  const [row] = await postgres.query('SHOW server_version');
  const bench = benchOn(postgres, scale, {
    only: values.only,
    profile: values['cpu-prof'],
    live: liveBrokers,
  });
  for (const part of parts) {
    const origin = originNow(String(row?.['server_version']));
    console.error(`measuring ${part} …`);
    const report = await PARTS[part]!(bench);
    console.log(`\n${part}: ${report.title}\n\n${tablesOf(report.rows)}`);
    // Two versions of a broker stand beside each other.
    save(out, part === 'live' ? `live ${liveBrokers!.broker}` : part, report, origin);
  }
  console.log(`\nwritten to ${out}`);
} finally {
  await postgres.stop();
}

function readArguments() {
  try {
    const read = parseArgs({ allowPositionals: true, options: OPTIONS });
    const unknown = read.positionals.find((part) => !(part in PARTS));
    if (unknown !== undefined) refuse(`there is no part "${unknown}"`);
    return read;
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function readLive(): Live {
  const { ours, classic, broker } = values;
  const [oursDatabase, classicDatabase] = [values['ours-database'], values['classic-database']];
  if (!(ours && classic && broker && oursDatabase && classicDatabase))
    return refuse(
      'live needs --ours, --classic, --ours-database, --classic-database (URLs) and --broker (its name and version)',
    );
  return { ours, classic, oursDatabase, classicDatabase, broker };
}

function positive(text: string): number {
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : refuse(`"${text}" is not a number of something`);
}

function refuse(why: string): never {
  const options = Object.keys(OPTIONS).map((name) => `--${name}`);
  console.error(`${why}\nparts: ${Object.keys(PARTS).join(', ')}\noptions: ${options.join(', ')}`);
  process.exit(2);
}
