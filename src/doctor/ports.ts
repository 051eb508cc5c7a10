/** The ports of the running server: whether dockhook answers there, and with which certificate. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import { Client, credentials, status, type ChannelCredentials, type ServiceError } from '@grpc/grpc-js';
import { service as health } from 'grpc-health-check';
import type { Config } from '../config.js';
import { messageOf } from '../errors.js';
import { formatListen, type Listen } from '../listen.js';
import { notChecked } from './not-checked.js';
import { allOf, type Finding } from '../finding.js';

const LIMIT_MS = 3000;

/** A server that listens on all addresses is asked at the loopback address. */
function reachable({ host, port }: Listen): Listen {
  const own: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  return { host: own[host] ?? host, port };
}

/** Asks `/readyz` on this machine, and waits at most 3 s. Never rejects. */
export async function checkHttp(listen: Listen): Promise<Finding> {
  if (listen.port === 0) return portUnknown('HTTP', 'DOCKHOOK_HTTP_LISTEN');
  const url = `http://${formatListen(reachable(listen))}/readyz`;
  let text: string;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(LIMIT_MS) });
    text = await response.text();
    if (response.ok && text === 'ready\n') {
      return { level: 'ok', code: 'http', what: `${url} says ready` };
    }
    if (response.ok && text.startsWith('ready: ')) {
      return {
        level: 'warning',
        code: 'server_refused_by_database',
        what: `${url} says ${text.trim()}`,
        why: 'dockhook refuses new clients there, and after a minute it says that it is not ready',
        fix: [
          'write the right user and password into the file of DATABASE_URL_FILE',
          'without such a file, restart dockhook serve with the right DATABASE_URL',
        ],
      };
    }
    if (response.status === 503 && text.startsWith('not ready')) {
      return {
        level: 'error',
        code: 'server_not_ready',
        what: `${url} says ${text.trim()}`,
        why: 'the broker lets in no client that connects now',
        fix: ['look at the log of dockhook serve; it goes on by itself once the database answers'],
      };
    }
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    return {
      level: 'error',
      code: 'http_unreachable',
      what: `nothing answers at ${url} (${messageOf(cause ?? error)})`,
      why: 'dockhook does not run here, or uses another address',
      fix: ['start dockhook serve, or give this command the DOCKHOOK_HTTP_LISTEN of the server'],
    };
  }
  return {
    level: 'error',
    code: 'http_not_dockhook',
    what: `what answers at ${url} is not dockhook`,
    why: 'health checks and Prometheus ask another program',
    fix: ['give dockhook its own port with DOCKHOOK_HTTP_LISTEN'],
  };
}

/** Asks gRPC's health check on this machine. If the port demands a client certificate, only tries TLS. */
export async function checkGrpc(config: Config): Promise<Finding[]> {
  if (config.grpcListen.port === 0) return [portUnknown('ExHook', 'DOCKHOOK_GRPC_LISTEN')];
  const listen = reachable(config.grpcListen);
  if (config.grpcTlsCert === undefined) return [await askHealth(listen, credentials.createInsecure())];
  const seen = await handshake(listen);
  if ('fault' in seen) return [grpcUnreachable(listen, seen.fault)];
  const findings = allOf(checkServedCertificate(seen.certificate, config.grpcTlsCert));
  // Without a client certificate, which only the broker has, this is all that can be seen.
  if (config.grpcTlsClientCa !== undefined) return [...findings, clientCertificate(listen, seen.letIn)];
  const trusting = credentials.createSsl(null, null, null, { rejectUnauthorized: false });
  return [...findings, await askHealth(listen, trusting)];
}

function portUnknown(which: string, setting: string): Finding {
  return notChecked(
    `the ${which} port`,
    `${setting} has port 0, and only the server knows which port it got`,
  );
}

