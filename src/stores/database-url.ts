/**
 * DATABASE_URL: what it may say, what pg is given of it, and what people are shown of it. Nothing else may print a
 * database URL: here only host, port and database are, and no part of a URL that cannot be read, for its password may
 * stand in any place.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { DockhookError, messageOf } from '../errors.js';

interface DatabaseAddress {
  settings: pg.ClientConfig;
  /** For people. */
  where: string;
}

const FORM =
  'it should look like postgres://USER:PASSWORD@HOST:5432/DATABASE, with / # @ : in the password written as %2F %23 %40 %3A';

const SEVERAL_HOSTS =
  'it names several hosts, and dockhook takes one: a DNS name or an address that always leads to the primary, or a ' +
  'proxy (HAProxy, PgBouncer) that does';

/** Parameters that pg would pass over in silence, though they change where it goes or what is safe there. */
const NOT_TAKEN: Readonly<Record<string, string>> = {
  currentSchema: 'dockhook keeps its tables in the schema public: leave the parameter currentSchema out',
  hostaddr: 'the parameter hostaddr is not taken: write the address in the place of HOST',
  passfile:
    'the parameter passfile is not taken: write the password into DATABASE_URL, or into DATABASE_URL_FILE',
  schema: 'dockhook keeps its tables in the schema public: leave the parameter schema out',
  service: 'the parameter service is not taken: write out HOST and DATABASE',
  sslcrl: 'the parameter sslcrl is not taken: certificates are not looked up in lists of revoked ones',
  sslcrldir: 'the parameter sslcrldir is not taken: certificates are not looked up in lists of revoked ones',
  sslpassword: 'the parameter sslpassword is not taken: give sslkey a file that is not encrypted',
  uselibpqcompat: 'the parameter uselibpqcompat is not taken: see sslmode in deploy/postgres/README.md',
};

/** Parameters of which nothing is handed on to pg: read here, or not for an operator to change. */
const OURS = ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'query_timeout', 'target_session_attrs'];

/**
 * Reads any form that pg understands: a URL, or the directory of a Unix socket. TLS files are read, too.
 * @throws DockhookError `usage` if it cannot be used
 */
export function readDatabaseUrl(url: string): DatabaseAddress {
  const { base, parameters } = split(url);
  for (const [name, why] of Object.entries(NOT_TAKEN)) {
    if (parameters.has(name) && parameters.get(name) !== 'public') unusable(why);
  }
  if (/read-only|standby/.test(parameters.get('target_session_attrs') ?? '')) {
    unusable('dockhook writes, so target_session_attrs must not ask for a standby');
  }
  if (parameters.get('channel_binding') === 'require') {
    unusable(
      'channel_binding=require is not taken, for the driver cannot promise it: leave it out, and write ' +
        'sslmode=verify-full, which proves by certificate who the server is',
    );
  }
  const handedOn = new URLSearchParams(parameters);
  for (const name of OURS) handedOn.delete(name);
  const connectionString = handedOn.size === 0 ? base : `${base}?${handedOn.toString()}`;
  let client: pg.Client;
  try {
    client = new pg.Client({ connectionString, ssl: false });
  } catch {
    // What pg says may hold the URL, and so the password.
    return unusable(FORM);
  }
  const { host, port, database } = client;
  if (host.includes(',')) unusable(SEVERAL_HOSTS);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) unusable(FORM);
  const isSocket = host.startsWith('/');
  const place = isSocket ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return {
    // TLS is not for Unix sockets, as with libpq.
    settings: { connectionString, ssl: isSocket ? false : tlsOf(parameters) },
    where: isSocket
      ? `PostgreSQL in ${place}, database ${database ?? ''}`
      : `PostgreSQL at ${place}/${database ?? ''}`,
  };
}

/** Where the database is, without user and password; nothing of a URL that cannot be used. */
export function describeDatabaseUrl(url: string): string {
  try {
    return readDatabaseUrl(url).where;
  } catch {
    return 'PostgreSQL';
  }
}

