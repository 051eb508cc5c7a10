/** The same calls with a hundred, ten thousand and a million accounts in Postgres. */
import { generatePassword, hashGenerated } from '../../src/access/passwords.js';
import { connectEmqxPool, type EmqxPool } from '../support/emqx-pool.js';
import type { TestDatabase } from '../support/postgres.js';
import type { Bench } from './bench.js';
import { drive, type Asked } from './driver.js';
import { addFleet, dockOf, isGoodReply, ofClient, requested } from './fleet.js';
import type { Run } from './h2load.js';
import type { Dockhook } from './processes.js';
import type { Report, Row } from './report.js';
import { interleave, ratioOf, spreadOf } from './statistics.js';

const CALLS = 500;
/** Far apart, and prime to every size: each call is of another dock, all over the table. */
const STRIDE = 7919;

const KINDS: Record<string, (number: number, password: string) => Omit<Asked, 'client'>> = {
  'client.authenticate': (number, password) => ({
    call: ofClient('OnClientAuthenticate', dockOf(number), { password }),
    isRight: ({ bool_result }) => bool_result === true,
  }),
  airport_bind_status: (number) => ({
    call: requested(dockOf(number), 'airport_bind_status'),
    isRight: ({ message }) => message !== undefined && isGoodReply('airport_bind_status', message.payload),
  }),
};

interface Grown {
  accounts: number;
  database: TestDatabase;
  dockhook: Dockhook;
  pool: EmqxPool;
}

export async function growth(bench: Bench): Promise<Report> {
  const sizes = [100, bench.scale.docks, bench.scale.docks * 100];
  const password = generatePassword();
  const grown = new Map<string, Grown>();
  const rows: Row[] = [];
  try {
    for (const accounts of sizes) {
      const database = await bench.database();
      await addFleet(database, accounts, hashGenerated(password));
      bench.progress(`${accounts} accounts written`);
      const dockhook = await bench.dockhook(database.url);
      grown.set(String(accounts), { accounts, database, dockhook, pool: connectEmqxPool(dockhook.port) });
    }
    for (const [name, kind] of Object.entries(KINDS)) {
      let asked = 0;
      const measure = async (size: string): Promise<Run> => {
        const { accounts, pool } = grown.get(size)!;
        const calls = Array.from({ length: bench.scale.calls ?? CALLS }, (): Asked => {
          const number = (asked++ * STRIDE) % accounts;
          return { client: number, ...kind(number, password) };
        });
        return drive(pool, calls, 1);
      };
      const names = [...grown.keys()];
      for (const size of names) await measure(size);
      const measured = await interleave(names, bench.scale.rounds, measure);
      const p50 = (size: string): number[] => measured[size]!.map((run) => run.p50);
      for (const size of names) {
        rows.push({
          call: name,
          accounts: Number(size),
          [`p50 to ${names[0]!}`]: ratioOf(p50(size), p50(names[0]!)),
          'p50 ms': spreadOf(p50(size)),
        });
      }
    }
  } finally {
    for (const { database, dockhook, pool } of grown.values()) {
      pool.close();
      await dockhook.stop();
      await database.drop();
    }
  }
  return { title: 'one call at a time, each of another account', rows };
}
