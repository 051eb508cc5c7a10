/**
 * Each hook and each method of dockhook against a no-op provider on the same stack, which gives the very answer that
 * dockhook gave: what is left is what dockhook itself costs. A method that reads PostgreSQL stands beside one more floor:
 * the same provider, that reads one row by its key before it answers.
 */
import { generatePassword } from '../../src/access/generate-password.js';
import { hashChosen, hashGenerated } from '../../src/password-hashes/index.js';
import type { ValuedResponse } from '../../src/exhook/translate.js';
import { connectGrpc, type GrpcConnection } from '../support/grpc.js';
import type { Bench } from './bench.js';
import {
  addAccounts,
  addFleet,
  ask,
  bodyOf,
  dockOf,
  isGoodReply,
  ofClient,
  published,
  requested,
  requestTopic,
  toAuthorize,
  type Call,
  type MethodName,
} from './fleet.js';
import { h2load, type Run } from './h2load.js';
import type { NoopAnswer } from './noop-provider.js';
import { startHelper, type Dockhook, type Measured } from './processes.js';
import type { Report, Row } from './report.js';
import { interleave, ratioOf, spreadOf, sum } from './statistics.js';

const IN_FLIGHT = [1, 64];
/** Calls before anything is measured: the compiler must have seen the code. */
const WARM_UP_CALLS = 1000;

interface Case {
  name: string;
  call: Call;
  isRight(answer: ValuedResponse): boolean;
  /** dockhook's own count of right answers. */
  counter: string;
  /** Answered from PostgreSQL. */
  reads?: boolean;
  /** How many at a time, where 64 of one dock are not what dockhook serves; `IN_FLIGHT` unless given. */
  inFlight?: number[];
}

function allCases(password: string): Case[] {
  const dock = dockOf(0);
  const allowed = (name: string, call: Call): Case => ({
    name,
    call,
    isRight: ({ bool_result }) => bool_result === true,
    counter: `dockhook_calls_total{hook="${name.split(',')[0]!}",outcome="allow"}`,
  });
  const event = (hook: string, method: Call['method']): Case => ({
    name: hook,
    call: ofClient(method, dock),
    isRight: () => true,
    counter: `dockhook_calls_total{hook="${hook}",outcome="ok"}`,
  });
  const replied = (method: MethodName): Case => ({
    name: method,
    reads: true,
    call: requested(dock, method),
    isRight: ({ message }) =>
      message?.topic === `${requestTopic(dock)}_reply` && isGoodReply(method, message.payload),
    counter: `dockhook_replies_total{method="${method}",result="0"}`,
  });
  const passed = (name: string, topic: string, method: string): Case => ({
    name,
    call: published(dock, topic, Buffer.from(JSON.stringify({ tid: 'T', bid: 'B', method, data: {} }))),
    isRight: ({ type }) => type === 'IGNORE',
    counter: 'dockhook_calls_total{hook="message.publish",outcome="pass"}',
  });
  return [
    allowed('client.authenticate, generated password', ofClient('OnClientAuthenticate', dock, { password })),
    allowed(
      'client.authenticate, chosen password',
      ofClient('OnClientAuthenticate', dockOf(1), { password }),
    ),
    allowed('client.authorize, own topic', toAuthorize(dock, 'PUBLISH', requestTopic(dock))),
    {
      ...allowed('client.authorize, drone', toAuthorize(dock, 'PUBLISH', `thing/product/${dock.drone}/osd`)),
      reads: true,
    },
    event('client.connected', 'OnClientConnected'),
    event('client.disconnected', 'OnClientDisconnected'),
    replied('config'),
    // A gateway has ten guesses at a code, and what is under way counts as one.
    { ...replied('airport_organization_get'), inFlight: [1, 8] },
    // All write one row, one after the other; `binds` has many.
    { ...replied('airport_organization_bind'), inFlight: [1] },
    // Of a dock that is bound by now, as most are.
    replied('airport_bind_status'),
    passed('a method not ours', requestTopic(dock), 'flight_areas_get'),
    passed('update_topo', `sys/product/${dock.sn}/status`, 'update_topo'),
  ];
}

/** `reader` is a no-op that reads. */
type Side = 'dockhook' | 'noop' | 'reader';

interface Sides extends Record<Side, Measured & { port: number }> {
  dockhook: Dockhook;
}

