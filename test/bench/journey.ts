/**
 * What a dock waits for: its whole way in, through a broker that asks dockhook, against a broker of the same kind in the
 * classic design (its own password and ACL files, and `classic.ts` beside it).
 *
 * What makes both sides alike: the same docks with the same password, new to both databases at each way, for a bind that
 * is there already costs less. Two databases of one server that waits for its disk, so that neither pays for the other's
 * triggers. Each dock has connected once before, so that dockhook knows its account, as it does in daily work. Between two
 * turns both rest until what the turn left behind (dockhook writes its timeline once a second) is done.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { generatePassword } from '../../src/access/generate-password.js';
import { hashGenerated } from '../../src/password-hashes/index.js';
import type { Bench, Scale } from './bench.js';
import { brokerKinds, type BrokerKind } from './brokers.js';
import { BACKEND, writeAccessFiles } from './classic-rules.js';
import { addFleet, dockOf } from './fleet.js';
import { startHelper, type Measured } from './processes.js';
import type { Report, Row } from './report.js';
import { interleave, quantile, ratioOf, spreadOf, sum, type Ratio } from './statistics.js';
import { connectDock, goWholeWay, STEPS, type KnownDock, type OnlineDock, type Way } from './way.js';

/** How many docks set out at once, and how often in each turn. */
const CROWDS = [
  { docks: 1, times: 40 },
  { docks: 16, times: 4 },
  { docks: 64, times: 3 },
];
/** Longer than dockhook waits before it writes its timeline, in milliseconds. */
const REST_MS = 1200;
/** So many docks connect at a time before anything is measured. */
const FIRST_CONNECTS = 16;

interface Crowd {
  docks: number;
  times: number;
}

/** The URLs of two brokers; each knows all docks. */
export type Sides = Record<'ours' | 'classic', string>;

export async function journey(bench: Bench): Promise<Report> {
  const rows: Row[] = [];
  for (const [broker, kind] of Object.entries(brokerKinds())) {
    rows.push(...(await onKind(kind, bench)).map((row) => ({ broker, ...row })));
  }
  return { title: TITLE, rows };
}

export const TITLE =
  'the whole way of a dock, with dockhook against a client beside a broker of the same kind';

async function onKind(kind: BrokerKind, bench: Bench): Promise<Row[]> {
  const password = generatePassword();
  const docks = Array.from({ length: docksNeeded(bench.scale) }, (_, number) => ({
    ...dockOf(number),
    password,
  }));
  const files = writeAccessFiles(
    docks.map(({ sn }) => sn),
    password,
  );
  const databases = { ours: await bench.database(), classic: await bench.database() };
  try {
    await addFleet(databases.ours, docks.length, hashGenerated(password));
    const dockhook = await bench.dockhook(databases.ours.url);
    const brokers = {
      ours: await kind.asking(`127.0.0.1:${dockhook.port}`),
      classic: await kind.classic(files),
    };
    const classicUrl = `mqtt://127.0.0.1:${brokers.classic.port}`;
    const backend = await startClassicClient(classicUrl, password, databases.classic.url);
    try {
      return await compareWays(
        { ours: `mqtt://127.0.0.1:${brokers.ours.port}`, classic: classicUrl },
        docks,
        bench.scale,
      );
    } finally {
      for (const process of [backend, brokers.ours, brokers.classic, dockhook]) await process.stop();
    }
  } finally {
    files.remove();
    for (const database of Object.values(databases)) await database.drop();
  }
}

/** The classic design's client, at its broker. Resolves when it answers. */
export async function startClassicClient(
  url: string,
  password: string,
  databaseUrl: string,
): Promise<Measured> {
  const withAccount = new URL(url);
  withAccount.username = BACKEND;
  withAccount.password = password;
  return startHelper('classic.ts', [withAccount.href, databaseUrl]);
}

/** One turn more than is measured: the compilers must have seen the code. */
export function docksNeeded(scale: Scale): number {
  return sum(crowdsOf(scale).map(({ docks, times }) => docks * times)) * (scale.rounds + 1);
}

function crowdsOf({ docks: most, calls }: Scale): Crowd[] {
  const crowds = CROWDS.filter(({ docks }) => docks <= most);
  return calls === undefined ? crowds : crowds.map(({ docks }) => ({ docks, times: 1 }));
}

