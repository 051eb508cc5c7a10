/** ExHook servers for tests: on free ports, with scripted hooks, stopped after each test. */
import { expect } from 'chai';
import { serviceName } from '../../src/exhook/proto.js';
import { startExhookServer, type ExhookServer, type ExhookServerOptions } from '../../src/exhook/server.js';
import type { Hooks } from '../../src/hooks.js';
import { connectGrpc, frame, Status, unframe, type GrpcAnswer, type GrpcConnection } from './grpc.js';
import { recordings } from './recordings.js';

/** Answers in hexadecimal, as EMQX reads them. */
export const YES = '08021801';
export const NO = '08021800';
export const IGNORE = '0801';

/** Hooks that consent to everything. */
export const YES_MAN: Hooks = {
  mounted: () => [
    { name: 'client.authenticate' },
    { name: 'client.authorize' },
    { name: 'message.publish', topics: ['thing/product/+/requests'] },
  ],
  authenticate: async () => true,
  authorize: async () => true,
  publish: async () => ({ kind: 'pass' }),
  connected: () => undefined,
  disconnected: () => undefined,
};

export type Started = ExhookServer & {
  /** Calls a method with the first request recorded for it. */
  ask(method: string, headers?: Record<string, string>): Promise<GrpcAnswer>;
  /** The same; the answer's protobuf message in hexadecimal. */
  answer(method: string): Promise<string>;
  /** `hook outcome` of every answered call. */
  calls: string[];
  /** `hook message` of every reported error. */
  errors: string[];
};

/** Starts servers and connections that end after the test; call it inside a `describe`. */
export function exhookServers() {
  const cleanups: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  function connect(server: ExhookServer): GrpcConnection {
    const connection = connectGrpc(server);
    cleanups.push(connection.close);
    return connection;
  }

  async function start(
    hooks: Partial<Hooks> = {},
    options: Partial<ExhookServerOptions> = {},
  ): Promise<Started> {
    const calls: string[] = [];
    const errors: string[] = [];
    const server = await startExhookServer({
      hooks: { ...YES_MAN, ...hooks },
      listen: { host: '127.0.0.1', port: 0 },
      onCall: (hook, outcome, milliseconds) => {
        expect(milliseconds).to.be.at.least(0);
        calls.push(`${hook} ${outcome}`);
      },
      onError: (hook, error) => errors.push(`${hook} ${(error as Error).message}`),
      ...options,
    });
    cleanups.push(() => server.stop(0));
    const connection = connect(server);
    const ask: Started['ask'] = (method, headers) => {
      const { bytes } = recordings('v3').find((recorded) => recorded.method === method)!;
      return connection.call(`/${serviceName('v3')}/${method}`, frame(bytes), headers);
    };
    const answer: Started['answer'] = async (method) => {
      const { status, body } = await ask(method);
      expect(status, method).to.equal(Status.OK);
      return unframe(body).toString('hex');
    };
    return { ...server, ask, answer, calls, errors };
  }

  return { start, connect };
}

export interface Deferred {
  promise: Promise<never>;
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

/** A promise to be settled by hand; of type `never`, so that it stands in for what any hook returns. */
export function deferred(): Deferred {
  let resolve: Deferred['resolve'] = () => undefined;
  let reject: Deferred['reject'] = () => undefined;
  const promise = new Promise<never>((yes, no) => {
    resolve = yes as Deferred['resolve'];
    reject = no;
  });
  return { promise, resolve, reject };
}
