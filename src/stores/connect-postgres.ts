/** A PostgreSQL server as a {@link Database}. */
import { readFileSync } from 'node:fs';
import pg from 'pg';
import { DockhookError, messageOf } from '../errors.js';
import { refusesOneMore } from './connect-advice.js';
import { readDatabaseUrl } from './database-url.js';
import type { Database, Session, SessionListener } from './database.js';
import { PostgresClient, type ConnectWatch } from './postgres-client.js';
import { openPool } from './postgres-pool.js';

/** Either is within the time that one hook may spend on the store (see `time-limits.ts`). */
const CONNECT_LIMIT_MS = 1000;
const QUERY_LIMIT_MS = 1500;
/** Transactions belong to commands, for which no dock waits. */
const TRANSACTION_QUERY_LIMIT_MS = 60_000;
/** How often the file of the URL, and the TLS files that it names, are looked at, in milliseconds. */
const LOOK_MS = 10_000;

/** The callbacks are for a process that stays up; a command leaves them out. */
export interface PostgresOptions {
  /** The most that are open at a time, beside that of {@link Database.openSession}; EMQX asks with 8 per node. */
  connections?: number | undefined;
  /** A file that holds the URL. It is read again when it changes, and when no connection can be made. */
  file?: string | undefined;
  /** Told of connections lost while idle; the pool replaces them. */
  onError?: ((error: Error) => void) | undefined;
  /** Told that another URL, or other TLS files, are in use from now on. */
  onChange?: (() => void) | undefined;
  /** Told, once per change, why changed files are not taken. */
  onUnusable?: ((error: Error) => void) | undefined;
  /** How often the files are looked at, in milliseconds; for tests. */
  lookMs?: number | undefined;
}

/**
 * A pool of connections to the server that `url` names, in any form that `database-url.ts` reads. Does not connect
 * yet, and reconnects by itself. No connection outlives its failure.
 *
 * A statement rejects after 1.5 s, and 1 s more if it had to wait for a connection. `statement_timeout`
 * is not set: PgBouncer refuses it at connection start.
 *
 * @throws DockhookError `usage` if the URL cannot be used
 */
export function connectPostgres(url: string, options: PostgresOptions = {}): Database {
  const { connections = 10, file, onError, onChange, onUnusable, lookMs = LOOK_MS } = options;
  let { text, settings } = read(url);
  let pool = openPool(settings, connections, onError);
  const sessions = new Set<Session>();
  let fault: string | undefined;

  /** Takes what is in the files now. @returns whether it is something new */
  function look(): boolean {
    try {
      const now = read(file === undefined ? url : readUrl(file));
      fault = undefined;
      if (now.text === text) return false;
      ({ text, settings } = now);
    } catch (error) {
      // What was good is kept: a file may be away for a moment while it is replaced.
      if (messageOf(error) !== fault) onUnusable?.(new Error(messageOf(error)));
      fault = messageOf(error);
      return false;
    }
    pool.retire();
    pool = openPool(settings, connections, onError);
    // Those who lose them open new ones.
    for (const session of sessions) session.close();
    onChange?.();
    return true;
  }
  const looking = setInterval(look, lookMs).unref();

  async function acquire(): Promise<pg.PoolClient> {
    const tried = pool;
    const start = performance.now();
    try {
      return await pool.acquire(CONNECT_LIMIT_MS);
    } catch (error) {
      const left = start + CONNECT_LIMIT_MS - performance.now();
      if (left <= 0 || (tried === pool && !look())) throw error;
      return pool.acquire(left);
    }
  }

  return {
    query: async (sql, parameters = []) => runQuery(await acquire(), sql, parameters),
    transaction: async (work) => runTransaction(await acquire(), work),
    async openSession(listener) {
      const open = async (): Promise<Session> => {
        const session = await openSession(settings, pool.watch, {
          notified: listener.notified,
          ended() {
            sessions.delete(session);
            listener.ended();
          },
        });
        sessions.add(session);
        return session;
      };
      try {
        return await open();
      } catch (error) {
        // Hearing of changes is worth more than one of many connections: without it, each call reads.
        const isPossible = refusesOneMore(error) ? await pool.giveOneUp(CONNECT_LIMIT_MS) : look();
        if (!isPossible) throw error;
        return open();
      }
    },
    refusal: () => pool.refusal(),
    close() {
      clearInterval(looking);
      return pool.end();
    },
  };
}

/** One statement, and gives the connection back. */
async function runQuery(client: pg.PoolClient, sql: string, parameters: readonly unknown[]) {
  let isSound = false;
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql, [...parameters]);
    isSound = true;
    return rows;
  } catch (error) {
    // Where messages are translated it reads otherwise, and the connection is closed for nothing.
    isSound = error instanceof pg.DatabaseError && error.severity === 'ERROR';
    throw error;
  } finally {
    client.release(!isSound);
  }
}

/** A transaction, and gives the connection back. */
async function runTransaction(
  client: pg.PoolClient,
  work: Parameters<Database['transaction']>[0],
): Promise<void> {
  const run = (text: string, parameters: readonly unknown[] = []) => {
    const limited = { text, values: [...parameters], query_timeout: TRANSACTION_QUERY_LIMIT_MS };
    return client.query<Record<string, unknown>>(limited);
  };
  let ended = false;
  try {
    // A stricter default would end it when others write beside it, and all would have to be done anew.
    await run('BEGIN ISOLATION LEVEL READ COMMITTED');
    const ending = await work(async (sql, parameters) => (await run(sql, parameters)).rows);
    const { command } = await run(ending);
    // A transaction in which a statement failed answers COMMIT with a rollback.
    if (command.toLowerCase() !== ending) throw new Error(`the server answered ${ending} with ${command}`);
    ended = true;
  } finally {
    // A connection that is closed rolls back, whatever state it is in.
    client.release(!ended);
  }
}

async function openSession(
  settings: pg.ClientConfig,
  watch: ConnectWatch,
  listener: SessionListener,
): Promise<Session> {
  const client = new PostgresClient(settings, watch);
  await client.connect();
  client.on('notification', ({ payload = '' }) => {
    listener.notified(payload);
  });
  client.on('end', listener.ended);
  // What is under way rejects with it, too.
  client.on('error', listener.ended);
  return {
    processId: client.processID,
    query: async (sql, parameters = []) =>
      (await client.query<Record<string, unknown>>(sql, [...parameters])).rows,
    close: () => {
      client.close();
    },
  };
}

/** What is used of a URL and the files that it names, and all of it as text, to be compared. */
function read(url: string): { text: string; settings: pg.ClientConfig } {
  const { settings } = readDatabaseUrl(url);
  return {
    text: JSON.stringify([url, settings]),
    settings: {
      ...settings,
      connectionTimeoutMillis: CONNECT_LIMIT_MS,
      query_timeout: QUERY_LIMIT_MS,
      keepAlive: true,
      fallback_application_name: 'dockhook',
    },
  };
}

function readUrl(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new DockhookError('usage', `DATABASE_URL_FILE: cannot read the file: ${messageOf(error)}`);
  }
}
