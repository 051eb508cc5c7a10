/**
 * What EMQX may rely on from a HookProvider, whoever serves it: written over an address, so that it can be
 * put before a server in this process, a started `dockhook serve`, or one behind a proxy.
 */
import { createConnection, type Socket } from 'node:net';
import { expect } from 'chai';
import { hookProvider, serviceName, VERSIONS } from '../../src/exhook/proto.js';
import { MAX_REQUEST_BYTES } from '../../src/exhook/server.js';
import { callFields, END_HEADERS, headerBlock, http2Frame, opening, Type } from '../support/fuzz-http2.js';
import { connectGrpc, frame, Status, unframe, type GrpcConnection } from '../support/grpc.js';
import { recordings } from '../support/recordings.js';

/** Names that EMQX 5 and later know; it refuses a list with any other. */
const HOOK_NAME =
  /^(client\.(connect|connack|connected|disconnected|authenticate|authorize|(un)?subscribe)|session\.(created|(un)?subscribed|resumed|discarded|takenover|terminated)|message\.(publish|delivered|dropped|acked))$/;

const HTTP2_PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const EMPTY_SETTINGS = '000000040000000000';

/** @param address of the server, asked for at each test */
export function hookProviderContract(address: () => { host: string; port: number }): void {
  let connection: GrpcConnection;
  beforeEach(() => {
    connection = connectGrpc(address());
  });
  afterEach(() => {
    connection.close();
  });

  const pathOf = (method: string): string => `/${serviceName('v3')}/${method}`;

  async function expectAlive(): Promise<void> {
    const fresh = connectGrpc(address());
    const { status } = await fresh.call(pathOf('OnProviderLoaded'), frame(Buffer.alloc(0)));
    fresh.close();
    expect(status).to.equal(Status.OK);
  }

  for (const asked of VERSIONS) {
    for (const recorded of VERSIONS) {
      it(`answers every request recorded on ${recorded} when asked on ${asked}`, async () => {
        const service = hookProvider(asked);
        for (const { method, case: what, bytes } of recordings(recorded)) {
          const { status, body } = await connection.call(`/${serviceName(asked)}/${method}`, frame(bytes));
          expect(status, `${method}, ${what}`).to.equal(Status.OK);
          expectAnswer(method, service[method]!.responseDeserialize(unframe(body)) as object, what);
        }
      });
    }

    it(`names hooks that EMQX knows, each once, when loaded on ${asked}`, async () => {
      const { body } = await connection.call(
        `/${serviceName(asked)}/OnProviderLoaded`,
        frame(Buffer.alloc(0)),
      );
      const answer = hookProvider(asked)['OnProviderLoaded']!.responseDeserialize(unframe(body)) as {
        hooks: { name: string }[];
      };
      const names = answer.hooks.map(({ name }) => name);
      expect(names).to.include.members(['client.authenticate', 'client.authorize', 'message.publish']);
      expect(new Set(names)).to.have.property('size', names.length);
      for (const name of names) expect(name).to.match(HOOK_NAME);
    });

    it(`answers a request of no bytes at all on ${asked}: every event, "no", and "pass"`, async () => {
      for (const [method, { path }] of Object.entries(hookProvider(asked))) {
        const { status, body } = await connection.call(path, frame(Buffer.alloc(0)));
        expect(status, method).to.equal(Status.OK);
        const answer = unframe(body).toString('hex');
        if (method === 'OnClientAuthenticate' || method === 'OnClientAuthorize') {
          expect(answer, method).to.equal('08021800');
        } else if (method === 'OnMessagePublish') {
          expect(answer, method).to.equal('0801');
        } else if (method !== 'OnProviderLoaded') {
          expect(answer, method).to.equal('');
        }
      }
    });
  }

  it('tells the caller of a body that is not the message, and answers the next call', async () => {
    const { status } = await connection.call(
      pathOf('OnClientAuthenticate'),
      frame(Buffer.from('ffffff', 'hex')),
    );
    expect(status).to.equal(Status.INTERNAL);
    await expectAlive();
  });

  it('tells the caller of a method that does not exist, and answers the next call', async () => {
    const { status, body } = await connection.call(
      '/emqx.exhook.v1.HookProvider/OnClientCheckAcl',
      frame(Buffer.alloc(0)),
    );
    expect([status, body.length]).to.deep.equal([Status.UNIMPLEMENTED, 0]);
    await expectAlive();
  });

  it('takes a message of 15 MiB', async () => {
    const { status } = await connection.call(pathOf('OnMessagePublish'), frame(publishOf(15 * 1024 * 1024)));
    expect(status).to.equal(Status.OK);
  });

  it('refuses a request over 16 MiB, and answers the next call', async () => {
    const { status } = await connection.call(pathOf('OnMessagePublish'), frame(publishOf(MAX_REQUEST_BYTES)));
    expect(status).to.equal(Status.RESOURCE_EXHAUSTED);
    await expectAlive();
  });

  for (const [what, bytes] of [
    ['in the HTTP/2 preface', HTTP2_PREFACE.slice(0, 10)],
    ['in a HEADERS frame', [HTTP2_PREFACE, Buffer.from(`${EMPTY_SETTINGS}0000640104000000018387`, 'hex')]],
    ['in a SETTINGS frame', [HTTP2_PREFACE, Buffer.from('0000060400', 'hex')]],
  ] as const) {
    it(`survives a connection that is cut ${what}`, async () => {
      const socket = await open(address());
      for (const part of [bytes].flat()) socket.write(part);
      await heard(socket);
      socket.resetAndDestroy();
      await expectAlive();
    });
  }

  const unknown = callFields('/nothing.Here/Method');
  const notGrpc = { ...callFields(pathOf('OnClientAuthorize')), 'content-type': 'text/plain' };
  for (const [what, fields] of [
    ['a method that does not exist', unknown],
    ['no gRPC', notGrpc],
    ['a call that it knows', callFields(pathOf('OnClientAuthorize'))],
  ] as const) {
    for (const [fault, broken] of [
      ['HEADERS on a stream that a client may not open', http2Frame(Type.HEADERS, END_HEADERS, 2)],
      ['headers that cannot be read', http2Frame(Type.HEADERS, END_HEADERS, 3, Buffer.from([0, 5, 1, 2]))],
      ['DATA for the connection', http2Frame(Type.DATA, 0, 0, Buffer.alloc(8))],
      ['a frame longer than allowed', Buffer.from('ffffff040000000000', 'hex')],
      ['a SETTINGS frame of an odd length', http2Frame(Type.SETTINGS, 0, 0, Buffer.alloc(5))],
    ] as const) {
      it(`survives ${what} and ${fault} in the same bytes`, async () => {
        const socket = await open(address());
        const call = http2Frame(Type.HEADERS, END_HEADERS, 1, headerBlock(fields));
        socket.write(Buffer.concat([opening(), call, broken]));
        await dismissed(socket);
        socket.destroy();
        await expectAlive();
      });
    }
  }

  for (const [what, bytes] of [
    ['HTTP/1.1', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a TLS handshake', Buffer.from('160301020001000001fc0303', 'hex')],
    ['a frame longer than allowed', [HTTP2_PREFACE, Buffer.from('ffffff040000000000', 'hex')]],
  ] as const) {
    it(`survives ${what} on its port`, async () => {
      const socket = await open(address());
      for (const part of [bytes].flat()) socket.write(part);
      await dismissed(socket);
      socket.destroy();
      await expectAlive();
    });
  }
}

/** The kind of answer that EMQX awaits of this method, with nothing left to a default. */
function expectAnswer(method: string, answer: object, what: string): void {
  const label = `${method}, ${what}`;
  if (method === 'OnProviderLoaded') {
    expect(answer, label).to.have.property('hooks').that.is.not.empty;
  } else if (['OnClientAuthenticate', 'OnClientAuthorize', 'OnMessagePublish'].includes(method)) {
    const { type, ...value } = answer as { type: string };
    const values = type === 'IGNORE' ? [] : [method === 'OnMessagePublish' ? 'message' : 'bool_result'];
    expect(type, label).to.be.oneOf(['IGNORE', 'STOP_AND_RETURN']);
    expect(Object.keys(value), label).to.deep.equal(values);
  } else {
    expect(answer, label).to.deep.equal({});
  }
}

/** A MessagePublishRequest with this many bytes of payload. */
function publishOf(payloadBytes: number): Buffer {
  const message = { topic: 't', payload: Buffer.alloc(payloadBytes) };
  return hookProvider('v3')['OnMessagePublish']!.requestSerialize({ message });
}

function open({ host, port }: { host: string; port: number }): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port }, () => {
      resolve(socket);
    });
    // Once connected, an error is a closed connection like any other.
    socket.on('error', reject);
  });
}

/** Waits for the server's first bytes (its SETTINGS): from then on it holds an HTTP/2 session. */
function heard(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('data', resolve));
}

/** Waits until the server hangs up or, after its SETTINGS frame of 9 bytes, sends GOAWAY (type 7). */
function dismissed(socket: Socket): Promise<void> {
  let received = Buffer.alloc(0);
  return new Promise((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received[9 + 3] === 7) resolve();
    });
    socket.once('close', () => {
      resolve();
    });
  });
}
