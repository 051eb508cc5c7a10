/**
 * The port that EMQX connects to, up to the first byte of HTTP/2: who may speak at all, and why somebody may not. An
 * operator else sees only "disconnected" in EMQX. What grpc-js would do here itself, it does in silence.
 */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { Listen } from '../listen.js';
import { followTlsFiles, type TlsSettings } from './certificates.js';
import { adviceOn, reasonOfTlsError, type Refusal, type RefusalReason } from './refusals.js';

/** A client speaks first (RFC 9113, 3.4). After so long without a word it is served all the same, in milliseconds. */
const FIRST_BYTES_MS = 500;
const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** The first byte of a TLS handshake (RFC 8446, 5.1). */
const TLS_HANDSHAKE = 0x16;

interface PortOptions {
  /** Port 0 takes a free one. */
  listen: Listen;
  /** Default: plain text. */
  tls?: TlsSettings | undefined;
  /** How long a handshake may take, in milliseconds. */
  handshakeMs: number;
  onConnection: (socket: Socket) => void;
  onRefused: (refusal: Refusal) => void;
}

interface Port {
  /** The port really taken. */
  port: number;
  /** Takes no more connections, and cuts those that have not come to HTTP/2. */
  close(): void;
}

/** What becomes of a connection. */
interface Gate {
  /** @param connection what the socket runs on, if it is a TLS session */
  accept(socket: Socket, connection?: Socket): void;
  refuse(connection: Socket, reason: RefusalReason, code?: string): void;
}

/** Rejects if the address cannot be bound; throws DockhookError `usage` if TLS files cannot be used. */
export async function openPort({ listen, tls, ...options }: PortOptions): Promise<Port> {
  const { onConnection, onRefused, handshakeMs } = options;
  /** Connections that have not come to HTTP/2. */
  const strangers = new Set<Socket>();
  let isClosed = false;

  function refuse(socket: Socket, reason: RefusalReason, code?: string): void {
    socket.destroy();
    // Those that we cut ourselves are not told of.
    if (!isClosed) onRefused({ reason, ...peerOf(socket), detail: adviceOn(reason, code) });
  }

  function accept(socket: Socket, connection = socket): void {
    strangers.delete(connection);
    onConnection(socket);
  }

  const secure = tls && (await openTls(tls, handshakeMs, { accept, refuse }));

  function receive(socket: Socket): void {
    // It comes before the end, which is told.
    socket.on('error', () => undefined);
    // Asked for while it is there: of a closed connection nobody knows it any more.
    peerOf(socket);
    strangers.add(socket);
    socket.once('close', () => strangers.delete(socket));
    if (secure) secure.server.emit('connection', socket);
    else readPreface(socket, { accept, refuse });
  }

  const servers: Server[] = [];
  function close(): void {
    isClosed = true;
    secure?.following.stop();
    for (const server of servers) server.close();
    for (const socket of strangers) socket.destroy();
  }
  try {
    const port = await listenOnAll(listen, servers, receive);
    return { port, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** TLS from the first byte on; grpc-js is handed what is inside. */
async function openTls(settings: TlsSettings, handshakeMs: number, { accept, refuse }: Gate) {
  const server = createTlsServer({
    // OpenSSL ends the handshake of who shows no certificate, and Node that of who shows a wrong one: it is never left
    // to us to look at `authorized`.
    requestCert: settings.files.clientCa !== undefined,
    rejectUnauthorized: settings.files.clientCa !== undefined,
    ALPNProtocols: ['h2'],
    handshakeTimeout: handshakeMs,
  });
  const following = await followTlsFiles(settings, (context) => {
    server.setSecureContext(context);
  });
  server.on('secureConnection', (socket) => {
    // It is destroyed with the connection; nobody need know.
    socket.on('error', () => undefined);
    if (socket.alpnProtocol === 'h2') accept(socket, outerOf(socket));
    else refuse(outerOf(socket), 'no_http2');
  });
  server.on('tlsClientError', (error, socket) => {
    const outer = outerOf(socket);
    const { reason, code } = reasonOfTlsError(error, socket, outer.bytesRead);
    refuse(outer, reason, code);
  });
  return { server, following };
}

/** Looks at the first bytes of what should be HTTP/2 without TLS. */
function readPreface(socket: Socket, { accept, refuse }: Gate): void {
  const look = (): void => {
    const first = socket.read() as Buffer | null;
    // At the end of a connection there is nothing to read, too; that is told next.
    if (first === null) return;
    forget();
    if (first[0] === TLS_HANDSHAKE) refuse(socket, 'tls_on_plain_port');
    else if (!HTTP2_PREFACE.subarray(0, first.length).equals(first.subarray(0, HTTP2_PREFACE.length))) {
      refuse(socket, 'not_http2');
    } else {
      socket.unshift(first);
      accept(socket);
    }
  };
  const leave = (): void => {
    forget();
    refuse(socket, 'silent');
  };
  const timer = setTimeout(() => {
    forget();
    accept(socket);
  }, FIRST_BYTES_MS);
  const forget = (): void => {
    clearTimeout(timer);
    socket.off('readable', look).off('end', leave).off('close', leave);
  };
  socket.on('readable', look).on('end', leave).on('close', leave);
}

/** A name may stand for several addresses, as localhost does: all that this machine has are listened on. */
async function listenOnAll(
  { host, port }: Listen,
  servers: Server[],
  receive: (socket: Socket) => void,
): Promise<number> {
  let taken = port;
  let fault: unknown;
  for (const { address } of await lookup(host, { all: true })) {
    const server = createServer({ noDelay: true }, receive);
    try {
      server.listen(taken, address);
      await once(server, 'listening');
      taken = (server.address() as AddressInfo).port;
      servers.push(server);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (!['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(code)) throw error;
      fault = error;
    }
  }
  if (servers.length === 0) throw fault;
  return taken;
}

const peers = new WeakMap<Socket, { peerHost: string; peerPort: number }>();

function peerOf(socket: Socket): { peerHost: string; peerPort: number } {
  let peer = peers.get(socket);
  if (!peer) {
    peer = { peerHost: socket.remoteAddress ?? '', peerPort: socket.remotePort ?? 0 };
    peers.set(socket, peer);
  }
  return peer;
}

/**
 * The connection that a TLS session runs on. Node has no public name for it, and of a session that is over it tells
 * no address.
 */
function outerOf(socket: TLSSocket): Socket {
  return (socket as TLSSocket & { _parent?: Socket })._parent ?? socket;
}
