/** What `serve` takes of a machine that asks it nothing: time to start, memory, CPU. */
import { execFileSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { generatePassword, hashGenerated } from '../../src/access/passwords.js';
import { connectEmqxPool } from '../support/emqx-pool.js';
import type { Bench } from './bench.js';
import { addFleet, dockOf, ofClient } from './fleet.js';
import type { Report } from './report.js';
import { interleave, spreadOf } from './statistics.js';

const IDLE_MS = 20_000;

export async function footprint(bench: Bench): Promise<Report> {
  const database = await bench.database();
  const password = generatePassword();
  await addFleet(database, 1, hashGenerated(password));
  try {
    const starts = await interleave(['serve', 'node'], bench.scale.rounds, async (side) => {
      const began = performance.now();
      if (side === 'node') {
        execFileSync(process.execPath, ['--eval', '']);
        return performance.now() - began;
      }
      const dockhook = await bench.dockhook(database.url);
      const took = performance.now() - began;
      await dockhook.stop('SIGINT');
      return took;
    });

    const dockhook = await bench.dockhook(database.url);
    // With EMQX's connections open, and everything loaded that a call loads.
    const pool = connectEmqxPool(dockhook.port);
    const { method, request } = ofClient('OnClientAuthenticate', dockOf(0), { password });
    for (let client = 0; client < 8; client += 1) await pool.call(client, method, request);
    const before = dockhook.cpuMs();
    const idleMs = bench.scale.calls === undefined ? IDLE_MS : bench.scale.seconds * 1000;
    await pause(idleMs);
    const idle = ((dockhook.cpuMs() - before) / idleMs) * 100;
    const rss = dockhook.rssMb();
    pool.close();
    await dockhook.stop('SIGINT');
    return {
      title: '`serve` with nothing to do',
      rows: [
        {
          'start to ready ms': spreadOf(starts.serve),
          'of that Node.js itself ms': spreadOf(starts.node),
          'idle CPU %': idle,
          'RSS MiB': rss,
        },
      ],
    };
  } finally {
    await database.drop();
  }
}
