/**
 * Everything that is not gRPC, or too much of it, against the ExHook port of a dockhook in a process of its
 * own. After each: it lives, answers a dock in time, and has let go of sockets and memory.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { hookProvider, serviceName, VERSIONS } from '../../src/exhook/proto.js';
import { certificateDirectories, grpcClient, grpcSettings } from '../support/certificates.js';
import { mutated, seed } from '../support/fuzz.js';
import {
  callFields,
  callFrames,
  connectRaw,
  END_HEADERS,
  END_STREAM,
  headerBlock,
  http2Frame,
  opening,
  Type,
} from '../support/fuzz-http2.js';
import { DOCK, startFuzzServer, type FuzzServer } from '../support/fuzz-server.js';
import { connectGrpc, frame, Status } from '../support/grpc.js';
import { times } from '../support/long.js';
import { recordings } from '../support/recordings.js';
import { fallenTo, hostAndPort, KEEPALIVE_MS, PUBLISH, publishRequest, underFire } from './under-fire.js';

const recorded = VERSIONS.flatMap((version) =>
  recordings(version).map(({ method, bytes }) => ({ path: `/${serviceName(version)}/${method}`, bytes })),
);
const anyRecorded = fc.constantFrom(...recorded);

describe(`the gRPC port, FUZZ_SEED=${seed}`, function () {
  this.timeout(60_000);
  const { server, idleSockets, connect, connections, flood } = underFire({ keepaliveMs: KEEPALIVE_MS });

  async function sendEach(bytes: fc.Arbitrary<Buffer>, numRuns: number): Promise<void> {
    const sent = fc.asyncProperty(bytes, async (each) => {
      const connection = await connectRaw(server().grpc);
      await connection.send(each);
      await connection.finish();
      connection.destroy();
      expect(server().ended()).to.equal(undefined);
    });
    await fc.assert(sent, { seed, numRuns, endOnFailure: true });
  }

  it('ends every call whose message or gRPC frame is broken, on one connection', async () => {
    const connection = connectGrpc(hostAndPort(server().grpc));
    const inFrame = fc.boolean();
    const calls = anyRecorded.chain(({ path, bytes }) =>
      inFrame.chain((whole) =>
        mutated(fc.constant(whole ? bytes : frame(bytes))).map((broken) => ({
          path,
          body: whole ? frame(broken) : broken,
        })),
      ),
    );
    const ends = new Set<number>();
    await fc.assert(
      fc.asyncProperty(calls, async ({ path, body }) => {
        // A reset stream is an end, too; a lost connection fails the next call.
        const { status } = await connection.call(path, body).catch(() => ({ status: Status.INTERNAL }));
        ends.add(status);
      }),
      { seed, numRuns: times(2000, 200), endOnFailure: true },
    );
    expect([...ends]).to.include.members([Status.OK, Status.INTERNAL]);
    const { status } = await connection.call(PUBLISH, frame(publishRequest));
    expect(status, 'the connection is still good').to.equal(Status.OK);
    connection.close();
  });

  it('survives recorded calls whose bytes on the wire are broken anywhere', async () => {
    const sessions = fc.array(anyRecorded, { minLength: 1, maxLength: 4 }).map((calls) => {
      const frames = calls.map(({ path, bytes }, index) => callFrames(2 * index + 1, path, frame(bytes)));
      return Buffer.concat([opening(), ...frames]);
    });
    await sendEach(mutated(sessions), times(1500, 150));
  });

  it('survives random bytes, at once and after a good opening', async () => {
    const bytes = fc.uint8Array({ maxLength: 2000, size: 'max' }).map((random) => Buffer.from(random));
    const anyFrame = fc
      .tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 255 }), fc.nat(7), bytes)
      .map((parts) => http2Frame(...parts));
    const frames = fc.array(anyFrame, { maxLength: 5 }).map((list) => Buffer.concat([opening(), ...list]));
    await sendEach(fc.oneof(bytes, frames), times(1500, 150));
  });

  it('lets go of connections that it gave up itself, over headers it could not read', async () => {
    // A literal that is longer than its block: COMPRESSION_ERROR, of which Node tells nobody.
    const unreadable = http2Frame(Type.HEADERS, END_HEADERS, 1, Buffer.from([0, 5, 1, 2]));
    for (let index = 0; index < 100; index += 1) expect(await flood(1, () => unreadable)).to.equal(true);
  });

  it('lets go of connections on which nobody answers its PING', async () => {
    await Promise.all(Array.from({ length: 100 }, connect));
    for (const connection of connections.slice(50)) await connection.send(opening());
    const sockets = idleSockets();
    expect(await fallenTo(sockets, server().sockets)).to.be.at.most(sockets);
  });

  describe('asked with headers', () => {
    const fields = callFields(PUBLISH);
    /** One HEADERS frame, not the last of its block, and CONTINUATION frames after it. */
    const continued = (times: number, part: (index: number) => Buffer): Promise<boolean> => {
      const headers = http2Frame(Type.HEADERS, 0, 1, headerBlock(fields));
      return flood(
        times,
        (index) => http2Frame(Type.CONTINUATION, 0, 1, part(index)),
        Buffer.concat([opening(), headers]),
      );
    };

    it('that never end, hangs up', async () => {
      const filler = headerBlock({ 'x-fill': 'f'.repeat(16_000) });
      expect(await continued(2000, () => filler)).to.equal(true);
    });

    it('that never end and never begin, hangs up', async () => {
      expect(await continued(10_000, () => Buffer.alloc(0))).to.equal(true);
    });

    it('that are endlessly many and small, hangs up', async () => {
      const small = Array.from({ length: 500 }, (_, index) => headerBlock({ [`x-${index}`]: '1' }));
      expect(await continued(2000, () => Buffer.concat(small))).to.equal(true);
    });

    it('by the hundred and huge ones, answers others', async () => {
      await flood(1000, (index) => {
        const many: [string, string][] = Array.from({ length: index % 400 }, (_, at) => [
          `x-${at}`,
          'y'.repeat(index % 40),
        ]);
        const huge = { ...fields, ...Object.fromEntries(many), 'x-huge': 'h'.repeat(index % 3000) };
        const block = headerBlock(huge).subarray(0, 16_384);
        return http2Frame(Type.HEADERS, END_HEADERS | END_STREAM, 2 * index + 1, block);
      });
    });
  });

  const FLOOD = times(10_000, 1000);
  describe(`answers after ${FLOOD}`, () => {
    const ping = Buffer.alloc(8);
    const one = Buffer.from([0, 0, 0, 1]);
    const floods: Record<string, (index: number) => Buffer> = {
      SETTINGS: () => http2Frame(Type.SETTINGS),
      PING: () => http2Frame(Type.PING, 0, 0, ping),
      'PING acknowledgements': () => http2Frame(Type.PING, 1, 0, ping),
      WINDOW_UPDATE: () => http2Frame(Type.WINDOW_UPDATE, 0, 0, one),
      PRIORITY: (index) => http2Frame(Type.PRIORITY, 0, 2 * index + 1, Buffer.from([0, 0, 0, 0, 15])),
      'frames of unknown type': () => http2Frame(0xfa, 0, 0, Buffer.alloc(1000)),
      'calls and RST_STREAM': (index) => {
        const call = callFrames(2 * index + 1, PUBLISH, frame(publishRequest));
        return Buffer.concat([
          call,
          http2Frame(Type.RST_STREAM, 0, 2 * index + 1, Buffer.from([0, 0, 0, 8])),
        ]);
      },
      'calls that never end': (index) =>
        http2Frame(Type.HEADERS, END_HEADERS, 2 * index + 1, headerBlock(callFields(PUBLISH))),
      'empty DATA': (index) =>
        index === 0
          ? http2Frame(Type.HEADERS, END_HEADERS, 1, headerBlock(callFields(PUBLISH)))
          : http2Frame(Type.DATA, 0, 1),
    };
    for (const [what, bytes] of Object.entries(floods)) {
      it(what, async () => {
        await flood(FLOOD, bytes);
      });
    }
  });
});

