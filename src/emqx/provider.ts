/** dockhook as a provider in EMQX: the values it is to have, in the configuration and over REST alike. */
import type { Config } from '../config.js';
import { DockhookError } from '../errors.js';
import { formatListen, isLoopback } from '../listen.js';
import { printableUrl } from '../text.js';
import type { Provider } from './api-answers.js';
import { missingHooks } from './mounted-hooks.js';

/** The name in EMQX, unless another is wanted. */
export const PROVIDER = 'dockhook';
/** Where EMQX finds dockhook if both run on one machine: the default of `DOCKHOOK_GRPC_LISTEN`. */
const EXHOOK_URL = 'http://127.0.0.1:9000';

/** Files on the machine of EMQX, for mutual TLS to dockhook, unless others are named. */
const TLS_FILES = {
  ca: '/etc/emqx/certs/grpc-ca.pem',
  cert: '/etc/emqx/certs/emqx.pem',
  key: '/etc/emqx/certs/emqx.key',
};

/** One element of `exhook.servers`, by EMQX's names. */
export interface ProviderSettings {
  name: string;
  url: string;
  request_timeout: '5s';
  failed_action: 'deny';
  auto_reconnect: '5s';
  pool_size: 8;
  ssl?: {
    enable: true;
    cacertfile: string;
    certfile: string;
    keyfile: string;
    verify: 'verify_peer';
    server_name_indication: string;
  };
}

/**
 * @param url `http://host:port`, or `https://…` for mutual TLS with the files of `tls`
 * @throws DockhookError `usage` if EMQX could not use name or address
 */
export function providerSettings({
  name = PROVIDER,
  url = EXHOOK_URL,
  tls = {},
}: {
  name?: string | undefined;
  url?: string | undefined;
  tls?: { [File in keyof typeof TLS_FILES]?: string | undefined };
}): ProviderSettings {
  // EMQX's rule for names (exhook schema).
  if (!/^[A-Za-z0-9]+[A-Za-z0-9_-]*$/.test(name) || name.length > 256) {
    throw new DockhookError(
      'usage',
      `--name ${name}: letters, digits, - and _ only, and none of - and _ at the start`,
    );
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  // EMQX wants the port written out, also 80 and 443.
  const port = /^https?:\/\/[^/]+:(\d{1,5})\/?$/i.exec(url)?.[1];
  if (
    !parsed ||
    port === undefined ||
    parsed.username !== '' ||
    !['http:', 'https:'].includes(parsed.protocol)
  ) {
    throw new DockhookError(
      'usage',
      `--exhook ${printableUrl(url)}: write http://host:port or https://host:port, with the port`,
    );
  }
  const host = parsed.hostname;
  return {
    name,
    url: `${parsed.protocol}//${host}:${port}`,
    request_timeout: '5s',
    failed_action: 'deny',
    auto_reconnect: '5s',
    pool_size: 8,
    ...(parsed.protocol === 'https:'
      ? {
          ssl: {
            enable: true,
            cacertfile: tls.ca ?? TLS_FILES.ca,
            certfile: tls.cert ?? TLS_FILES.cert,
            keyfile: tls.key ?? TLS_FILES.key,
            verify: 'verify_peer',
            server_name_indication: host.replace(/^\[|\]$/g, ''),
          },
        }
      : {}),
  };
}

/** Nodes that have not reached dockhook, as `emqx@10.0.0.2 (connecting)`. */
export function unconnectedNodes({ node_status: nodes }: Provider): string[] {
  return nodes
    .filter(({ status }) => status !== 'connected')
    .map(({ node, status }) => `${node} (${status})`);
}

/** What keeps dockhook from being asked by this provider, in one line; undefined if nothing does. */
export function whatIsWrong(provider: Provider): string | undefined {
  if (provider.enable === false) return 'it is disabled in EMQX';
  const unconnected = unconnectedNodes(provider);
  if (unconnected.length > 0) return `not connected: ${unconnected.join(', ')}`;
  if (provider.node_status.length === 0) return 'EMQX names no node that has it';
  const missing = missingHooks(provider.hooks);
  return missing.length > 0 ? `not mounted: ${missing.join(', ')}` : undefined;
}

/** Two addresses of one provider. */
export function isSameAddress(a: string, b: string): boolean {
  const plain = (url: string): string =>
    url.toLowerCase().replace(/\/+$/, '').replace('//localhost:', '//127.0.0.1:');
  return plain(a) === plain(b);
}

/** Where dockhook listens by its settings, if that can be told for an EMQX on the same machine. */
export function ownExhookUrl({
  grpcListen,
  grpcTlsCert,
}: Pick<Config, 'grpcListen' | 'grpcTlsCert'>): string | undefined {
  // Of an address like 0.0.0.0 nobody knows by which EMQX reaches it.
  if (!isLoopback(grpcListen.host) || grpcListen.port === 0) return undefined;
  // With a certificate dockhook speaks nothing but TLS.
  return `${grpcTlsCert === undefined ? 'http' : 'https'}://${formatListen(grpcListen)}`;
}
