/** A PostgreSQL server as a {@link Database}. */
import { Socket } from 'node:net';
import pg from 'pg';
import { DockhookError, messageOf } from '../errors.js';
import { sqlState, type Database, type Query, type Session, type SessionListener } from './database.js';

/** Either is within the time that one hook may spend on the store (see `budget.ts`). */
const CONNECT_LIMIT_MS = 1000;
const QUERY_LIMIT_MS = 1500;
/** Transactions belong to commands, for which no dock waits. */
const TRANSACTION_QUERY_LIMIT_MS = 60_000;
/** EMQX asks with 8 connections per node in its default configuration. */
const MAX_CONNECTIONS = 10;

/**
 * A pool of connections to the server that `url` names, in any form that pg understands: a URL with or
 * without `sslmode`, or a Unix socket's directory. Does not connect yet, and reconnects by itself.
 *
 * A statement rejects after 1.5 s, and 1 s more if it had to wait for a connection. `statement_timeout`
 * is not set: PgBouncer refuses it at connection start.
 *
 * @param options.onError told of connections lost while idle; the pool replaces them
 * @throws DockhookError `usage` if the URL cannot be read
 */
export function connectPostgres(url: string, options: { onError?: (error: Error) => void } = {}): Database {
  checkUrl(url);
  const settings: pg.ClientConfig = {
    connectionString: url,
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    query_timeout: QUERY_LIMIT_MS,
    keepAlive: true,
    fallback_application_name: 'dockhook',
  };
  const pool = new pg.Pool({
    ...settings,
    max: MAX_CONNECTIONS,
    idleTimeoutMillis: 30_000,
    // A frozen server does not take its leave: its idle connections must not keep a finished process alive.
    allowExitOnIdle: true,
  });
  // Without a listener, the loss of an idle connection would end the process.
  pool.on('error', (error) => {
    // The error holds the client, and that the connection's password.
    options.onError?.(Object.assign(new Error(messageOf(error)), { code: sqlState(error) }));
  });
  return {
    async query(sql, parameters = []) {
      const { rows } = await pool.query<Record<string, unknown>>(sql, [...parameters]);
      return rows;
    },
    async transaction(work) {
      const client = await pool.connect();
      // The loss of a connection in use also rejects the query under way; without a listener it ends the process.
      client.on('error', () => undefined);
      const run = (text: string, parameters: readonly unknown[] = []) => {
        const limited = { text, values: [...parameters], query_timeout: TRANSACTION_QUERY_LIMIT_MS };
        return client.query<Record<string, unknown>>(limited);
      };
      const query: Query = async (sql, parameters) => (await run(sql, parameters)).rows;
      let ended = false;
      try {
        // A stricter default would end it when others write beside it, and all would have to be done anew.
        await run('BEGIN ISOLATION LEVEL READ COMMITTED');
        const ending = await work(query);
        const { command } = await run(ending);
        // A transaction in which a statement failed answers COMMIT with a rollback.
        if (command.toLowerCase() !== ending)
          throw new Error(`the server answered ${ending} with ${command}`);
        ended = true;
      } finally {
        // A connection that is closed rolls back, whatever state it is in.
        client.release(!ended);
      }
    },
    openSession: (listener) => openSession(settings, listener),
    close: () => pool.end(),
  };
}

async function openSession(settings: pg.ClientConfig, listener: SessionListener): Promise<Session> {
  // pg's own end waits for the server, which may be frozen.
  const socket = new Socket();
  const client = new pg.Client({ ...settings, stream: () => socket });
  client.on('notification', listener.notified);
  client.on('end', listener.ended);
  // What is under way rejects with it, too.
  client.on('error', listener.ended);
  try {
    await client.connect();
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return {
    // The protocol's BackendKeyData; the types of pg leave it out.
    processId: (client as pg.Client & { processID: number }).processID,
    query: async (sql, parameters = []) =>
      (await client.query<Record<string, unknown>>(sql, [...parameters])).rows,
    close() {
      client.end().catch(() => undefined);
      socket.destroySoon();
    },
  };
}

/** pg reads the URL only on connecting, and takes any text for the name of a database. */
function checkUrl(url: string): void {
  const form =
    'it should look like postgres://USER:PASSWORD@HOST:5432/DATABASE, with / # @ : in the password written as %2F %23 %40 %3A';
  if (!/^(postgres(ql)?:|socket:|\/)/.test(url)) {
    throw new DockhookError('usage', `the database URL cannot be used: ${form}`);
  }
  // Such a URL has a `/` or `#` in its password: what follows would be taken for the host, and printed.
  if (URL.canParse(url) && /@/.test(new URL(url).pathname + new URL(url).search + new URL(url).hash)) {
    throw new DockhookError('usage', `the database URL cannot be used: ${form}`);
  }
  try {
    new pg.Client({ connectionString: url });
  } catch (error) {
    // No cause: it may hold the URL, and so the password.
    throw new DockhookError('usage', `the database URL cannot be used: ${messageOf(error)}; ${form}`);
  }
}
