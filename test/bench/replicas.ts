/** One replica and two behind `deploy/haproxy`, against one without: what the proxy costs, and what the second gives. */
import { generatePassword } from '../../src/access/generate-password.js';
import { hashGenerated } from '../../src/password-hashes/index.js';
import { freePorts, startHaproxy } from '../support/haproxy.js';
import type { Bench } from './bench.js';
import { addFleet, bodyOf, dockOf, ofClient, requested } from './fleet.js';
import { h2load, type Run } from './h2load.js';
import { callsOf } from './processes.js';
import type { Report, Row } from './report.js';
import { interleave, ratioOf, spreadOf } from './statistics.js';

const IN_FLIGHT = [1, 64];
const CALLS = { 1: 500, 64: 3000 };
const SIDES = ['direct', 'proxy, one replica', 'proxy, two replicas'] as const;
type Side = (typeof SIDES)[number];

export async function replicas(bench: Bench): Promise<Report> {
  const database = await bench.database();
  const password = generatePassword();
  await addFleet(database, 1, hashGenerated(password));
  const [first, second] = [await bench.dockhook(database.url), await bench.dockhook(database.url)];
  const [front1 = 0, front2 = 0, ...nobody] = await freePorts(4);
  const a = { grpc: first.port, http: first.httpPort };
  const b = { grpc: second.port, http: second.httpPort };
  const one = await startHaproxy(front1, { a, b: { grpc: nobody[0]!, http: nobody[1]! } });
  const two = await startHaproxy(front2, { a, b });
  const rows: Row[] = [];
  try {
    await Promise.all([one.sees('a', 'UP'), one.sees('b', 'DOWN'), two.sees('a', 'UP'), two.sees('b', 'UP')]);
    const ports = { direct: first.port, 'proxy, one replica': front1, 'proxy, two replicas': front2 };
    const calls = {
      'client.authenticate': {
        hook: 'client.authenticate',
        call: ofClient('OnClientAuthenticate', dockOf(0), { password }),
      },
      airport_bind_status: { hook: 'message.publish', call: requested(dockOf(0), 'airport_bind_status') },
    };
    for (const [name, { hook, call }] of Object.entries(calls)) {
      for (const inFlight of IN_FLIGHT) {
        const count = bench.scale.calls ?? CALLS[inFlight as 1 | 64];
        const measure = async (side: Side): Promise<Run & { ofSecond: number }> => {
          const before = await callsOf(second, hook);
          const load = { method: call.method, body: bodyOf(call), inFlight, calls: count };
          const run = await h2load(ports[side], load);
          return { ...run, ofSecond: (((await callsOf(second, hook)) - before) / count) * 100 };
        };
        for (const side of SIDES) await measure(side);
        const measured = await interleave(SIDES, bench.scale.rounds, measure);
        const of = (side: Side, field: keyof Run | 'ofSecond') => measured[side].map((run) => run[field]);
        for (const side of SIDES) {
          rows.push({
            call: name,
            'in flight': inFlight,
            through: side,
            throughput: ratioOf(of(side, 'perSecond'), of('direct', 'perSecond')),
            p50: ratioOf(of(side, 'p50'), of('direct', 'p50')),
            'calls/s': spreadOf(of(side, 'perSecond')),
            'p50 ms': spreadOf(of(side, 'p50')),
            'calls of the second replica %': spreadOf(of(side, 'ofSecond')),
          });
        }
      }
    }
  } finally {
    await one.stop();
    await two.stop();
    await first.stop();
    await second.stop();
    await database.drop();
  }
  return { title: 'dockhook behind HAProxy against dockhook without', rows };
}
