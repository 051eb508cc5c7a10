/** The same calls with a hundred, ten thousand and a million accounts in Postgres. */
import { generatePassword } from '../../src/access/generate-password.js';
import { hashGenerated } from '../../src/password-hashes/index.js';
import { connectEmqxPool, type EmqxPool } from '../support/emqx-pool.js';
import type { TestDatabase } from '../support/postgres.js';
import type { Bench } from './bench.js';
import { drive, type Asked } from './driver.js';
import { addFleet, dockOf, isGoodReply, ofClient, requested } from './fleet.js';
import type { Run } from './h2load.js';
import type { Dockhook } from './processes.js';
import type { Report, Row } from './report.js';
import { interleave, ratioOf, spreadOf } from './statistics.js';

/** Accounts in the smallest table. */
const SMALLEST = 100;
const CALLS = 300;
/** Far apart, and prime to every size: each call is of another dock, all over the table. */
const STRIDE = 7919;

interface Kind {
  call: string;
  /** As many docks take turns; without, no dock asks twice, and small tables have not docks enough. */
  docks?: number;
  askedOf(number: number, password: string): Omit<Asked, 'client'>;
}

const authenticate: Kind['askedOf'] = (number, password) => ({
  call: ofClient('OnClientAuthenticate', dockOf(number), { password }),
  isRight: ({ bool_result }) => bool_result === true,
});
const bindStatus: Kind['askedOf'] = (number) => ({
  call: requested(dockOf(number), 'airport_bind_status'),
  isRight: ({ message }) => message !== undefined && isGoodReply('airport_bind_status', message.payload),
});

/** First those that no dock has asked anything before: what dockhook remembers must not help them. */
const KINDS: Kind[] = [
  { call: 'client.authenticate, first time', askedOf: authenticate },
  { call: 'client.authenticate, again', docks: SMALLEST, askedOf: authenticate },
  { call: 'airport_bind_status', docks: SMALLEST, askedOf: bindStatus },
];

interface Grown {
  accounts: number;
  database: TestDatabase;
  dockhook: Dockhook;
  pool: EmqxPool;
}

export async function growth(bench: Bench): Promise<Report> {
  const sizes = [SMALLEST, bench.scale.docks, bench.scale.docks * 100];
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
    for (const { call, docks, askedOf } of KINDS) {
      const rounds = bench.scale.rounds;
      const perRound = bench.scale.calls ?? CALLS;
      // One round more than is measured: the compiler must have seen the code.
      const needed = docks ?? perRound * (rounds + 1);
      const sides = [...grown.keys()];
      // The others take part all the same, so that all servers have been asked as much.
      const compared = sides.filter((size) => Number(size) >= needed);
      const asked = new Map<string, number>();
      const measure = async (size: string): Promise<Run> => {
        const { accounts, pool } = grown.get(size)!;
        const from = asked.get(size) ?? 0;
        asked.set(size, from + perRound);
        const calls = Array.from({ length: perRound }, (_, index): Asked => {
          const number = (((from + index) % (docks ?? accounts)) * STRIDE) % accounts;
          return { client: number, ...askedOf(number, password) };
        });
        return drive(pool, calls, 1);
      };
      for (const size of sides) await measure(size);
      const measured = await interleave(sides, rounds, measure);
      const p50 = (size: string): number[] => measured[size]!.map((run) => run.p50);
      for (const size of compared) {
        rows.push({
          call,
          accounts: Number(size),
          'p50 to the smallest': ratioOf(p50(size), p50(compared[0]!)),
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
  return { title: 'one call at a time, by the number of accounts in Postgres', rows };
}
