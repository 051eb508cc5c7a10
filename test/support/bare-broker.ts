/** MQTT brokers without ExHook: open ones, broken ones, and TLS in front of any. */
import { once } from 'node:events';
import { connect as connectTcp, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { Aedes, type AedesOptions } from 'aedes';

export interface TestServer {
  port: number;
  close(): Promise<void>;
}

/** A broker that lets everybody do everything, but for what these hooks say. */
export async function startBareBroker(
  hooks: Partial<AedesOptions> & { prepare?: (aedes: Aedes) => void } = {},
): Promise<TestServer> {
  const { prepare, ...options } = hooks;
  const aedes = await Aedes.createBroker(options);
  prepare?.(aedes);
  const server = await listening(createServer((socket) => void aedes.handle(socket)));
  return {
    port: server.port,
    async close() {
      await new Promise<void>((resolve) => {
        aedes.close(resolve);
      });
      await server.close();
    },
  };
}

/** Accepts connections and never says a word. */
export async function startSilentServer(): Promise<TestServer & { connected: Promise<unknown> }> {
  const server = createServer();
  const connected = once(server, 'connection');
  return { ...(await listening(server)), connected };
}

/** TLS in front of a broker. */
export async function startTlsProxy(target: number, options: TlsOptions): Promise<TestServer> {
  const server = createTlsServer(options, (socket) => {
    const inner = connectTcp(target, '127.0.0.1');
    socket.pipe(inner).pipe(socket);
    socket.on('error', () => inner.destroy());
    inner.on('error', () => socket.destroy());
  });
  return listening(server);
}

/** Starts a server on a free port. */
export async function listening(server: Server): Promise<TestServer> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
