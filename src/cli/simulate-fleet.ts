/** `dockhook simulate` for many docks: which docks connect, and the result. */
import { createReadStream } from 'node:fs';
import { isSerialNumber } from '../serial-number.js';
import type { FleetDock, FleetSummary } from '../simulator/simulated-fleet.js';
import { DockhookError } from '../errors.js';
import { readCsv } from '../csv.js';
import { print, printJson, printTable, style } from './output.js';
import { startProgress } from './progress.js';

/**
 * One dock for each line of a CSV file with the columns `name`, `password` and `gateways`, as for `account import`;
 * other columns are ignored. If a line has several SNs, the first connects; if it has none, the name is the SN. Rejects
 * with `usage` and the line.
 */
export async function readAccounts(
  path: string,
): Promise<Pick<FleetDock, 'username' | 'password' | 'gateway'>[]> {
  const docks: Pick<FleetDock, 'username' | 'password' | 'gateway'>[] = [];
  let columns: string[] | undefined;
  for await (const { line, cells } of readCsv(createReadStream(path), path)) {
    if (columns === undefined) {
      columns = cells.map((cell) => cell.trim());
      continue;
    }
    const row = Object.fromEntries(columns.map((column, index) => [column, cells[index]]));
    const { name: username = '', password = '', gateways = '' } = row;
    const [sn = ''] = (gateways.trim() || username).split(/\s+/);
    if (username === '' || password === '' || !isSerialNumber(sn)) {
      throw new DockhookError('usage', `${path}:${line}: has no name, password or SN of a gateway`);
    }
    docks.push({ username, password, gateway: sn });
  }
  if (docks.length === 0) throw new DockhookError('usage', `${path} holds no accounts`);
  return docks;
}

/** Connects them all and prints the result; the exit code is 1 if one failed. */
export async function reportFleet(
  docks: readonly FleetDock[],
  { atOnce, json }: { atOnce: number; json: boolean },
): Promise<void> {
  const { simulateFleet } = await import('../simulator/simulated-fleet.js');
  const progress = startProgress('docks online');
  const summary = await simulateFleet(docks, {
    atOnce,
    onProgress: ({ online, failed }) => {
      progress.at(online, (online + failed) / docks.length, failed === 0 ? '' : `${failed} failed`);
    },
  });
  progress.clear();
  if (json) printJson(summary);
  else printSummary(summary);
  if (summary.online < summary.docks) process.exitCode = 1;
}

function printSummary({ docks, online, seconds, steps, failures }: FleetSummary): void {
  const all = `${online} of ${docks} docks came online and are bound, in ${seconds.toFixed(1)} s`;
  print(style(online === docks ? ['bold', 'green'] : ['bold', 'red'], all));
  if (steps.length > 0) {
    print('');
    printTable(
      ['STEP', 'COUNT', 'P50 ms', 'P95 ms', 'MAX ms'],
      steps.map(({ step, count, ...times }) => [
        step,
        String(count),
        ...[times.p50, times.p95, times.max].map((milliseconds) => milliseconds.toFixed(1)),
      ]),
    );
  }
  for (const { step, docks: count, reason, example } of failures) {
    print(`\n${style('red', `${count} failed at ${step}`)}, for example ${example}:\n  ${reason}`);
  }
}
