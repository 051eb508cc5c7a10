/**
 * A fleet that reconnects at once: after a restart of the broker (dockhook is warm) and of dockhook (cold), with
 * generated passwords and with chosen ones, while docks that are connected go on asking.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { generatePassword, hashChosen, hashGenerated } from '../../src/access/passwords.js';
import { freePorts } from '../support/haproxy.js';
import type { Bench } from './bench.js';
import { addAccounts, addFleet } from './fleet.js';
import type { Probed } from './probe.js';
import { startHelper, type Dockhook, type Helper } from './processes.js';
import type { Report, Row } from './report.js';
import { quantile, ratioOf } from './statistics.js';
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
  const start = (): Promise<Dockhook> => bench.dockhook(database.url, { ports: { grpc, http } });
  const probe = await startHelper('probe.ts', [String(grpc), '0']);
  const rows: Row[] = [];
  const curves: Record<string, number[]> = {};

  let dockhook = await start();
  try {
    const rssIdle = dockhook.rssMb();
    const idle = await probed(probe, () => pause(bench.scale.seconds * 10_000));
    const note = (name: string, measured: Weathered): void => {
      const row = rowOf(name, docks, measured, idle.probed);
      rows.push(row);
      bench.progress(
        `${name}: ${measured.result.in.length} docks in after ${last(measured.result).toFixed(1)} s`,
      );
      curves[name] ??= docksBySecond(measured.result);
    };
    const rates: { cold: number[]; warm: number[] } = { cold: [], warm: [] };
    const rounds = Math.min(bench.scale.rounds, COLD_AND_WARM_ROUNDS);
    for (let round = 0; round < rounds; round += 1) {
      for (const state of ['cold', 'warm'] as const) {
        const measured = await probed(probe, () => storm(grpc, generated, docks, password));
        rates[state].push(docks / last(measured.result));
        note(`generated, ${state}`, measured);
      }
      if (round === 0) rows.push(memory(docks, rssIdle, dockhook));
      await dockhook.stop('SIGINT');
      dockhook = await start();
    }
    rows.push({ storm: 'generated, cold to warm', 'docks/s': ratioOf(rates.cold, rates.warm) });
    for (const state of ['cold', 'warm'] as const) {
      note(`chosen, ${state}`, await probed(probe, () => storm(grpc, chosen, docks, password)));
    }
  } finally {
    await probe.stop();
    await dockhook.stop();
    await database.drop();
  }
  return { title: 'docks that reconnect at once', rows, curves };
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
    refused: result.refused,
    unanswered: result.unanswered,
    'most attempts': result.attempts,
    'slowest answer ms': result.slowest,
    'request p50 ms': during.p50,
    'request p99 ms': during.p99,
    'p99 to idle': during.p99 / idle.p99,
    'requests failed': `${during.failed} of ${during.calls}`,
  };
}

function memory(docks: number, rssIdle: number, dockhook: Dockhook): Row {
  return { storm: 'memory', docks, 'idle MiB': rssIdle, 'over idle MiB': dockhook.rssMb() - rssIdle };
}

function last({ in: seconds }: Storm): number {
  return quantile(seconds, 1);
}

/** How many docks were in after each second. */
function docksBySecond(result: Storm): number[] {
  const seconds = Math.ceil(last(result));
  return Array.from({ length: seconds }, (_, second) => result.in.filter((at) => at <= second + 1).length);
}
