/**
 * What a fleet costs all day, when nothing changes: 10,000 docks whose topics EMQX asks about once a minute, two
 * reconnects a second, and each dock's request every ten minutes. dockhook beside a provider that does nothing, under the
 * same calls; and what PostgreSQL is asked meanwhile.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { tmpdir } from 'node:os';
import { generatePassword } from '../../src/access/generate-password.js';
import { hookProvider } from '../../src/exhook/proto.js';
import { hashGenerated } from '../../src/password-hashes/index.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import { connectEmqxPool } from '../support/emqx-pool.js';
import { frame, unframe } from '../support/grpc.js';
import { freshDatabase, startPostgres, type TestDatabase, type TestPostgres } from '../support/postgres.js';
import { recordings } from '../support/recordings.js';
import type { Bench } from './bench.js';
import { addFleet, dockOf, fixedAnswers, ORGANIZATION } from './fleet.js';
import { startHelper, type Helper, type Measured } from './processes.js';
import type { Report, Row } from './report.js';
import { interleave, quantile, ratioOf, spreadOf } from './statistics.js';
import type { Steady, Told } from './steady-load.js';

/** EMQX's cache period as we ship it, and how long a turn lasts. A smoke test lives a minute in a second. */
const MINUTE = 60;
const TURN_SECONDS = 60;
const MOST_ROUNDS = 2;
/** Of each dock. */
const SECONDS_BETWEEN_REQUESTS = 600;
const DOCKS_PER_RECONNECT = 5000;
/** What a turn, or a start, leaves to be done is done by then, in milliseconds. */
const REST_MS = 2000;

/** Statements in a second. */
interface Statements {
  /** To see that changes are still heard. */
  heartbeat: number;
  timeline: number;
  /** All others: what the calls cost. */
  others: number;
}

interface Turn extends Told {
  /** Of the provider. */
  providerCpuMs: number;
  statements: Statements;
}

export async function steady(bench: Bench): Promise<Report> {
  // Counts statements, which takes some time of each: not for the other parts.
  const postgres = await startPostgres(tmpdir(), {
    fsync: 'on',
    wal_writer_delay: '200ms',
    shared_preload_libraries: 'pg_stat_statements',
  });
  try {
    await postgres.query('CREATE EXTENSION pg_stat_statements');
    const database = await freshDatabase(postgres);
    return {
      title: 'a fleet of which nothing changes, all day',
      rows: await measure(bench, postgres, database),
    };
  } finally {
    await postgres.stop();
  }
}

async function measure(bench: Bench, postgres: TestPostgres, database: TestDatabase): Promise<Row[]> {
  const { docks, rounds } = bench.scale;
  const password = generatePassword();
  await addFleet(database, docks, hashGenerated(password));
  await bindAll(database, docks);
  const dockhook = await bench.dockhook(database.url);
  const noop = await startHelper('noop-provider.ts');
  for (const answer of fixedAnswers()) await noop.tell(answer);
  const load = (port: number): Promise<Helper> => startHelper('steady-load.ts', [String(port), password]);
  const sides = {
    dockhook: { provider: dockhook as Measured, load: await load(dockhook.port) },
    noop: { provider: noop as Measured, load: await load(noop.port) },
  };
  const isSmoke = bench.scale.calls !== undefined;
  const pace = isSmoke ? MINUTE : 1;
  const day: Steady = {
    docks,
    seconds: TURN_SECONDS / pace,
    periodSeconds: MINUTE / pace,
    requestsPerSecond: (docks / SECONDS_BETWEEN_REQUESTS) * pace,
    reconnectsPerSecond: (docks / DOCKS_PER_RECONNECT) * pace,
    hooks: await mountedHooks(dockhook.port),
  };
  const takeTurn = async (side: keyof typeof sides): Promise<Turn> => {
    const { provider, load } = sides[side];
    await pause(isSmoke ? 0 : REST_MS);
    await postgres.query('SELECT pg_stat_statements_reset()');
    const before = provider.cpuMs();
    const told = (await load.tell(day)) as Told;
    const providerCpuMs = provider.cpuMs() - before;
    const statements = await statementsIn(postgres, database, told.seconds);
    bench.progress(`${side}: ${(providerCpuMs / told.seconds / 10).toFixed(1)} % of a core`);
    if (side === 'dockhook') bench.progress(`most often: ${await mostFrequent(postgres, told.seconds)}`);
    return { ...told, providerCpuMs, statements };
  };
  try {
    for (const { load } of Object.values(sides)) await load.tell({ meet: docks });
    const turns = await interleave(['dockhook', 'noop'], Math.min(rounds, MOST_ROUNDS), takeTurn);
    return [costRow(docks, turns), ...callRows(turns)];
  } finally {
    for (const { provider, load } of Object.values(sides)) {
      await load.stop();
      await provider.stop();
    }
  }
}

