/** An ExHook server (v3) that answers as a test tells it to, and remembers what it was asked. */
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const PROTO = fileURLToPath(new URL('../../protos/exhook/v3/exhook.proto', import.meta.url));

export interface AskedClient {
  node: string;
  clientid: string;
  username: string;
  password: string;
  peerhost: string;
  peerport: number;
  sockport: number;
  protocol: string;
  cn: string;
  dn: string;
}

export interface AskedMessage {
  node: string;
  id: string;
  qos: number;
  from: string;
  topic: string;
  payload: Buffer;
  headers: Record<string, string>;
}

/** One call as it arrived; the fields its method does not have are absent. */
export interface Asked {
  method: string;
  clientinfo: AskedClient;
  type: string;
  topic: string;
  reason: string;
  message: AskedMessage;
  meta: { node: string };
  /** The common name of the certificate that the caller showed. */
  shown: string | undefined;
}

export type Handler = (asked: Asked) => object | Promise<object>;

export const yes = { type: 'STOP_AND_RETURN', bool_result: true };
export const no = { type: 'STOP_AND_RETURN', bool_result: false };
export const ignore = { type: 'IGNORE' };

/** The answer that makes another message of the one asked about. */
export const rewritten = (message: AskedMessage, change: Partial<AskedMessage>): object => ({
  type: 'STOP_AND_RETURN',
  message: { ...message, ...change },
});

export interface ScriptedProvider {
  /** `host:port` */
  address: string;
  asked: Asked[];
  /** The calls of one method so far. */
  of(method: string): Asked[];
  /** Resolves with the next call of this method, or the first one if it came already. */
  once(method: string): Promise<Asked>;
  stop(): void;
}

const everything: Record<string, Handler> = {
  OnProviderLoaded: () => ({
    hooks: [
      { name: 'client.authenticate' },
      { name: 'client.authorize' },
      { name: 'client.connected' },
      { name: 'client.disconnected' },
      { name: 'message.publish', topics: ['thing/product/+/requests'] },
    ],
  }),
  OnClientAuthenticate: () => yes,
  OnClientAuthorize: () => yes,
  OnMessagePublish: () => ignore,
};

/** Says yes to everything and rewrites nothing, but for the handlers given. A handler that throws is a gRPC error. */
export async function startProvider(
  handlers: Record<string, Handler> = {},
  port = 0,
  credentials = grpc.ServerCredentials.createInsecure(),
): Promise<ScriptedProvider> {
  const options = { keepCase: true, enums: String, longs: String, defaults: true, oneofs: true };
  const service = loadSync(PROTO, options)['emqx.exhook.v3.HookProvider'] as grpc.ServiceDefinition;
  const asked: Asked[] = [];
  const waiting: { method: string; resolve: (asked: Asked) => void }[] = [];

  async function answer(method: string, request: object, shown: string | undefined): Promise<object> {
    const call = { ...request, method, shown } as Asked;
    asked.push(call);
    for (const waiter of waiting) if (waiter.method === method) waiter.resolve(call);
    return ({ ...everything, ...handlers }[method] ?? (() => ({})))(call);
  }

  const server = new grpc.Server();
  const implementation: grpc.UntypedServiceImplementation = {};
  for (const method of Object.keys(service)) {
    implementation[method] = (
      call: grpc.ServerUnaryCall<object, object>,
      done: grpc.sendUnaryData<object>,
    ) => {
      const subject = call.getAuthContext().sslPeerCertificate?.subject;
      answer(method, call.request, [subject?.CN].flat()[0]).then(
        (reply) => {
          done(null, reply);
        },
        () => {
          done({ code: grpc.status.UNAVAILABLE, details: 'scripted failure' });
        },
      );
    };
  }
  server.addService(service, implementation);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, number) => {
      if (error) reject(error);
      else resolve(number);
    });
  });

  const of = (method: string) => asked.filter((call) => call.method === method);
  return {
    address: `127.0.0.1:${bound}`,
    asked,
    of,
    async once(method) {
      return of(method)[0] ?? (await new Promise<Asked>((resolve) => waiting.push({ method, resolve })));
    },
    stop() {
      server.forceShutdown();
    },
  };
}
