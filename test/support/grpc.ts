/**
 * gRPC as EMQX's client writes it (headers seen on EMQX 5.8.9), on bare HTTP/2: bytes in, bytes out.
 * Not grpc-js, so that a mistake of that library cannot hide on both sides.
 */
import { connect, type IncomingHttpHeaders } from 'node:http2';
import type { ConnectionOptions } from 'node:tls';

export const Status = { OK: 0, DEADLINE_EXCEEDED: 4, RESOURCE_EXHAUSTED: 8, UNIMPLEMENTED: 12, INTERNAL: 13 };

export interface GrpcAnswer {
  /** The `grpc-status`. */
  status: number;
  /** Everything in the body: the message behind its 5-byte prefix, or nothing. */
  body: Buffer;
}

export interface GrpcConnection {
  /** Sends a body as it is; see {@link frame}. */
  call(path: string, body: Buffer, headers?: Record<string, string>): Promise<GrpcAnswer>;
  close(): void;
}

/** Over TLS if told how. */
export function connectGrpc(
  { host, port }: { host: string; port: number },
  tls?: ConnectionOptions,
): GrpcConnection {
  // Node counts what waits to be sent: a request of 16 MiB would not leave room for its answer.
  const session = connect(`${tls ? 'https' : 'http'}://${host}:${port}`, { maxSessionMemory: 64, ...tls });
  // Calls tell of a lost connection themselves.
  session.on('error', () => undefined);
  return {
    call: (path, body, headers = {}) =>
      new Promise((resolve, reject) => {
        const stream = session.request({
          ':method': 'POST',
          ':path': path,
          'content-type': 'application/grpc+proto',
          'user-agent': 'grpc-erlang/0.1.0',
          'grpc-encoding': 'identity',
          te: 'trailers',
          ...headers,
        });
        const chunks: Buffer[] = [];
        let status: string | undefined;
        const readStatus = (received: IncomingHttpHeaders): void => {
          status ??= received['grpc-status'] as string | undefined;
        };
        stream.on('response', readStatus);
        stream.on('trailers', readStatus);
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('error', reject);
        stream.on('close', () => {
          if (status === undefined) reject(new Error('the call ended without a grpc-status'));
          else resolve({ status: Number(status), body: Buffer.concat(chunks) });
        });
        stream.end(body);
      }),
    close: () => {
      session.destroy();
    },
  };
}

/** A message in its gRPC frame: uncompressed, length, message. */
export function frame(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The message in a body that holds one uncompressed frame. */
export function unframe(body: Buffer): Buffer {
  if (body[0] !== 0 || body.readUInt32BE(1) !== body.length - 5) {
    throw new Error(`not one uncompressed gRPC frame: ${body.subarray(0, 16).toString('hex')}…`);
  }
  return body.subarray(5);
}