/**
 * Both sides take the same docks, each once, in turns.
 * @returns a row for each step of a lone dock, and one for each crowd
 */
export async function compareWays(sides: Sides, docks: readonly KnownDock[], scale: Scale): Promise<Row[]> {
  const crowds = crowdsOf(scale);
  for (const url of Object.values(sides)) await connectAllOnce(url, docks);
  const next = { ours: 0, classic: 0 };
  const takeTurn = async (side: keyof Sides): Promise<Gone[]> => {
    const gone: Gone[] = [];
    for (const crowd of crowds) {
      const from = next[side];
      next[side] += crowd.docks * crowd.times;
      gone.push(await send(sides[side], docks.slice(from, next[side]), crowd.docks));
    }
    await pause(scale.calls === undefined ? REST_MS : 0);
    return gone;
  };
  await takeTurn('ours');
  await takeTurn('classic');
  const { ours, classic } = await interleave(['ours', 'classic'], scale.rounds, takeTurn);
  return [...stepRows(ours, classic), ...crowds.map((crowd, index) => crowdRow(crowd, index, ours, classic))];
}

async function connectAllOnce(url: string, docks: readonly KnownDock[]): Promise<void> {
  const rest = docks.values();
  const work = async (): Promise<void> => {
    for (const dock of rest) await (await connectDock(url, dock)).client.close();
  };
  await Promise.all(Array.from({ length: FIRST_CONNECTS }, work));
}

/** Of one crowd in one turn. */
interface Gone {
  ways: Way[];
  /** How many docks were through in a second, each time. */
  perSecond: number[];
}

/** So many at once, again and again until all were there. */
async function send(url: string, docks: readonly KnownDock[], atOnce: number): Promise<Gone> {
  const gone: Gone = { ways: [], perSecond: [] };
  const online: OnlineDock[] = [];
  for (let from = 0; from < docks.length; from += atOnce) {
    const began = performance.now();
    const crowd = docks.slice(from, from + atOnce);
    const arrived = await Promise.all(crowd.map((dock) => goWholeWay(url, dock)));
    gone.perSecond.push((crowd.length * 1000) / (performance.now() - began));
    gone.ways.push(...arrived.map(({ way }) => way));
    online.push(...arrived.map((one) => one.online));
  }
  // Not before: docks do not leave while others come.
  await Promise.all(online.map(({ client }) => client.close()));
  return gone;
}

function stepRows(ours: Gone[][], classic: Gone[][]): Row[] {
  return STEPS.map((step, index) => {
    const p50 = (turns: Gone[][]): number[] =>
      turns.map(([lone]) =>
        quantile(
          lone!.ways.map((way) => way[index]!),
          0.5,
        ),
      );
    return {
      'step of one dock': step,
      p50: ratioOf(p50(ours), p50(classic)),
      'p50 ms': spreadOf(p50(ours)),
      'classic p50 ms': spreadOf(p50(classic)),
    };
  });
}

function crowdRow({ docks }: Crowd, index: number, ours: Gone[][], classic: Gone[][]): Row {
  const whole = (turns: Gone[][], share: number): number[] =>
    turns.map((crowds) => quantile(crowds[index]!.ways.map(sum), share));
  const perSecond = (turns: Gone[][]): number[] =>
    turns.map((crowds) => quantile(crowds[index]!.perSecond, 0.5));
  const ratio = (of: (turns: Gone[][]) => number[]): Ratio => ratioOf(of(ours), of(classic));
  return {
    'docks at once': docks,
    'whole way p50': ratio((turns) => whole(turns, 0.5)),
    'whole way p99': ratio((turns) => whole(turns, 0.99)),
    'docks/s': ratio(perSecond),
    'whole way p50 ms': spreadOf(whole(ours, 0.5)),
    'classic p50 ms': spreadOf(whole(classic, 0.5)),
    'whole way p99 ms': spreadOf(whole(ours, 0.99)),
    'classic p99 ms': spreadOf(whole(classic, 0.99)),
    'ours docks/s': spreadOf(perSecond(ours)),
    'classic docks/s': spreadOf(perSecond(classic)),
  };
}
