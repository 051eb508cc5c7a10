/**
 * `airport_organization_bind` against pgbench writing the same rows with the same statement. Each call is of another dock,
 * which h2load cannot do: what our own load takes is told by a no-op provider under it. pgbench also runs the statement on
 * a table whose changes are notified row by row, for NOTIFY holds a lock of the whole server until the commit is on disk.
 */
import { generatePassword } from '../../src/access/generate-password.js';
import { hashGenerated } from '../../src/password-hashes/index.js';
import type { Database } from '../../src/stores/database.js';
import { openStores } from '../../src/stores/stores.js';
import type { Binding } from '../../src/stores/types.js';
import { connectEmqxPool } from '../support/emqx-pool.js';
import type { TestDatabase } from '../support/postgres.js';
import type { Bench } from './bench.js';
import { drive, type Asked } from './driver.js';
import { addFleet, dockOf, fixedAnswers, isGoodReply, ORGANIZATION, requested } from './fleet.js';
import type { Run } from './h2load.js';
import { pgbench, type Statement } from './pgbench.js';
import { startHelper } from './processes.js';
import type { Report, Row } from './report.js';
import { interleave, ratioOf, spreadOf } from './statistics.js';

const MAX_DOCKS = 1000;
/** Calls of one round, for each that is in flight. */
const CALLS_IN_FLIGHT = 30;
const MIN_CALLS = 200;
/** Calls in flight, and clients of pgbench; dockhook has ten connections to Postgres. */
const IN_FLIGHT = [1, 64];

/** What is compared with pgbench running the statement. */
const SIDES = {
  dockhook: 'dockhook',
  noop: 'no-op provider',
  notifying: 'pgbench, with pg_notify in a trigger',
} as const;

export async function binds(bench: Bench): Promise<Report> {
  const docks = Math.min(MAX_DOCKS, bench.scale.docks);
  const database = await bench.database();
  await addFleet(database, docks, hashGenerated(generatePassword()));
  const plain = await bare(bench);
  const notifying = await bare(bench, NOTIFY_OF_EACH_ROW);
  const dockhook = await bench.dockhook(database.url);
  const noop = await startHelper('noop-provider.ts');
  const pools = { dockhook: connectEmqxPool(dockhook.port), noop: connectEmqxPool(noop.port) };
  const statement = await bindStatement(docks);
  const asked = Array.from({ length: docks }, (_, number): Asked => {
    const call = requested(dockOf(number), 'airport_organization_bind');
    const isRight: Asked['isRight'] = ({ message }) =>
      message !== undefined && isGoodReply('airport_organization_bind', message.payload);
    return { client: number, call, isRight };
  });
  const rows: Row[] = [];
  try {
    // Every row is there from now on, and is written anew.
    await drive(pools.dockhook, asked, 10);
    for (const { url } of [plain, notifying])
      await pgbench({ databaseUrl: url, ...statement, clients: 10, calls: docks });
    for (const answer of fixedAnswers()) await noop.tell(answer);
    await drive(pools.noop, asked, 10);
    for (const inFlight of IN_FLIGHT) {
      const calls = bench.scale.calls ?? Math.max(MIN_CALLS, CALLS_IN_FLIGHT * inFlight);
      const runs = await interleave(
        ['dockhook', 'noop', 'plain', 'notifying'],
        bench.scale.rounds,
        (side) => {
          if (side === 'dockhook' || side === 'noop')
            return drive(pools[side], repeated(asked, calls), inFlight);
          const { url } = side === 'plain' ? plain : notifying;
          return pgbench({ databaseUrl: url, ...statement, clients: inFlight, calls });
        },
      );
      for (const [side, name] of Object.entries(SIDES)) {
        rows.push({
          'in flight': inFlight,
          side: name,
          ...compared(runs[side as keyof typeof SIDES], runs.plain),
        });
      }
    }
  } finally {
    pools.dockhook.close();
    pools.noop.close();
    await dockhook.stop();
    await noop.stop();
    for (const one of [database, plain, notifying]) await one.drop();
  }
  return {
    title: 'airport_organization_bind of dock and drone against pgbench with the same statement, fsync on',
    rows,
  };
}

function repeated<T>(all: readonly T[], count: number): T[] {
  return Array.from({ length: count }, (_, index) => all[index % all.length]!);
}

function compared(ours: Run[], floor: Run[]): Row {
  const [rate, floorRate] = [ours, floor].map((runs) => runs.map(({ perSecond }) => perSecond)) as [
    number[],
    number[],
  ];
  const [p50, floorP50] = [ours, floor].map((runs) => runs.map((run) => run.p50)) as [number[], number[]];
  return {
    throughput: ratioOf(rate, floorRate),
    p50: ratioOf(p50, floorP50),
    'calls/s': spreadOf(rate),
    'pgbench/s': spreadOf(floorRate),
    'p50 ms': spreadOf(p50),
    'pgbench p50 ms': spreadOf(floorP50),
  };
}

/** What a trigger of bindings would cost that tells of each changed row, as that of accounts does. */
const NOTIFY_OF_EACH_ROW = `
CREATE FUNCTION notify_of_row() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
  PERFORM pg_catalog.pg_notify('dockhook_changes', 'bindings ' || left(encode(sha256(NEW.key::bytea), 'hex'), 50));
  RETURN NULL;
END $function$;
CREATE TRIGGER notify_of_row AFTER INSERT OR UPDATE ON public.dockhook_bindings
  FOR EACH ROW EXECUTE FUNCTION notify_of_row()`;

/** A database with the organization, and bindings without triggers of ours but this. */
async function bare(bench: Bench, trigger?: string): Promise<TestDatabase> {
  const database = await bench.database();
  await addFleet(database, 1, hashGenerated(generatePassword()));
  await database.query('ALTER TABLE public.dockhook_bindings DISABLE TRIGGER USER');
  if (trigger !== undefined) await database.query(trigger);
  return database;
}

/** The very statement that dockhook sends, for any of the docks, as pgbench runs it. */
async function bindStatement(docks: number): Promise<Pick<Statement, 'sql' | 'variables'>> {
  const sent: { sql: string; parameters: readonly unknown[] }[] = [];
  const database: Database = {
    async query(sql, parameters = []) {
      sent.push({ sql, parameters });
      return [{}];
    },
    transaction: async () => undefined,
    close: async () => undefined,
  };
  const { sn, drone } = dockOf(0);
  const bindings = [sn, drone].map((device): Binding => ({
    sn: device,
    organizationId: ORGANIZATION.id,
    callsign: 'Bench',
    modelKey: '3-1-0',
    gateway: sn,
    account: sn,
    boundAt: new Date().toISOString(),
  }));
  await openStores(database).bindings.bind(bindings);
  const { sql, parameters } = sent.find((one) => one.sql.includes('ON CONFLICT (key) DO UPDATE'))!;
  // Of dock 0, with the digits of another in place of its own.
  const [keys, texts] = parameters.map(
    (list) => `{${(list as string[]).map((text) => JSON.stringify(text)).join()}}`,
  );
  const ofAny = (variable: string): string => `replace(:${variable}, '00000000', lpad(:n::text, 8, '0'))`;
  return {
    sql: `\\set n random(0, ${docks - 1})\n${sql.replace('$1', ofAny('keys')).replace('$2', ofAny('texts'))}`,
    variables: { keys: keys!, texts: texts! },
  };
}
