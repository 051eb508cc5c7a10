/** HTTP/2 by hand (RFC 9113): frames that no library would send. */
import { createConnection, type Socket } from 'node:net';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export const Type = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
};
export const END_STREAM = 1;
export const END_HEADERS = 4;

export function http2Frame(type: number, flags = 0, stream = 0, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** What a client says first; `settings` by number (RFC 9113, 6.5.2). */
export function opening(settings: Record<number, number> = {}): Buffer {
  const payload = Object.entries(settings).map(([id, value]) => {
    const setting = Buffer.alloc(6);
    setting.writeUInt16BE(Number(id));
    setting.writeUInt32BE(value, 2);
    return setting;
  });
  return Buffer.concat([PREFACE, http2Frame(Type.SETTINGS, 0, 0, Buffer.concat(payload))]);
}

/** Header fields as HPACK literals without indexing (RFC 7541, 6.2.2). */
export function headerBlock(fields: Record<string, string>): Buffer {
  return Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]),
  );
}

function literal(text: string): Buffer {
  const bytes: number[] = [];
  let rest = text.length;
  if (rest < 127) return Buffer.concat([Buffer.of(rest), Buffer.from(text)]);
  for (rest -= 127; rest > 127; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.concat([Buffer.of(127, ...bytes, rest), Buffer.from(text)]);
}

/** The fields of a gRPC call, as EMQX sends them. */
export function callFields(path: string): Record<string, string> {
  return {
    ':method': 'POST',
    ':scheme': 'http',
    ':authority': '127.0.0.1',
    ':path': path,
    'content-type': 'application/grpc+proto',
    te: 'trailers',
  };
}

/** One whole gRPC call: HEADERS and DATA. */
export function callFrames(stream: number, path: string, body: Buffer): Buffer {
  const headers = http2Frame(Type.HEADERS, END_HEADERS, stream, headerBlock(callFields(path)));
  return Buffer.concat([headers, http2Frame(Type.DATA, END_STREAM, stream, body)]);
}

/**
 * A connection that says whatever it is told to. The server has done with it once it sends GOAWAY or hangs
 * up; whichever comes first, for after GOAWAY it need not read on.
 */
export interface RawConnection {
  socket: Socket;
  /** The server's first frame is here: it has accepted us. */
  greeted: Promise<void>;
  /** Sends bytes once there is room for them; false if the server has done with us. */
  send(bytes: Buffer): Promise<boolean>;
  /**
   * Waits until the server has read all that was sent, as it acknowledges a PING, or has done with us.
   * @returns whether it has done with us
   */
  readByServer(): Promise<boolean>;
  /** Sends no more, and waits until the server has done with us. */
  finish(): Promise<void>;
  destroy(): void;
}

export function connectRaw(grpc: string): Promise<RawConnection> {
  const at = grpc.lastIndexOf(':');
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: grpc.slice(0, at), port: Number(grpc.slice(at + 1)) }, () => {
      socket.off('error', reject);
      resolve(rawConnection(socket));
    });
    socket.once('error', reject);
  });
}

function rawConnection(socket: Socket): RawConnection {
  // The server may hang up at any moment.
  socket.on('error', () => undefined);
  const mark = Buffer.from('read all');
  let isDone = false;
  let markRead = (): void => undefined;
  const marked = new Promise<void>((resolve) => (markRead = resolve));
  let greet = (): void => undefined;
  const greeted = new Promise<void>((resolve) => (greet = resolve));
  const done = new Promise<void>((resolve) => {
    const finish = (): void => {
      isDone = true;
      resolve();
    };
    socket.once('close', finish);
    let rest: Buffer = Buffer.alloc(0);
    // Also because a socket that nobody reads never ends.
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
        const end = 9 + rest.readUIntBE(0, 3);
        greet();
        if (rest[3] === Type.GOAWAY) finish();
        if (rest[3] === Type.PING && rest.subarray(9, end).equals(mark)) markRead();
        rest = rest.subarray(end);
      }
    });
  });

  return {
    socket,
    greeted,
    async send(bytes) {
      if (isDone || !socket.writable) return false;
      if (socket.write(bytes)) return true;
      const drained = new Promise<void>((resolve) => socket.once('drain', resolve));
      await Promise.race([drained, done]);
      return !isDone;
    },
    async readByServer() {
      if (socket.writable) socket.write(http2Frame(Type.PING, 0, 0, mark));
      await Promise.race([marked, done]);
      return isDone;
    },
    async finish() {
      socket.end();
      await done;
    },
    destroy: () => {
      socket.destroy();
    },
  };
}
