/**
 * EMQX's pool of ExHook connections: eight of them, all calls of one client on the same, many at a time
 * (`pool_size = 8`; seen on EMQX 5.8.9). Stricter than EMQX: nothing is tried again or overlooked.
 */
import type { ServiceDefinition } from '@grpc/grpc-js';
import { hookProvider, serviceName } from '../../src/exhook/proto.js';
import type { ValuedResponse } from '../../src/exhook/translate.js';
import { connectGrpc, frame, Status, unframe, type GrpcConnection } from './grpc.js';

const CONNECTIONS = 8;
/** EMQX's `request_timeout`, in milliseconds. */
const REQUEST_TIMEOUT_MS = 5000;

export type Question = 'OnClientAuthenticate' | 'OnClientAuthorize' | 'OnMessagePublish';

export interface EmqxPool {
  /** Rejects if the call fails: no answer within 5 s, a lost connection, a status other than OK. */
  call(clientNumber: number, method: Question, request: object): Promise<ValuedResponse>;
  /** The same for any rpc, in gRPC frames: for who has them ready. */
  send(clientNumber: number, method: string, body: Buffer): Promise<Buffer>;
  close(): void;
}

/** Connects to a port of 127.0.0.1, in dialect v3. A connection that lost a call is made anew for the next. */
export function connectEmqxPool(port: number): EmqxPool {
  const service: ServiceDefinition = hookProvider('v3');
  const open = (): GrpcConnection => connectGrpc({ host: '127.0.0.1', port });
  const connections = Array.from({ length: CONNECTIONS }, open);
  const send: EmqxPool['send'] = async (clientNumber, method, sentBody) => {
    const slot = clientNumber % CONNECTIONS;
    const connection = connections[slot]!;
    const sent = connection.call(`/${serviceName('v3')}/${method}`, sentBody, {
      'grpc-timeout': `${REQUEST_TIMEOUT_MS / 1000}S`,
    });
    try {
      const { status, body } = await inTime(sent);
      if (status !== Status.OK) throw new Error(`grpc-status ${status}`);
      return body;
    } catch (error) {
      if (connections[slot] === connection && !(error as Error).message.startsWith('grpc-status')) {
        connections[slot] = open();
      }
      throw error;
    }
  };
  return {
    async call(clientNumber, method, request) {
      const { requestSerialize, responseDeserialize } = service[method]!;
      const body = await send(clientNumber, method, frame(requestSerialize(request)));
      return responseDeserialize(unframe(body)) as ValuedResponse;
    },
    send,
    close() {
      for (const connection of connections) connection.close();
    },
  };
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${REQUEST_TIMEOUT_MS} ms`));
    }, REQUEST_TIMEOUT_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
