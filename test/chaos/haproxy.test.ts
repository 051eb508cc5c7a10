/** Two replicas behind HAProxy: one may stop, die or freeze under load, and no dock is refused. */
import { expect } from 'chai';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { serviceName, VERSIONS } from '../../src/exhook/proto.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import { startCommand, type Running } from '../support/cli.js';
import { addDocks, keepLoading, startLoad, STEPS, type Dock, type Tally } from '../support/dock-load.js';
import { connectEmqxPool, type EmqxPool } from '../support/emqx-pool.js';
import { connectGrpc, frame } from '../support/grpc.js';
import {
  CONFIGURATION,
  describeWithHaproxy,
  freePorts,
  startHaproxy,
  type ReplicaName,
  type ReplicaPorts,
  type TestHaproxy,
} from '../support/haproxy.js';
import { itLong, times } from '../support/long.js';
import { freshDatabase, type TestDatabase } from '../support/postgres.js';
import { recordings } from '../support/recordings.js';

const CALLS_PER_SECOND = 200;
/** Enough that calls to a frozen replica, each holding its dock for seconds, do not slow the rest down. */
const DOCKS = times(1000, 200);
const FROZEN_MS = 4000;

const UNAVAILABLE = '14';
const END_STREAM = 1;

describe('deploy/haproxy/haproxy.cfg', () => {
  it('waits longer than dockhook takes, and twice that fits into the request_timeout of 5 s', () => {
    const timeout = Number(/timeout server (\d+)ms/.exec(CONFIGURATION)?.[1]);
    expect(timeout).to.be.greaterThan(2000);
    expect(timeout * 2).to.be.lessThan(5000);
  });
});

