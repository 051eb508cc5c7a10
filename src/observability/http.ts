/** The HTTP port for probes and Prometheus: `/healthz`, `/readyz`, `/metrics`. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatListen, type Listen } from '../listen.js';
import { DockhookError, messageOf } from '../errors.js';
import type { Metrics } from './metrics.js';
import type { Readiness } from './readiness.js';

/** `port` is the port really taken. `close` cuts open connections. */
export interface HttpServer extends Listen {
  close(): Promise<void>;
}

/**
 * @param readiness what `/readyz` says; `/healthz` only says that the process answers
 * @throws DockhookError `usage` if the address cannot be bound
 */
export async function startHttp(
  listen: Listen,
  readiness: () => Readiness,
  readMetrics: Metrics['read'],
): Promise<HttpServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') send(response, 405, 'only GET\n');
    else if (path === '/healthz') send(response, 200, 'ok\n');
    else if (path === '/readyz') {
      const { isReady, why } = readiness();
      const because = why === undefined ? '' : `: ${why.replaceAll(/\s+/g, ' ')}`;
      send(response, isReady ? 200 : 503, `${isReady ? 'ready' : 'not ready'}${because}\n`);
    } else if (path === '/metrics') {
      readMetrics().then(
        ({ contentType, text }) => {
          send(response, 200, text, contentType);
        },
        (error: unknown) => {
          send(response, 500, `${messageOf(error)}\n`);
        },
      );
    } else send(response, 404, 'there are /healthz, /readyz and /metrics\n');
  });
  server.listen(listen.port, listen.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new DockhookError(
      'usage',
      `cannot listen on ${formatListen(listen)} for HTTP (${messageOf(error)}): set DOCKHOOK_HTTP_LISTEN or --http-listen to a free address`,
      { cause: error },
    );
  }
  return {
    host: listen.host,
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function send(
  response: ServerResponse,
  status: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
) {
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' }).end(text);
}
