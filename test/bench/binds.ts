/**
 * `airport_organization_bind` against pgbench writing the same row with the same statement. Each call is of another dock,
 * which h2load cannot do: what our own load takes is told by a no-op provider under it.
 */
import { generatePassword } from '../../src/access/generate-password.js';
import { hashGenerated } from '../../src/password-hashes/index.js';
import type { Database } from '../../src/stores/database.js';
import { openStores } from '../../src/stores/stores.js';
import type { Binding } from '../../src/stores/types.js';
import { connectEmqxPool } from '../support/emqx-pool.js';
import type { Bench } from './bench.js';
import { drive, type Asked } from './driver.js';
import { addFleet, dockOf, fixedAnswers, isGoodReply, ORGANIZATION, requested } from './fleet.js';
import { pgbench } from './pgbench.js';
import { startHelper } from './processes.js';
import type { Report, Row } from './report.js';
import { interleave, ratioOf, spreadOf } from './statistics.js';

const MAX_DOCKS = 1000;
/** Calls of one round, for each that is in flight. */
const CALLS_IN_FLIGHT = 100;
/** Calls in flight, and clients of pgbench: dockhook has ten connections to Postgres. */
const IN_FLIGHT = [1, 10];

export async function binds(bench: Bench): Promise<Report> {
  const docks = Math.min(MAX_DOCKS, bench.scale.docks);
  const database = await bench.database();
  await addFleet(database, docks, hashGenerated(generatePassword()));
  const dockhook = await bench.dockhook(database.url);
  const noop = await startHelper('noop-provider.ts');
  const pools = { dockhook: connectEmqxPool(dockhook.port), noop: connectEmqxPool(noop.port) };
  const { sql, value } = await bindStatement();
  // Any of the docks, as the driver takes them; each is its own gateway.
  const key = "'BENCH' || lpad(:n, 8, '0')";
  const text = `replace(:value, '${dockOf(0).sn}', ${key})`;
  const script = `\\set n random(0, ${docks - 1})\n${sql.replace('$1', key).replace('$2', text)}`;
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
    for (const answer of fixedAnswers()) await noop.tell(answer);
    await drive(pools.noop, asked, 10);
    for (const inFlight of IN_FLIGHT) {
      const calls = bench.scale.calls ?? CALLS_IN_FLIGHT * inFlight;
      const {
        dockhook: ours,
        noop: load,
        pgbench: floor,
      } = await interleave(['dockhook', 'noop', 'pgbench'], bench.scale.rounds, (side) =>
        side === 'pgbench'
          ? pgbench({
              databaseUrl: database.url,
              sql: script,
              variables: { value },
              clients: inFlight,
              calls,
            })
          : drive(pools[side], asked.slice(0, calls), inFlight),
      );
      rows.push({
        'in flight': inFlight,
        throughput: ratioOf(
          ours.map(({ perSecond }) => perSecond),
          floor.map(({ perSecond }) => perSecond),
        ),
        p50: ratioOf(
          ours.map(({ p50 }) => p50),
          floor.map(({ p50 }) => p50),
        ),
        'binds/s': spreadOf(ours.map(({ perSecond }) => perSecond)),
        'pgbench/s': spreadOf(floor.map(({ perSecond }) => perSecond)),
        'p50 ms': spreadOf(ours.map(({ p50 }) => p50)),
        'no-op p50 ms': spreadOf(load.map(({ p50 }) => p50)),
        'pgbench p50 ms': spreadOf(floor.map(({ p50 }) => p50)),
      });
    }
  } finally {
    pools.dockhook.close();
    pools.noop.close();
    await dockhook.stop();
    await noop.stop();
    await database.drop();
  }
  return { title: 'airport_organization_bind against pgbench with the same statement, fsync on', rows };
}

/** The very statement that dockhook sends, with a row's text. */
async function bindStatement(): Promise<{ sql: string; value: string }> {
  const sent: { sql: string; parameters: readonly unknown[] }[] = [];
  const database: Database = {
    async query(sql, parameters = []) {
      sent.push({ sql, parameters });
      return [{}];
    },
    transaction: async () => undefined,
    close: async () => undefined,
  };
  const { sn } = dockOf(0);
  const binding: Binding = {
    sn,
    organizationId: ORGANIZATION.id,
    callsign: 'Bench',
    modelKey: '3-1-0',
    gateway: sn,
    boundAt: new Date().toISOString(),
  };
  await openStores(database).bindings.bind(binding);
  const { sql, parameters } = sent.at(-1)!;
  return { sql, value: String(parameters[1]) };
}