/** gRPC's own health check, which dockhook answers beside ExHook. */
async function askHealth(listen: Listen, channel: ChannelCredentials): Promise<Finding> {
  const address = formatListen(listen);
  // Without it Node warns about an IP address as the name. Nothing is verified with it.
  const client = new Client(address, channel, { 'grpc.ssl_target_name_override': 'localhost' });
  const { path, requestSerialize, responseDeserialize } = health['Check'] as (typeof health)[string];
  try {
    const answer = await new Promise<{ status?: string }>((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize as (bytes: Buffer) => { status?: string },
        { service: '' },
        { deadline: Date.now() + LIMIT_MS },
        (error, value) => {
          if (error) reject(error);
          else resolve(value ?? {});
        },
      );
    });
    if (answer.status === 'SERVING') {
      return { level: 'ok', code: 'grpc', what: `the ExHook port ${address} is serving` };
    }
    return {
      level: 'error',
      code: 'grpc_not_serving',
      what: `the ExHook port ${address} answers that it is not serving`,
      why: 'dockhook has not reached its database, or is stopping: the broker lets nobody new in',
      fix: ['look at the log of dockhook serve'],
    };
  } catch (error) {
    const { code, details } = error as ServiceError;
    // grpc-js adds how it resolved the name.
    const [, why = details] = /Last error: (?:Error: )?(.*?)\. Resolution note/.exec(details) ?? [];
    if (code !== status.UNIMPLEMENTED) return grpcUnreachable(listen, why);
    return {
      level: 'error',
      code: 'grpc_not_dockhook',
      what: `what answers at ${address} is not dockhook`,
      why: 'the broker asks another program',
      fix: ['give dockhook its own port with DOCKHOOK_GRPC_LISTEN'],
    };
  } finally {
    client.close();
  }
}

function grpcUnreachable(listen: Listen, why: string): Finding {
  return {
    level: 'error',
    code: 'grpc_unreachable',
    what: `no ExHook server can be asked at ${formatListen(listen)} (${why})`,
    why: 'the broker lets nobody new in while it does not reach dockhook',
    fix: [
      'start dockhook serve, or give this command the settings of the server: DOCKHOOK_GRPC_LISTEN, DOCKHOOK_GRPC_TLS_…',
    ],
  };
}

type Handshake = { certificate: X509Certificate | undefined; letIn: boolean } | { fault: string };

/**
 * Connects without a certificate. With TLS 1.3 the client is connected before the server refuses it, so that only HTTP/2
 * from the server shows that it was let in.
 */
function handshake({ host, port }: Listen): Promise<Handshake> {
  return new Promise((resolve) => {
    let certificate: X509Certificate | undefined;
    // Not verified: the certificate is compared with the file, and nothing is sent.
    const socket: TLSSocket = connect({ host, port, ALPNProtocols: ['h2'], rejectUnauthorized: false });
    const done = (outcome: Handshake): void => {
      socket.destroy();
      resolve(outcome);
    };
    socket.setTimeout(LIMIT_MS, () => {
      done({ fault: `no answer in ${LIMIT_MS / 1000} s` });
    });
    socket.once('secureConnect', () => {
      certificate = socket.getPeerX509Certificate();
    });
    socket.once('data', () => {
      done({ certificate, letIn: true });
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const refused = certificate !== undefined || /ALERT/.test(error.code ?? '');
      done(refused ? { certificate, letIn: false } : { fault: error.message });
    });
    socket.once('close', () => {
      done(certificate ? { certificate, letIn: false } : { fault: 'the connection closed' });
    });
  });
}

function checkServedCertificate(served: X509Certificate | undefined, path: string): Finding | undefined {
  if (served === undefined) return undefined;
  const file = new X509Certificate(readFileSync(path));
  if (file.fingerprint256 === served.fingerprint256) {
    return {
      level: 'ok',
      code: 'grpc_certificate_served',
      what: `the ExHook port shows the certificate ${path}`,
    };
  }
  return {
    level: 'warning',
    code: 'grpc_certificate_other',
    what: `the ExHook port does not show the certificate ${path}, but another one`,
    why: 'dockhook reads a renewed file within ten seconds, unless it does not fit its key',
    fix: [
      'look for certificates_not_reloaded in the log of dockhook serve',
      'or give this command the settings of the server',
    ],
  };
}

function clientCertificate(listen: Listen, letIn: boolean): Finding {
  const address = formatListen(listen);
  if (!letIn) {
    return {
      level: 'ok',
      code: 'grpc_mutual_tls',
      what: `the ExHook port ${address} refuses a client without a certificate`,
    };
  }
  return {
    level: 'error',
    code: 'grpc_mutual_tls_off',
    what: `the ExHook port ${address} accepts a client without a certificate`,
    why: 'everybody who reaches it can read the license and bind any device',
    fix: ['set DOCKHOOK_GRPC_TLS_CLIENT_CA, and restart dockhook serve'],
  };
}