export async function hooks(bench: Bench): Promise<Report> {
  const database = await bench.database();
  const password = generatePassword();
  await addFleet(database, 1, hashGenerated(password));
  await addAccounts(database, { from: 1, count: 1, passwordHash: await hashChosen(password) });
  const dockhook = await bench.dockhook(database.url);
  const noop = await startHelper('noop-provider.ts');
  const reader = await startHelper('noop-provider.ts');
  const sides: Sides = { dockhook, noop, reader };
  const connections = {
    dockhook: connectGrpc({ host: '127.0.0.1', port: dockhook.port }),
    noop: connectGrpc({ host: '127.0.0.1', port: noop.port }),
    reader: connectGrpc({ host: '127.0.0.1', port: reader.port }),
  };
  const rows: Row[] = [];
  try {
    for (const one of allCases(password).filter(({ name }) => name.includes(bench.only))) {
      const { bytes } = await ask(connections.dockhook, one.call);
      const fixed: NoopAnswer = { method: one.call.method, answer: bytes.toString('base64') };
      await noop.tell(fixed);
      await reader.tell({ ...fixed, reads: database.url });
      for (const inFlight of one.inFlight ?? IN_FLIGHT) {
        await verify(connections, one);
        rows.push(await compare(sides, one, inFlight, bench));
        await verify(connections, one);
      }
    }
  } finally {
    for (const connection of Object.values(connections)) connection.close();
    await dockhook.stop();
    await noop.stop();
    await reader.stop();
    await database.drop();
  }
  return { title: 'dockhook against a no-op provider, calls by h2load', rows };
}

/** h2load looks at no answer; a wrong one may well be a fast one. */
async function verify(connections: Record<Side, GrpcConnection>, one: Case): Promise<void> {
  for (const [side, connection] of Object.entries(connections)) {
    const { answer } = await ask(connection, one.call);
    if (!one.isRight(answer)) throw new Error(`${side} answers ${one.name} with ${JSON.stringify(answer)}`);
  }
}

async function compare(sides: Sides, one: Case, inFlight: number, { scale }: Bench): Promise<Row> {
  const load = (calls: number) => ({ method: one.call.method, body: bodyOf(one.call), inFlight, calls });
  await h2load(sides.noop.port, load(scale.calls ?? WARM_UP_CALLS));
  if (one.reads) await h2load(sides.reader.port, load(scale.calls ?? WARM_UP_CALLS));
  const { perSecond } = await h2load(sides.dockhook.port, load(scale.calls ?? WARM_UP_CALLS));
  const calls = scale.calls ?? Math.ceil(perSecond * scale.seconds);
  const counted = async (): Promise<number> => (await sides.dockhook.metrics()).get(one.counter) ?? 0;

  const before = await counted();
  const names: Side[] = one.reads ? ['dockhook', 'noop', 'reader'] : ['dockhook', 'noop'];
  const measured = await interleave(names, scale.rounds, async (side) => {
    const { port, cpuMs } = sides[side];
    const cpuBefore = cpuMs();
    const run = await h2load(port, load(calls));
    return { ...run, cpuMs: cpuMs() - cpuBefore };
  });
  const right = (await counted()) - before;
  if (right !== calls * scale.rounds) {
    throw new Error(`dockhook counts ${right} right answers to ${calls * scale.rounds} calls of ${one.name}`);
  }

  const { dockhook, noop, reader } = measured;
  const of = (side: typeof dockhook, field: keyof Run) => side.map((run) => run[field]);
  const cpu = (side: typeof dockhook) => (sum(side.map(({ cpuMs }) => cpuMs)) * 1000) / calls / scale.rounds;
  return {
    call: one.name,
    'in flight': inFlight,
    throughput: ratioOf(of(dockhook, 'perSecond'), of(noop, 'perSecond')),
    p50: ratioOf(of(dockhook, 'p50'), of(noop, 'p50')),
    p99: ratioOf(of(dockhook, 'p99'), of(noop, 'p99')),
    ...(one.reads
      ? {
          'throughput of a read per call': ratioOf(of(reader, 'perSecond'), of(noop, 'perSecond')),
          'p50 of a read per call': ratioOf(of(reader, 'p50'), of(noop, 'p50')),
          'throughput to a read per call': ratioOf(of(dockhook, 'perSecond'), of(reader, 'perSecond')),
          'p50 to a read per call': ratioOf(of(dockhook, 'p50'), of(reader, 'p50')),
        }
      : {}),
    'calls/s': spreadOf(of(dockhook, 'perSecond')),
    'no-op calls/s': spreadOf(of(noop, 'perSecond')),
    'p50 ms': spreadOf(of(dockhook, 'p50')),
    'no-op p50 ms': spreadOf(of(noop, 'p50')),
    'CPU µs/call': cpu(dockhook),
    'no-op CPU µs/call': cpu(noop),
  };
}