function split(url: string): { base: string; parameters: URLSearchParams } {
  if (!/^(postgres(ql)?:\/\/|socket:|\/)/.test(url)) unusable(FORM);
  const [, authority = ''] = /^[a-z]+:\/\/([^/?#]*)/.exec(url) ?? [];
  const hosts = authority.slice(authority.lastIndexOf('@') + 1);
  // With ports, it is no URL either; pg would say no more than that.
  if (hosts.includes(',')) unusable(SEVERAL_HOSTS);
  const rest = url.slice(url.indexOf('://') + 3 + authority.length);
  // Such a URL has a `/`, `?` or `#` in its password: what follows would be taken for the host.
  if (!url.startsWith('/') && rest.includes('@')) unusable(FORM);
  const [whole = ''] = url.split('#');
  const question = whole.indexOf('?');
  return question < 0
    ? { base: whole, parameters: new URLSearchParams() }
    : { base: whole.slice(0, question), parameters: new URLSearchParams(whole.slice(question + 1)) };
}

/** What `sslmode` means. Where TLS is asked for, the server must prove who it is, unless it is said that it need not. */
const SSL_MODES: Readonly<Record<string, ConnectionOptions | false>> = {
  disable: false,
  'no-verify': { rejectUnauthorized: false },
  // The name is not compared: for servers whose certificates name something else than their host.
  'verify-ca': { rejectUnauthorized: true, checkServerIdentity: () => undefined },
  require: { rejectUnauthorized: true },
  'verify-full': { rejectUnauthorized: true },
};

/** pg's own parameter. */
const SSL: Readonly<Record<string, string>> = {
  '0': 'disable',
  false: 'disable',
  '1': 'require',
  true: 'require',
  'no-verify': 'no-verify',
};

function tlsOf(parameters: URLSearchParams): ConnectionOptions | false {
  const files = filesOf(parameters);
  const ssl = parameters.get('ssl');
  const mode =
    parameters.get('sslmode') ??
    (ssl === null ? undefined : (SSL[ssl] ?? '')) ??
    process.env['PGSSLMODE'] ??
    (['sslrootcert', 'sslcert', 'sslkey'].some((name) => parameters.has(name)) ? 'verify-full' : 'disable');
  if (mode === 'prefer' || mode === 'allow') {
    unusable(
      `sslmode=${mode} would do without TLS in silence: write sslmode=verify-full, or sslmode=disable if no TLS is meant`,
    );
  }
  const options = Object.hasOwn(SSL_MODES, mode) ? SSL_MODES[mode] : undefined;
  // The text itself may be anything, a password too.
  if (options === undefined) {
    return unusable(`sslmode (or ssl, or PGSSLMODE) must be one of ${Object.keys(SSL_MODES).join(', ')}`);
  }
  if (mode === 'verify-ca' && files.ca === undefined) {
    unusable(
      'sslmode=verify-ca needs sslrootcert: every holder of a certificate of a public CA could pass for the server',
    );
  }
  return options && { ...options, ...files };
}

type TlsFiles = Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>;

/** Read at once: pg would fail with a file it cannot read as with a URL that is none. */
function filesOf(parameters: URLSearchParams): TlsFiles {
  const read = (name: string, check: (pem: Buffer) => unknown): Buffer | undefined => {
    const path = parameters.get(name);
    // libpq's word for the CAs that the machine knows; for Node, they are those it brings.
    if (path === null || path === '' || (name === 'sslrootcert' && path === 'system')) return undefined;
    let pem: Buffer;
    try {
      pem = readFileSync(path);
    } catch (error) {
      return unusable(`${name}: cannot read the file: ${messageOf(error).replace(/[?&].*/, '…')}`);
    }
    try {
      check(pem);
    } catch {
      unusable(`${name}: the file is not what it should be, in PEM form (an encrypted key cannot be used)`);
    }
    return pem;
  };
  const ca = read('sslrootcert', (pem) => new X509Certificate(pem));
  const cert = read('sslcert', (pem) => new X509Certificate(pem));
  const key = read('sslkey', (pem) => createPrivateKey(pem));
  if ((cert === undefined) !== (key === undefined))
    unusable('sslcert and sslkey go together: set both or neither');
  if (cert && key && !new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
    unusable('the private key in the file of sslkey does not belong to the certificate in that of sslcert');
  }
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

function unusable(why: string): never {
  throw new DockhookError('usage', `the database URL cannot be used: ${why}`);
}