/** Binds each dock and its drone: one pair as dockhook does it, the others in its image. */
async function bindAll({ url, query }: TestDatabase, docks: number): Promise<void> {
  const stores = openStores(connectPostgres(url));
  const { sn, drone } = dockOf(0);
  await stores.bindings.bind(
    [sn, drone].map((one) => ({
      sn: one,
      organizationId: ORGANIZATION.id,
      callsign: 'Bench',
      modelKey: '3-1-0',
      gateway: sn,
      account: sn,
      boundAt: new Date().toISOString(),
    })),
  );
  await stores.close();
  await query(
    `INSERT INTO public.dockhook_bindings (key, value)
     SELECT replace(key, '00000000', digits), replace(value, '00000000', digits)
     FROM public.dockhook_bindings, (SELECT lpad(n::text, 8, '0') AS digits FROM generate_series(1, $1::int) AS n) AS docks`,
    [docks - 1],
  );
  await query('VACUUM (ANALYZE) public.dockhook_bindings');
}

/** What dockhook asks of a broker of today. */
async function mountedHooks(port: number): Promise<string[]> {
  const method = 'OnProviderLoaded';
  const pool = connectEmqxPool(port);
  const asked = recordings('v3').find((recording) => recording.method === method)!;
  const answer = unframe(await pool.send(0, method, frame(asked.bytes)));
  pool.close();
  const { hooks } = hookProvider('v3')[method]!.responseDeserialize(answer) as { hooks: { name: string }[] };
  return hooks.map(({ name }) => name);
}

/** Those of all clients of the database since the last reset. */
async function statementsIn(
  postgres: TestPostgres,
  { url }: TestDatabase,
  seconds: number,
): Promise<Statements> {
  const rows = await postgres.query(
    `SELECT CASE WHEN query LIKE '%pg_listening_channels%' THEN 'heartbeat'
       WHEN query LIKE '%dockhook_timeline%' THEN 'timeline' ELSE 'others' END AS kind, sum(calls)::float AS calls
     FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid WHERE datname = $1 GROUP BY kind`,
    [new URL(url).pathname.slice(1)],
  );
  const perSecond = (kind: string): number =>
    Number(rows.find((row) => row['kind'] === kind)?.['calls'] ?? 0) / seconds;
  return {
    heartbeat: perSecond('heartbeat'),
    timeline: perSecond('timeline'),
    others: perSecond('others'),
  };
}

/** The statements that come most often, for whoever wants fewer. */
async function mostFrequent(postgres: TestPostgres, seconds: number): Promise<string> {
  const rows = await postgres.query(
    `SELECT calls::float AS calls, left(regexp_replace(query, '\\s+', ' ', 'g'), 90) AS text
     FROM pg_stat_statements ORDER BY calls DESC LIMIT 3`,
  );
  return rows
    .map((row) => `${(Number(row['calls']) / seconds).toFixed(1)}/s ${String(row['text'])}`)
    .join('; ');
}

type Turns = Record<'dockhook' | 'noop', Turn[]>;

function costRow(docks: number, { dockhook, noop }: Turns): Row {
  const cpu = (turns: Turn[]) => spreadOf(turns.map((turn) => turn.providerCpuMs / turn.seconds / 10));
  const of = (value: (turn: Turn) => number) => spreadOf(dockhook.map(value));
  return {
    docks,
    'calls/s': of(({ took, seconds }) => Object.values(took).flat().length / seconds),
    'CPU %': cpu(dockhook),
    'no-op CPU %': cpu(noop),
    'failed calls': Math.max(...dockhook.map(({ failed }) => failed)),
    'load CPU %': of((turn) => turn.cpuMs / turn.seconds / 10),
    'statements/s': of(({ statements }) => statements.others),
    'timeline statements/s': of(({ statements }) => statements.timeline),
    'heartbeats/s': of(({ statements }) => statements.heartbeat),
  };
}

function callRows({ dockhook, noop }: Turns): Row[] {
  const [{ took: all }] = dockhook as [Turn];
  const calls = Object.keys(all).filter((call) => all[call]!.length > 0);
  return calls.map((call) => {
    const of = (turns: Turn[], share: number): number[] =>
      turns.map(({ took }) => quantile(took[call]!, share));
    return {
      call,
      'calls/s': spreadOf(dockhook.map(({ took, seconds }) => took[call]!.length / seconds)),
      p50: ratioOf(of(dockhook, 0.5), of(noop, 0.5)),
      p99: ratioOf(of(dockhook, 0.99), of(noop, 0.99)),
      'p50 ms': spreadOf(of(dockhook, 0.5)),
      'no-op p50 ms': spreadOf(of(noop, 0.5)),
      'p99 ms': spreadOf(of(dockhook, 0.99)),
      'no-op p99 ms': spreadOf(of(noop, 0.99)),
    };
  });
}
