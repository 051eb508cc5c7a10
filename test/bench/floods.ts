/**
 * One account that floods, while the docks of others go on asking: how much longer do those wait? Beside it stands the
 * same flood on a no-op provider, which answers all at once: what is left is the stack's and the machine's.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { generatePassword } from '../../src/access/generate-password.js';
import { hashGenerated } from '../../src/password-hashes/index.js';
import type { Bench } from './bench.js';
import { addFleet, fixedAnswers } from './fleet.js';
import { FLOODS, type Flooded } from './flooder.js';
import type { Probed } from './probe.js';
import { startHelper, type Helper } from './processes.js';
import type { Report, Row } from './report.js';
import { ratioOf, spreadOf, sum } from './statistics.js';

/** The docks of the others; see `probe.ts`. */
const OTHERS = { first: 1, count: 20 };
/** How long one flood lasts, in parts of a benchmark's usual time. */
const LASTS = 10;

interface Flood {
  /** Just before. */
  idle: Probed;
  during: Probed;
  flooded: Flooded;
  seconds: number;
}

export async function floods(bench: Bench): Promise<Report> {
  const database = await bench.database();
  await addFleet(database, OTHERS.first + OTHERS.count, hashGenerated(generatePassword()));
  const dockhook = await bench.dockhook(database.url);
  const noop = await startHelper('noop-provider.ts');
  for (const answer of fixedAnswers()) await noop.tell(answer);
  const helpersOf = async (port: number) => ({
    probe: await startHelper('probe.ts', [String(port), String(OTHERS.first)]),
    flooder: await startHelper('flooder.ts', [String(port)]),
  });
  const sides = { dockhook: await helpersOf(dockhook.port), noop: await helpersOf(noop.port) };
  const seconds = bench.scale.seconds * LASTS;

  const during = async (
    { probe, flooder }: Record<'probe' | 'flooder', Helper>,
    kind: string,
  ): Promise<Flood> => {
    const probed = async (): Promise<Probed> => {
      await probe.tell('begin');
      await pause(seconds * 1000);
      return (await probe.tell('end')) as Probed;
    };
    const idle = await probed();
    await flooder.tell(kind);
    const under = await probed();
    return { idle, during: under, flooded: (await flooder.tell('end')) as Flooded, seconds };
  };

  try {
    // The first answers are slow ones: of code that has not been compiled.
    await during(sides.dockhook, 'config');
    await during(sides.noop, 'config');
    const rows: Row[] = [];
    for (const kind of Object.keys(FLOODS)) {
      const ours: Flood[] = [];
      const floor: Flood[] = [];
      for (let round = 0; round < bench.scale.rounds; round += 1) {
        ours.push(await during(sides.dockhook, kind));
        floor.push(await during(sides.noop, kind));
      }
      rows.push(rowOf(kind, ours, floor));
      bench.progress(kind);
    }
    return { title: 'what other docks notice of one account that floods with 120 sessions', rows };
  } finally {
    for (const { probe, flooder } of Object.values(sides)) await Promise.all([probe.stop(), flooder.stop()]);
    await Promise.all([dockhook.stop(), noop.stop()]);
    await database.drop();
  }
}

function rowOf(kind: string, ours: Flood[], floor: Flood[]): Row {
  const all = (of: (flood: Flood) => number): number[] => ours.map(of);
  const rateOf = ({ flooded, seconds }: Flood): number => flooded.calls / seconds;
  return {
    flood: kind,
    'calls/s': spreadOf(all(rateOf)),
    'others p50 ms': spreadOf(all((flood) => flood.during.p50)),
    'others p99 ms': spreadOf(all((flood) => flood.during.p99)),
    'idle p99 ms': spreadOf(all((flood) => flood.idle.p99)),
    'p50 to idle': ratioOf(
      all((flood) => flood.during.p50),
      all((flood) => flood.idle.p50),
    ),
    'p99 to idle': ratioOf(
      all((flood) => flood.during.p99),
      all((flood) => flood.idle.p99),
    ),
    'p99 to no-op': ratioOf(
      all((flood) => flood.during.p99),
      floor.map((flood) => flood.during.p99),
    ),
    'no-op p99 to idle': ratioOf(
      floor.map((flood) => flood.during.p99),
      floor.map((flood) => flood.idle.p99),
    ),
    'others failed': sum(all((flood) => flood.during.failed)),
    unanswered: sum(all((flood) => flood.flooded.unanswered)),
  };
}
