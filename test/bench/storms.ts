/**
 * A fleet that reconnects at once: after a restart of the broker (dockhook is warm) and of dockhook (cold), with
 * generated passwords and with chosen ones, while docks that are connected go on asking. The floor is the same storm on a
 * no-op provider, which shows what the stack and the load take of it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { generatePassword } from '../../src/access/generate-password.js';
import { hashChosen, hashGenerated } from '../../src/password-hashes/index.js';
import { freePorts } from '../support/haproxy.js';
import { FULL, type Bench } from './bench.js';
import { addAccounts, addFleet, fixedAnswers } from './fleet.js';
import type { Probed } from './probe.js';
import { startHelper, type Dockhook, type Helper, type Measured } from './processes.js';
import type { Report, Row } from './report.js';
import { median, quantile, ratioOf, spreadOf, sum, type Spread } from './statistics.js';
import { storm, type Storm } from './storm.js';

/** Docks that are connected already, and not part of the storm; see `probe.ts`. */
const CONNECTED_DOCKS = 20;
/** A further round of cold and warm only if it begins so early, in milliseconds: what is refused takes its time. */
const ROUNDS = { most: 3, beginWithinMs: 60_000 };

/** The floor's name. */
const NOOP = 'no-op provider';

export async function storms(bench: Bench): Promise<Report> {
  const { docks } = bench.scale;
  const password = generatePassword();
  const database = await bench.database();
  // One after the other: the docks of the probe, those with generated passwords, those with chosen ones.
  const [generated, chosen] = [CONNECTED_DOCKS, CONNECTED_DOCKS + docks];
  await addFleet(database, chosen, hashGenerated(password));
  await addAccounts(database, { from: chosen, count: docks, passwordHash: await hashChosen(password) });
  const [grpc = 0, http = 0] = await freePorts(2);
  const probe = await startHelper('probe.ts', [String(grpc), '0']);
  const measured = new Map<string, Weathered[]>();
  const curves: Record<string, number[]> = {};

  /** Something on a dockhook that has just started. */
  const onFresh = async <T>(work: (dockhook: Dockhook) => Promise<T>): Promise<T> => {
    const dockhook = await bench.dockhook(database.url, { ports: { grpc, http } });
    try {
      return await work(dockhook);
    } finally {
      await dockhook.stop();
    }
  };
  const idle = await onFresh(async () => {
    const seconds = bench.scale.seconds / FULL.seconds;
    // The first answers are slow ones: of code that has not been compiled.
    await probed(probe, () => pause(seconds * 2000));
    return (await probed(probe, () => pause(seconds * 10_000))).probed;
  });
  const weather = async (name: string, provider: Measured, first: number): Promise<void> => {
    const cpuBefore = provider.cpuMs();
    const one = await probed(probe, () => storm(grpc, first, docks, password));
    const cpu = (provider.cpuMs() - cpuBefore) / last(one.result) / 10;
    measured.set(name, [...(measured.get(name) ?? []), { ...one, cpu }]);
    curves[name] ??= docksBySecond(one.result);
    bench.progress(`${name}: ${one.result.in.length} docks in after ${last(one.result).toFixed(1)} s`);
  };
  /** All docks, to a dockhook that does not know them, and again to the same. */
  const coldAndWarm = (kind: string, first: number) =>
    onFresh(async (dockhook) => {
      for (const state of ['cold', 'warm']) {
        await weather(`${kind}, ${state}`, dockhook, first);
      }
    });

  const onNoop = async (): Promise<void> => {
    const noop = await startHelper('noop-provider.ts', [String(grpc)]);
    try {
      for (const answer of fixedAnswers()) await noop.tell(answer);
      await weather(NOOP, noop, generated);
    } finally {
      await noop.stop();
    }
  };

  try {
    const start = performance.now();
    const rounds = Math.min(bench.scale.rounds, ROUNDS.most);
    for (let round = 0; round < rounds && performance.now() - start < ROUNDS.beginWithinMs; round += 1) {
      await coldAndWarm('generated', generated);
      await onNoop();
    }
    await coldAndWarm('chosen', chosen);
  } finally {
    await probe.stop();
    await database.drop();
  }
  const floor = measured.get(NOOP)!;
  const rows = [...measured].map(([name, all]) => rowOf(name, docks, all, { idle, floor }));
  const rates = (name: string): number[] => measured.get(name)!.map(({ result }) => rateOf(result));
  const ratio = ratioOf(rates('generated, cold'), rates('generated, warm'));
  rows.push({ storm: 'generated, cold to warm', docks, 'docks/s': ratio });
  return { title: 'docks that reconnect at once; calls as EMQX makes them, without a broker', rows, curves };
}

/** A storm, how the connected docks fared meanwhile, and the share of a core that dockhook took, in percent. */
interface Weathered {
  result: Storm;
  probed: Probed;
  cpu: number;
}

/** Does something, and tells how the connected docks fared meanwhile. */
async function probed<T>(probe: Helper, work: () => Promise<T>): Promise<{ result: T; probed: Probed }> {
  await probe.tell('begin');
  const result = await work();
  return { result, probed: (await probe.tell('end')) as Probed };
}

/** Of all rounds; what must not happen counts as often as in the worst. */
function rowOf(
  name: string,
  docks: number,
  all: Weathered[],
  { idle, floor }: { idle: Probed; floor: Weathered[] },
): Row {
  const spread = (of: (one: Weathered) => number): Spread => spreadOf(all.map(of));
  const most = (of: (one: Weathered) => number): number => Math.max(...all.map(of));
  const toFloor = (of: (one: Weathered) => number): number => median(all.map(of)) / median(floor.map(of));
  return {
    storm: name,
    docks,
    'docks/s': spread(({ result }) => rateOf(result)),
    'half in s': spread(({ result }) => quantile(result.in, 0.5)),
    '90 % in s': spread(({ result }) => quantile(result.in, 0.9)),
    'all in s': spread(({ result }) => last(result)),
    starved: most(({ result }) => result.starved),
    calls: most(({ result }) => result.calls),
    refused: most(({ result }) => sum(Object.values(result.refused))),
    'refused at': all.map(({ result }) => textOf(result.refused)).join('; '),
    unanswered: most(({ result }) => result.unanswered),
    'most attempts': most(({ result }) => result.attempts),
    'slowest answer ms': most(({ result }) => result.slowest),
    'request p50 ms': spread((one) => one.probed.p50),
    'request p99 ms': spread((one) => one.probed.p99),
    'p99 to idle': most((one) => one.probed.p99 / idle.p99),
    'docks/s to no-op': toFloor(({ result }) => rateOf(result)),
    'p99 to no-op': toFloor(({ probed: { p99 } }) => p99),
    'requests failed': most((one) => one.probed.failed),
    requests: most((one) => one.probed.calls),
    'load busy %': spread(({ result }) => result.loadBusy),
    'dockhook CPU %': spread(({ cpu }) => cpu),
  };
}

function textOf(refused: Record<string, number>): string {
  return Object.entries(refused)
    .map(([method, count]) => `${method} ${count}`)
    .join(', ');
}

function rateOf(result: Storm): number {
  return result.in.length / last(result);
}

function last({ in: seconds }: Storm): number {
  return quantile(seconds, 1);
}

/** How many docks were in after each second. */
function docksBySecond(result: Storm): number[] {
  const seconds = Math.ceil(last(result));
  return Array.from({ length: seconds }, (_, second) => result.in.filter((at) => at <= second + 1).length);
}
