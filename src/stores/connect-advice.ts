/** Why no connection to PostgreSQL can be made, and what to do. */
import { messageOf } from '../errors.js';
import { sqlState } from './database.js';

const NO_CONNECTION_LEFT =
  'raise max_connections of the server or the CONNECTION LIMIT of role or database, or lower DOCKHOOK_DATABASE_CONNECTIONS';

/** By Node's error code, OpenSSL's or PostgreSQL's SQLSTATE. */
const BY_CODE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'check that PostgreSQL runs at the host and port of DATABASE_URL',
  ENOTFOUND: 'check the host in DATABASE_URL',
  EAI_AGAIN: 'check the host in DATABASE_URL',
  ENOENT: 'check that PostgreSQL runs, and the directory of its socket and the port in DATABASE_URL',
  EACCES: 'this user may not open the socket of PostgreSQL: check its directory (unix_socket_permissions)',
  ETIMEDOUT: 'check host and port in DATABASE_URL, and the firewalls on the way',
  EHOSTUNREACH: 'check the host in DATABASE_URL, and the network',
  ENETUNREACH: 'check the host in DATABASE_URL, and the network',
  '28000': 'check the user in DATABASE_URL and pg_hba.conf',
  '28P01': 'check user and password in DATABASE_URL',
  '3D000': 'check its name in DATABASE_URL, or create it with the role of DATABASE_URL as owner',
  '53300': NO_CONNECTION_LEFT,
  CERT_HAS_EXPIRED: "the server's certificate has expired: renew it there, and reload PostgreSQL",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet: check the clocks of both machines",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "the server's certificate is for another name: write a name that it has as the host in DATABASE_URL, or " +
    'sslmode=verify-ca with sslrootcert if the CA signs for no others',
  ECONNRESET:
    'something closed the connection: check that it is PostgreSQL at that host and port, and its log',
};

const REFUSES_ONE_MORE =
  /too many (clients|connections)|(no more|max client) connections|max clients reached/i;

const UNKNOWN_CA =
  'the CA of the server is none that Node.js knows: add sslrootcert=/path/to/ca.pem with the certificate of the CA to ' +
  'DATABASE_URL (managed servers offer it for download)';
const WANTS_TLS = 'the server wants TLS: add sslmode=verify-full to DATABASE_URL';
const OUR_CERTIFICATE =
  "the server does not accept dockhook's certificate: check sslcert and sslkey in DATABASE_URL, and that the server's " +
  'ssl_ca_file has the CA that signed it';

/** By words: of pg, which has no codes, of PostgreSQL in English, and of OpenSSL. */
const BY_MESSAGE: readonly [RegExp, string][] = [
  [/DATABASE_URL has none$/, 'write it into DATABASE_URL: postgres://USER:PASSWORD@HOST:5432/DATABASE'],
  [
    /no PostgreSQL user name specified/,
    'DATABASE_URL names no user: postgres://USER:PASSWORD@HOST:5432/DATABASE',
  ],
  [/no pg_hba\.conf entry.*no encryption|requires? (SSL|TLS)|SSL (connection )?is required/i, WANTS_TLS],
  [
    /no pg_hba\.conf entry/,
    'a line of pg_hba.conf must let this user into this database from this address; check user and database in DATABASE_URL',
  ],
  [
    /requires a valid client certificate/,
    'add sslcert=/path/to/client.pem and sslkey=/path/to/client.key to DATABASE_URL',
  ],
  [
    /does not support SSL/,
    'switch TLS on in the server (ssl = on). Only if the network between is trusted: sslmode=disable in DATABASE_URL',
  ],
  [/establishing an SSL connection/, 'check that it is PostgreSQL at the host and port of DATABASE_URL'],
  [
    /SASL: Only mechanism/,
    'check that no proxy in between changes the authentication; PostgreSQL offers SCRAM-SHA-256',
  ],
  [
    /timeout expired|connection timeout/,
    'nothing answered within a second: check host and port in DATABASE_URL, firewalls, and whether the server is overloaded',
  ],
  [
    /alert (unknown ca|bad certificate|certificate required|certificate unknown|certificate expired)/i,
    OUR_CERTIFICATE,
  ],
  // PgBouncer passes it on without its code.
  [REFUSES_ONE_MORE, NO_CONNECTION_LEFT],
];

/** What to do about a failed connect, if that can be told. */
export function connectAdvice(error: unknown): string | undefined {
  const message = messageOf(error);
  const [, byMessage] = BY_MESSAGE.find(([words]) => words.test(message)) ?? [];
  if (byMessage !== undefined) return byMessage;
  const code = sqlState(error) ?? '';
  // The name as Postgres read it; where its messages are translated, the quotes are others.
  const name = code === '3D000' ? /^database "(.+)" does not exist$/.exec(message)?.[1] : undefined;
  if (name !== undefined) {
    const command = `CREATE DATABASE "${name.replaceAll('"', '""')}" OWNER …`;
    return `check its name in DATABASE_URL, or create it with the role of DATABASE_URL as owner: ${command}`;
  }
  if (/SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/.test(code)) return UNKNOWN_CA;
  return BY_CODE[code];
}

/** Whether the server does not let this role in with what DATABASE_URL has. */
export function isRefusedLogin(error: unknown): boolean {
  return ['28000', '28P01'].includes(sqlState(error) ?? '');
}

/**
 * Whether the server, or a pooler in its place, refuses one more connection: those that there are go on. PgBouncer
 * (1.18) says it with the code of a broken protocol.
 */
export function refusesOneMore(error: unknown): boolean {
  if (sqlState(error) === '53300') return true;
  return REFUSES_ONE_MORE.test(messageOf(error));
}
