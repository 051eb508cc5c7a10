/**
 * Whether the time of a refusal tells that there is such an account. An unknown name and a known one with a wrong
 * password are sent at the same moment, over and over, each first in turn. A z beyond 3 or so tells them apart.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { hash as bcrypt } from '@node-rs/bcrypt';
import { generatePassword } from '../../src/access/generate-password.js';
import { hashChosen, hashGenerated } from '../../src/password-hashes/index.js';
import { serviceName } from '../../src/exhook/proto.js';
import { connectGrpc, unframe, type GrpcConnection } from '../support/grpc.js';
import type { Bench } from './bench.js';
import { addAccounts, addFleet, bodyOf, dockOf, ofClient } from './fleet.js';
import type { Report, Row } from './report.js';
import { median, sum } from './statistics.js';

const PAIRS = 480;
/** Between two pairs: a slow hash of each fits in on one core. */
const GAP_MS = 60;
/** STOP_AND_RETURN with false. */
const NO = '08021800';

export async function refusals(bench: Bench): Promise<Report> {
  const pairs = bench.scale.calls ?? PAIRS;
  const database = await bench.database();
  const password = generatePassword();
  // Each pair has an account of its own but for the first kind: nobody is throttled, and none is in memory.
  const kinds: { name: string; from: number; passwordHash: string; isOne?: boolean }[] = [
    { name: 'generated password, in memory', from: 1, passwordHash: hashGenerated(password), isOne: true },
    { name: 'generated password, not in memory', from: 10_000, passwordHash: hashGenerated(password) },
    { name: 'chosen password', from: 20_000, passwordHash: await hashChosen(password) },
    { name: 'imported password (bcrypt)', from: 30_000, passwordHash: await bcrypt(password, 10) },
  ];
  await addFleet(database, 1, hashGenerated(password));
  for (const { from, passwordHash } of kinds)
    await addAccounts(database, { from, count: pairs, passwordHash });
  const dockhook = await bench.dockhook(database.url);
  const address = { host: '127.0.0.1', port: dockhook.port };
  const connections = [connectGrpc(address), connectGrpc(address)] as const;
  const rows: Row[] = [];
  try {
    await refuse(connections[0], 1);
    let unknown = 1_000_000;
    for (const { name, from, isOne } of kinds) {
      if (!name.includes(bench.only)) continue;
      bench.progress(name);
      const later: Promise<number>[] = [];
      for (let pair = 0; pair < pairs; pair += 1) {
        const known = isOne ? from : from + pair;
        later.push(
          differenceOf(connections, { known, unknown: (unknown += 1), isKnownFirst: pair % 2 === 0 }),
        );
        await pause(GAP_MS);
      }
      const differences = await Promise.all(later);
      rows.push({
        'beside an unknown name': name,
        pairs,
        'later by ms': median(differences),
        z: signedRankOf(differences),
        'answered first %': (differences.filter((difference) => difference < 0).length / pairs) * 100,
      });
    }
  } finally {
    for (const connection of connections) connection.close();
    await dockhook.stop();
    await database.drop();
  }
  return { title: 'refusals of known accounts beside those of unknown names', rows };
}

/** How much later the known account is refused, in milliseconds. */
async function differenceOf(
  [one, other]: readonly [GrpcConnection, GrpcConnection],
  { known, unknown, isKnownFirst }: { known: number; unknown: number; isKnownFirst: boolean },
): Promise<number> {
  const [first, second] = isKnownFirst ? [known, unknown] : [unknown, known];
  const [a, b] = await Promise.all([refuse(one, first), refuse(other, second)]);
  return isKnownFirst ? a - b : b - a;
}

/** How long a refusal takes, in milliseconds. */
async function refuse(connection: GrpcConnection, dock: number): Promise<number> {
  const { method, request } = ofClient('OnClientAuthenticate', dockOf(dock), { password: 'wrong' });
  const body = bodyOf({ method, request });
  const start = performance.now();
  const answer = await connection.call(`/${serviceName('v3')}/${method}`, body);
  const took = performance.now() - start;
  if (unframe(answer.body).toString('hex') !== NO) throw new Error('it was not refused');
  return took;
}

/**
 * Wilcoxon's signed ranks, as a z that is normally distributed if nothing is told: a busy machine holds some answers
 * up for long, and would hide the rest from a mean.
 */
function signedRankOf(differences: readonly number[]): number {
  const ranked = differences.toSorted((a, b) => Math.abs(a) - Math.abs(b));
  const n = ranked.length;
  const later = sum(ranked.map((difference, index) => (difference > 0 ? index + 1 : 0)));
  return (later - (n * (n + 1)) / 4) / Math.sqrt((n * (n + 1) * (2 * n + 1)) / 24);
}