describeWithHaproxy('two replicas behind HAProxy', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let docks: Dock[];
  let ports: Record<ReplicaName, ReplicaPorts>;
  let haproxy: TestHaproxy;
  let pool: EmqxPool;
  const replicas = new Map<ReplicaName, Running>();

  async function start(name: ReplicaName): Promise<void> {
    const { grpc, http } = ports[name];
    const replica = startCommand(['serve'], {
      environment: {
        DATABASE_URL: database.url,
        DOCKHOOK_GRPC_LISTEN: `127.0.0.1:${grpc}`,
        DOCKHOOK_HTTP_LISTEN: `127.0.0.1:${http}`,
        DOCKHOOK_LOG_LEVEL: 'info',
      },
    });
    replicas.set(name, replica);
    await replica.event('ready');
    await haproxy.sees(name, 'UP');
  }

  const stop = (name: ReplicaName, signal: NodeJS.Signals): Promise<unknown> =>
    replicas.get(name)!.stop(signal);

  before(async () => {
    database = await freshDatabase();
    const stores = openStores(connectPostgres(database.url));
    docks = await addDocks(stores, DOCKS);
    await stores.close();
    const [front = 0, ...rest] = await freePorts(5);
    ports = { a: { grpc: rest[0]!, http: rest[1]! }, b: { grpc: rest[2]!, http: rest[3]! } };
    haproxy = await startHaproxy(front, ports);
    await Promise.all([haproxy.sees('a', 'DOWN'), haproxy.sees('b', 'DOWN')]);
    await Promise.all([start('a'), start('b')]);
    pool = connectEmqxPool(haproxy.port);
  });
  after(async () => {
    pool.close();
    for (const replica of replicas.values()) await replica.stop('SIGKILL');
    await haproxy.stop();
    await database.drop();
  });

  /**
   * Nobody may notice what happens meanwhile.
   * @param cutShort how many calls may end in the middle of their answer: what HAProxy has passed on of it when a
   * replica dies or freezes cannot be asked for again. Seen in 2 of 10 runs with a frozen replica and a core taken
   * away, one call each; never otherwise.
   */
  async function underLoad(title: string, happening: () => Promise<void>, cutShort = 0): Promise<void> {
    const load = startLoad(pool, docks, CALLS_PER_SECOND);
    let tally: Tally;
    try {
      await keepLoading(1000);
      await happening();
      await keepLoading(1000);
    } finally {
      tally = await load.stop();
    }
    console.log(
      `      ${title}: ${tally.calls} calls, ${tally.bound.size} docks bound, slowest ${Math.round(tally.slowestMs)} ms`,
    );
    const cut = tally.failed.filter((what) => what.endsWith('the call ended without a grpc-status'));
    expect(
      tally.failed.filter((what) => !cut.includes(what)),
      haproxy.log().slice(-4000),
    ).to.deep.equal([]);
    expect(cut, haproxy.log().slice(-4000)).to.have.length.of.at.most(cutShort);
    expect(tally.denied).to.deep.equal([]);
    const rows = await database.query('SELECT key FROM dockhook_bindings');
    const kept = rows.map(({ key }) => key);
    expect(kept, 'bindings that a dock was told of').to.include.members([...tally.bound]);
    expect(tally.bound.size).to.be.greaterThan(0);
  }

  it('answer every call of a dock, and the same when it is sent twice', async () => {
    // Round robin: the second goes to the other replica.
    const twice: EmqxPool = {
      ...pool,
      async call(...call) {
        const first = await pool.call(...call);
        const second = await pool.call(...call);
        expect(withoutTime(second)).to.deep.equal(withoutTime(first));
        return second;
      },
    };
    for (const [name, step] of Object.entries(STEPS)) {
      expect(await step(twice, docks[0]!), name).to.equal(undefined);
    }
  });

  for (const version of VERSIONS) {
    it(`answer what EMQX was recorded to send (${version}) the same when it is sent twice`, async () => {
      const connection = connectGrpc({ host: '127.0.0.1', port: haproxy.port });
      const twice = recordings(version).map(async ({ method, case: what, bytes }) => {
        const ask = () => connection.call(`/${serviceName(version)}/${method}`, frame(bytes));
        const first = await ask();
        expect(first.status, `${method}, ${what}`).to.equal(0);
        expect(await ask(), `${method}, ${what}`).to.deep.equal(first);
      });
      await Promise.all(twice);
      connection.close();
    });
  }

  itLong('lose and refuse nothing in a rolling restart', () =>
    underLoad('rolling restart', async () => {
      for (const name of ['a', 'b'] as const) {
        expect(await stop(name, 'SIGTERM')).to.equal(0);
        await start(name);
      }
    }),
  );

  itLong('refuse nothing when one is killed, and lose no call whose answer had not begun', () => {
    const kill = async (): Promise<void> => {
      await stop('a', 'SIGKILL');
      await haproxy.sees('a', 'DOWN');
      await start('a');
    };
    return underLoad('killed', kill, 2);
  });

  itLong('refuse nothing when one is frozen, and lose no call whose answer had not begun', () => {
    const freeze = async (): Promise<void> => {
      const { pid } = replicas.get('b')!;
      process.kill(pid, 'SIGSTOP');
      await haproxy.sees('b', 'DOWN');
      await keepLoading(FROZEN_MS);
      process.kill(pid, 'SIGCONT');
      await haproxy.sees('b', 'UP');
    };
    return underLoad('frozen', freeze, 2);
  });

  it('are said to be UNAVAILABLE, without a body, when both are gone, and serve again when one returns', async () => {
    await Promise.all([stop('a', 'SIGKILL'), stop('b', 'SIGKILL')]);
    // A call that went out on a connection whose replica had just died may be reset instead; a body is what kills.
    const justGone = await rawCall(haproxy.port).catch((error: unknown) => error);
    if (justGone instanceof Error) expect(justGone.message).to.include('NGHTTP2_REFUSED_STREAM');
    else expectUnavailable(justGone as RawAnswer);
    await Promise.all([haproxy.sees('a', 'DOWN'), haproxy.sees('b', 'DOWN')]);
    expectUnavailable(await rawCall(haproxy.port));

    await start('a');
    expect(await STEPS['authenticate']!(pool, docks[0]!)).to.equal(undefined);
    await start('b');
  });
});

/** An answer whose payload's `timestamp`, the time of answering, is taken out. */
function withoutTime(answer: { message?: { payload: Buffer } }): unknown {
  if (!answer.message) return answer;
  const payload = JSON.parse(answer.message.payload.toString()) as { timestamp: number };
  return { ...answer, message: { ...answer.message, payload: { ...payload, timestamp: undefined } } };
}

interface RawAnswer {
  headers: IncomingHttpHeaders;
  /** Of the frame that brought the headers. */
  flags: number;
  body: string;
}

function expectUnavailable({ headers, flags, body }: RawAnswer): void {
  expect(headers).to.include({ ':status': 200, 'grpc-status': UNAVAILABLE });
  expect(headers).to.include({ 'content-type': 'application/grpc' });
  expect(body).to.equal('');
  expect(flags & END_STREAM, 'headers are the end').to.equal(END_STREAM);
}

/** A call whose answer is looked at frame by frame. */
function rawCall(port: number): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`);
    session.on('error', reject);
    const stream = session.request({
      ':method': 'POST',
      ':path': `/${serviceName('v3')}/OnClientAuthenticate`,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
    });
    let [headers, flags, body]: [IncomingHttpHeaders, number, string] = [{}, 0, ''];
    stream.on('response', (received, receivedFlags) => {
      [headers, flags] = [received, receivedFlags];
    });
    stream.on('data', (chunk: Buffer) => (body += chunk.toString()));
    stream.on('error', reject);
    stream.on('close', () => {
      session.close();
      resolve({ headers, flags, body });
    });
    stream.end(frame(Buffer.alloc(0)));
  });
}
