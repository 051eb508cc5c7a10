/**
 * A fleet that reconnects at once: after a restart of the broker (dockhook is warm) and of dockhook (cold), with
 * generated passwords and with chosen ones, while docks that are connected go on asking.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { generatePassword, hashChosen, hashGenerated } from '../../src/access/passwords.js';
import { freePorts } from '../support/haproxy.js';
import { FULL, type Bench } from './bench.js';
import { addAccounts, addFleet } from './fleet.js';
import type { Probed } from './probe.js';
import { startHelper, type Dockhook, type Helper } from './processes.js';
import type { Report, Row } from './report.js';
import { quantile, ratioOf, sum } from './statistics.js';
import { storm, type Storm } from './storm.js';

/** Docks that are connected already, and not part of the storm; see `probe.ts`. */
const CONNECTED_DOCKS = 20;
const COLD_AND_WARM_ROUNDS = 3;

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
  const rows: Row[] = [];
  const curves: Record<string, number[]> = {};

  /** Something on a dockhook that has just started. */
  const onFresh = async <T>(work: (dockhook: Dockhook) => Promise<T>): Promise<T> => {
    const dockhook = await bench.dockhook(database.url, { ports: { grpc, http } });
    try {
      return await work(dockhook);
    } finally {
      await dockhook.stop('SIGINT');
    }
  };
  const idle = await onFresh(async () => {
    const seconds = bench.scale.seconds / FULL.seconds;
    // The first answers are slow ones: of code that has not been compiled.
    await probed(probe, () => pause(seconds * 2000));
    return (await probed(probe, () => pause(seconds * 10_000))).probed;
  });
  /** All docks, to a dockhook that does not know them, and again to the same. */
  const coldAndWarm = (kind: string, first: number) =>
    onFresh(async (dockhook) => {
      const perSecond: number[] = [];
      for (const state of ['cold', 'warm'] as const) {
        const cpuBefore = dockhook.cpuMs();
        const measured = await probed(probe, () => storm(grpc, first, docks, password));
        const seconds = last(measured.result);
        const name = `${kind}, ${state}`;
        const cpu = (dockhook.cpuMs() - cpuBefore) / seconds / 10;
        rows.push({ ...rowOf(name, docks, measured, idle), 'dockhook CPU %': cpu });
        curves[name] ??= docksBySecond(measured.result);
        bench.progress(`${name}: ${measured.result.in.length} docks in after ${seconds.toFixed(1)} s`);
        perSecond.push(measured.result.in.length / seconds);
      }
      return perSecond as [cold: number, warm: number];
    });

  try {
    const rates: [cold: number, warm: number][] = [];
    const rounds = Math.min(bench.scale.rounds, COLD_AND_WARM_ROUNDS);
    while (rates.length < rounds) rates.push(await coldAndWarm('generated', generated));
    await coldAndWarm('chosen', chosen);
    const ratio = ratioOf(
      rates.map(([cold]) => cold),
      rates.map(([, warm]) => warm),
    );
    rows.push({ storm: 'generated, cold to warm', docks, 'docks/s': ratio });
  } finally {
    await probe.stop();
    await database.drop();
  }
  return { title: 'docks that reconnect at once; calls as EMQX makes them, without a broker', rows, curves };
}

interface Weathered<T = Storm> {
  result: T;
  probed: Probed;
}

/** Does something, and tells how the connected docks fared meanwhile. */
async function probed<T>(probe: Helper, work: () => Promise<T>): Promise<Weathered<T>> {
  await probe.tell('begin');
  const result = await work();
  return { result, probed: (await probe.tell('end')) as Probed };
}

function rowOf(name: string, docks: number, { result, probed: during }: Weathered, idle: Probed): Row {
  return {
    storm: name,
    docks,
    'docks/s': result.in.length / last(result),
    'half in s': quantile(result.in, 0.5),
    '90 % in s': quantile(result.in, 0.9),
    'all in s': last(result),
    starved: result.starved,
    calls: result.calls,
    refused: sum(Object.values(result.refused)),
    'of these at': Object.entries(result.refused)
      .map(([method, count]) => `${method} ${count}`)
      .join(', '),
    unanswered: result.unanswered,
    'most attempts': result.attempts,
    'slowest answer ms': result.slowest,
    'request p50 ms': during.p50,
    'request p99 ms': during.p99,
    'p99 to idle': during.p99 / idle.p99,
    'requests failed': `${during.failed} of ${during.calls}`,
    'load busy %': result.loadBusy,
  };
}

function last({ in: seconds }: Storm): number {
  return quantile(seconds, 1);
}

/** How many docks were in after each second. */
function docksBySecond(result: Storm): number[] {
  const seconds = Math.ceil(last(result));
  return Array.from({ length: seconds }, (_, second) => result.in.filter((at) => at <= second + 1).length);
}
