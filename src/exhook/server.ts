/**
 * EMQX's dialect. Owns the gRPC port: both versions of HookProvider and gRPC's health service. Hands every
 * question to the given {@link Hooks} and knows nothing of docks, accounts or stores.
 */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServerHttp2Stream } from 'node:http2';
import { HealthImplementation } from 'grpc-health-check';
import { HOOK_DEADLINE_MS } from '../time-limits.js';
import { DockhookError, messageOf } from '../errors.js';
import type { Hooks } from '../hooks.js';
import { formatListen, type Listen } from '../listen.js';
import type { TlsSettings } from './certificates.js';
import { openPort } from './port.js';
import { hookProvider, serviceName, VERSIONS } from './proto.js';
import type { Refusal } from './refusals.js';
import { createService, type ServiceOptions } from './service.js';

/**
 * The largest request taken, in bytes; a larger one gets RESOURCE_EXHAUSTED, which EMQX reads as "no" or, of
 * a publish, as "pass". grpc-js would stop at 4 MiB, EMQX's `mqtt.max_packet_size` is 1 MB unless raised.
 */
export const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

/**
 * How often a connection is asked whether somebody is there (HTTP/2 PING), and how long it may take to say so,
 * in milliseconds. Finds machines that are gone without a word, and what Node 20.20 keeps open for ever: a
 * connection on which it sent a GOAWAY of its own, for it no longer reads, and so never sees its end.
 */
const KEEPALIVE_MS = 30_000;

/** Only `hooks` and `listen` are needed. */
export interface ExhookServerOptions extends Partial<Omit<ServiceOptions, 'hooks'>> {
  hooks: Hooks;
  /** Port 0 takes a free one. */
  listen: Listen;
  /** Default: plain text. */
  tls?: TlsSettings | undefined;
  /** Told of each connection that ends before its first call. */
  onRefused?: (refusal: Refusal) => void;
  /** Time from PING to PING, and for its answer, in milliseconds; `KEEPALIVE_MS` unless given. */
  keepaliveMs?: number | undefined;
}

/** A server that takes calls already. */
export interface ExhookServer {
  host: string;
  /** The port really taken. */
  port: number;
  /** What gRPC health checks are told, of the server as a whole and of both services. At first: not serving. */
  setServing(serving: boolean): void;
  /**
   * Not serving any more: takes no new calls and lets those in flight finish; after `graceMs` milliseconds
   * it cuts what is left. Idempotent.
   */
  stop(graceMs: number): Promise<void>;
}

/**
 * Starts to answer EMQX.
 * @throws DockhookError `usage` if the address cannot be bound
 */
export async function startExhookServer(options: ExhookServerOptions): Promise<ExhookServer> {
  const { hooks, listen, hookDeadlineMs = HOOK_DEADLINE_MS, onCall = ignore, onError = ignore } = options;
  const { tls, onRefused = ignore, keepaliveMs = KEEPALIVE_MS } = options;
  // No stream limit and no connection age: EMQX's client does not queue calls beyond a limit, and loses
  // those that meet a GOAWAY (seen on EMQX 5.8.9 and 5.10.4).
  const server = new Server({
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveMs,
  });
  spareDestroyedStreams(server);
  const service = createService({ hooks, hookDeadlineMs, onCall, onError });
  for (const version of VERSIONS) server.addService(hookProvider(version), service);
  const health = new HealthImplementation();
  health.addToServer(server);
  const setServing = (serving: boolean): void => {
    for (const name of ['', ...VERSIONS.map(serviceName)]) {
      health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
    }
  };
  setServing(false);

  // What is injected has gone through TLS, if that is asked for.
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const { port, close } = await openPort({
    listen,
    tls,
    handshakeMs: 2 * keepaliveMs,
    onConnection: (socket) => {
      injector.injectConnection(socket);
    },
    onRefused,
  }).catch((cause: unknown) => {
    if (cause instanceof DockhookError) throw cause;
    throw new DockhookError('usage', bindFault(formatListen(listen), messageOf(cause)), { cause });
  });
  let stopped: Promise<void> | undefined;
  return {
    host: listen.host,
    port,
    setServing,
    stop: (graceMs) => {
      setServing(false);
      close();
      return (stopped ??= shutDown(server, graceMs));
    },
  };
}

/**
 * A call and a fault of the connection that come in the same bytes end the stream before grpc-js 1.14 hears of it. It
 * then answers a call that it does not know, or that is no gRPC, on that stream, where Node throws: any client could
 * end the process. There is no hook for it, so the handler of streams is wrapped.
 */
function spareDestroyedStreams(server: Server): void {
  const name = '_channelzHandler';
  const handle = Reflect.get(server, name) as (...parameters: [unknown, ServerHttp2Stream, unknown]) => void;
  Reflect.set(server, name, ((interceptors, stream, headers) => {
    if (stream.destroyed) stream.on('error', ignore);
    else handle.call(server, interceptors, stream, headers);
  }) satisfies typeof handle);
}

function bindFault(address: string, detail: string): string {
  const problem = `cannot listen for EMQX on ${address} (gRPC)`;
  if (detail.includes('EADDRINUSE')) {
    return `${problem}: another process has this port. Stop it, or choose another port with DOCKHOOK_GRPC_LISTEN or --grpc-listen.`;
  }
  if (detail.includes('EACCES')) {
    return `${problem}: not permitted. Choose a port above 1023 with DOCKHOOK_GRPC_LISTEN.`;
  }
  return (
    `${problem}. Check DOCKHOOK_GRPC_LISTEN (HOST:PORT, an address of this machine) and, with TLS, ` +
    `DOCKHOOK_GRPC_TLS_CERT and DOCKHOOK_GRPC_TLS_KEY. Reason: ${detail}`
  );
}

function shutDown(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function ignore(): void {
  // For observers that were not given.
}