describe('the gRPC port', function () {
  this.timeout(60_000);
  const { server, connect, connections, expectAnswers } = underFire();

  describe('with readers too slow for their answers', () => {
    const config = frame(configRequest());

    it('answers others while nobody takes 2,000 answers for want of a window', async () => {
      const connection = await connect();
      await connection.send(opening({ 4: 0 }));
      for (let call = 0; call < 2000; call += 1) {
        await connection.send(callFrames(2 * call + 1, PUBLISH, config));
      }
      expect(await connection.readByServer()).to.equal(false);
    });

    it('answers others while a hundred read one byte now and then', async () => {
      for (let reader = 0; reader < 100; reader += 1) {
        const connection = await connect();
        connection.socket.pause();
        await connection.send(opening());
        for (let call = 0; call < 100; call += 1) {
          // Not awaited: the server may stop reading as well.
          connection.socket.write(callFrames(2 * call + 1, PUBLISH, config));
        }
      }
      for (let round = 0; round < 3; round += 1) {
        for (const { socket } of connections) socket.read(1);
        await expectAnswers();
      }
    });
  });

  const IDLE = times(10_000, 1000);
  it(`answers among ${IDLE} idle connections`, async () => {
    for (let batch = 0; batch < IDLE / 250; batch += 1) {
      const opened = await Promise.all(Array.from({ length: 250 }, connect));
      await Promise.all(opened.map(({ greeted }) => greeted));
      // Every second one has begun to speak HTTP/2.
      if (batch % 2 === 0) await Promise.all(opened.map((connection) => connection.send(opening())));
    }
    expect(server().sockets()).to.be.at.least(IDLE);
    await expectAnswers();
  });
});

