/** What `serve` takes of a machine: time to start, CPU when nobody asks, memory before and after all docks have come. */
import { execFileSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { generatePassword } from '../../src/access/generate-password.js';
import { hashGenerated } from '../../src/password-hashes/index.js';
import { connectEmqxPool } from '../support/emqx-pool.js';
import type { Bench } from './bench.js';
import { addFleet, dockOf, ofClient } from './fleet.js';
import type { Report } from './report.js';
import { interleave, spreadOf } from './statistics.js';
import { storm } from './storm.js';

const IDLE_MS = 30_000;
/** After which what a start, or a burst of calls, leaves to be done has been done; in milliseconds. */
const REST_MS = { started: 10_000, burst: 60_000 };

export async function footprint(bench: Bench): Promise<Report> {
  const { docks } = bench.scale;
  const database = await bench.database();
  const password = generatePassword();
  await addFleet(database, docks, hashGenerated(password));
  try {
    const starts = await interleave(['serve', 'node'], bench.scale.rounds, async (side) => {
      const began = performance.now();
      if (side === 'node') {
        execFileSync(process.execPath, ['--eval', '']);
        return performance.now() - began;
      }
      const dockhook = await bench.dockhook(database.url);
      const took = performance.now() - began;
      await dockhook.stop();
      return took;
    });

    const dockhook = await bench.dockhook(database.url, { collects: true });
    // With EMQX's connections open, and everything loaded that a call loads.
    const pool = connectEmqxPool(dockhook.port);
    const { method, request } = ofClient('OnClientAuthenticate', dockOf(0), { password });
    for (let client = 0; client < 8; client += 1) await pool.call(client, method, request);
    const isSmoke = bench.scale.calls !== undefined;
    const rest = (milliseconds: number): Promise<void> => pause(isSmoke ? 0 : milliseconds);
    await rest(REST_MS.started);
    const before = dockhook.cpuMs();
    const idleMs = isSmoke ? bench.scale.seconds * 1000 : IDLE_MS;
    await pause(idleMs);
    const idleCpu = ((dockhook.cpuMs() - before) / idleMs) * 100;
    const idle = { rss: dockhook.rssMb(), used: await dockhook.usedMb() };
    pool.close();

    await storm(dockhook.port, 0, docks, password);
    const burst = dockhook.rssMb();
    await rest(REST_MS.burst);
    const warm = { rss: dockhook.rssMb(), used: await dockhook.usedMb() };
    await dockhook.stop();
    return {
      title: '`serve` at rest, and with all docks, which have come at once',
      rows: [
        {
          'start to ready ms': spreadOf(starts.serve),
          'of that Node.js itself ms': spreadOf(starts.node),
          'idle CPU %': idleCpu,
          'idle RSS MiB': idle.rss,
        },
        {
          'warm docks': docks,
          'RSS over idle right after MiB': burst - idle.rss,
          'after a minute MiB': warm.rss - idle.rss,
          'of that in use, garbage collected, MiB': warm.used - idle.used,
        },
      ],
    };
  } finally {
    await database.drop();
  }
}
