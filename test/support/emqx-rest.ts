/** A stand-in for EMQX's REST API: a real HTTP server whose state and faults can be changed at any time. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closedState, NO_SUCH_PATH, refused, route, type EmqxState, type Reply } from './emqx-rest-routes.js';

export const API_KEY = 'key-of-the-test';
export const API_SECRET = 'secret-of-the-test';
const AUTHORIZATION = `Basic ${Buffer.from(`${API_KEY}:${API_SECRET}`).toString('base64')}`;

const REPLIES = {
  /** Recorded. */
  401: refused(401, 'BAD_API_KEY_OR_SECRET', 'Check api_key/api_secret'),
  /** Not recorded. */
  403: refused(403, 'UNAUTHORIZED_ROLE', 'You do not have permission to access this resource'),
  /** Recorded. */
  404: NO_SUCH_PATH,
  /** Not recorded. */
  500: refused(500, 'INTERNAL_ERROR', 'boom\u001b[2J'),
  'web page': { status: 200, body: '<!doctype html><title>Sign in</title>' },
  'wrong JSON': { status: 200, body: { data: 'none' } },
} satisfies Record<string, Reply>;

/** What goes wrong in place of an answer. */
export type Fault = keyof typeof REPLIES | 'redirect' | 'truncated' | 'cut' | 'endless' | 'hang';

export interface FakeEmqx {
  /** Without a path. */
  url: string;
  /** The settings that name it. */
  environment: Record<string, string>;
  /** `GET /nodes`, in order of arrival, with their queries. */
  calls: string[];
  /** Resolves when `calls` has this many that begin so. */
  called(start: string, count: number): Promise<void>;
  state: EmqxState;
  /** Whether answers have a `Date`; true unless set. */
  tellsTime: boolean;
  /** Bodies of `POST /publish`. */
  published: object[];
  /** Decides what goes wrong with a call such as `GET /nodes`; nothing unless set. */
  fault: (call: string) => Fault | undefined;
  close(): Promise<void>;
}

export interface FakeEmqxOptions {
  /** Without them it speaks plain HTTP. */
  tls?: { cert: Buffer; key: Buffer };
  /** The path that a proxy would have before `/api/v5`. */
  prefix?: string;
}

export async function startEmqxRest({ tls, prefix = '' }: FakeEmqxOptions = {}): Promise<FakeEmqx> {
  const directory = mkdtempSync(join(tmpdir(), 'dockhook-emqx-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    void answer(request, response);
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('close', () => sockets.delete(socket))));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `${tls ? 'https' : 'http'}://localhost:${(server.address() as AddressInfo).port}`;

  const waiting = new Set<() => void>();
  const fake: FakeEmqx = {
    url,
    environment: {
      DOCKHOOK_EMQX_URL: `${url}${prefix}`,
      DOCKHOOK_EMQX_API_KEY_FILE: file('key', `${API_KEY}\n`),
      DOCKHOOK_EMQX_API_SECRET_FILE: file('secret', API_SECRET),
    },
    calls: [],
    called: (start, count) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (fake.calls.filter((call) => call.startsWith(start)).length < count) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
    state: closedState(),
    tellsTime: true,
    published: [],
    fault: () => undefined,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true });
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const { pathname, search, searchParams } = new URL(request.url ?? '', url);
    const method = request.method ?? '';
    const base = `${prefix}/api/v5`;
    const path = pathname.slice(base.length);
    response.sendDate = fake.tellsTime;
    fake.calls.push(`${method} ${path}${search}`);
    for (const check of waiting) check();
    const fault = request.headers.authorization === AUTHORIZATION ? fake.fault(`${method} ${path}`) : 401;
    switch (fault) {
      case 'hang':
        return;
      case 'redirect':
        response.writeHead(302, { location: 'https://elsewhere.example/login' }).end();
        return;
      case 'truncated':
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end('[{"node":"emqx@127.0.0.1","vers');
        return;
      case 'cut':
        response.writeHead(200, { 'content-length': 1000 }).write('[{"node":', () => response.destroy());
        return;
      case 'endless': {
        response.writeHead(200, { 'content-type': 'application/json' });
        const more = (): void => {
          response.write(' '.repeat(1024 * 1024), () => {
            if (!response.destroyed) more();
          });
        };
        more();
        return;
      }
      case undefined: {
        const body: unknown = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
        if (`${method} ${path}` === 'POST /publish') fake.published.push(body as object);
        const known = pathname.startsWith(`${base}/`);
        send(response, known ? route(fake.state, method, path, searchParams, body) : NO_SUCH_PATH);
        return;
      }
      default:
        send(response, REPLIES[fault]);
    }
  }
  return fake;
}

function send(response: ServerResponse, { status, body }: Reply): void {
  if (body === undefined) {
    response.writeHead(status).end();
    return;
  }
  const page = typeof body === 'string';
  response.writeHead(status, { 'content-type': page ? 'text/html' : 'application/json' });
  response.end(page ? body : JSON.stringify(body));
}