describe(`the gRPC port with TLS, FUZZ_SEED=${seed}`, function () {
  this.timeout(30_000);
  const { make } = certificateDirectories();
  let server: FuzzServer;
  let directory: string;
  before(async () => {
    directory = make();
    server = await startFuzzServer({ environment: grpcSettings(directory), keepaliveMs: KEEPALIVE_MS });
  });
  after(() => server.stop());

  async function expectAnswers(): Promise<void> {
    const connection = connectGrpc(hostAndPort(server.grpc), grpcClient(directory, 'grpc/emqx'));
    const { status } = await connection.call(PUBLISH, frame(publishRequest));
    connection.close();
    expect(status).to.equal(Status.OK);
  }

  it('answers among 100 handshakes that stop half way, and random ones', async () => {
    const sockets = server.sockets();
    const hello = Buffer.from('16030100f5010000f10303', 'hex');
    const halves = await Promise.all(Array.from({ length: 100 }, () => connectRaw(server.grpc)));
    for (const half of halves) await half.send(hello);
    await expectAnswers();
    const bytes = fc.uint8Array({ maxLength: 600, size: 'max' }).map((random) => Buffer.from(random));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          bytes,
          bytes.map((more) => Buffer.concat([hello, more])),
        ),
        async (each) => {
          const connection = await connectRaw(server.grpc);
          await connection.send(each);
          await connection.finish();
        },
      ),
      { seed, numRuns: times(500, 100), endOnFailure: true },
    );
    await expectAnswers();
    for (const half of halves) half.destroy();
    expect(await fallenTo(sockets, server.sockets)).to.be.at.most(sockets);
    expect(server.ended()).to.equal(undefined);
  });
});

/** A dock that asks for the license: a short question with a long answer. */
function configRequest(): Buffer {
  const message = {
    from: DOCK.clientId,
    topic: `thing/product/${DOCK.clientId}/requests`,
    payload: Buffer.from(JSON.stringify({ tid: 'T', method: 'config', data: {} })),
    headers: { username: DOCK.username, protocol: 'mqtt' },
  };
  return hookProvider('v3')['OnMessagePublish']!.requestSerialize({ message });
}
