/** A pool of connections that makes do with fewer where the server has no more for us. */
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { messageOf } from '../errors.js';
import { isRefusedLogin, refusesOneMore } from './connect-advice.js';
import { sqlState, type Refusal } from './database.js';
import { PostgresClient, type ConnectWatch } from './postgres-client.js';

/** How long to make do with fewer connections after the server refused one more, in milliseconds. */
const FEWER_MS = 10_000;
/** Between two attempts while the server has none for us at all, in milliseconds. */
const NONE_LEFT_PAUSE_MS = 250;
/** Between two looks whether a retired pool is still waited for, in milliseconds. */
const RETIRE_MS = 100;

interface PostgresPool {
  /**
   * A connection: a new one, or if the server refuses one more, the next that is free. Must be released.
   * @param within milliseconds for all of it
   */
  acquire(within: number): Promise<pg.PoolClient>;
  /** Closes a connection and makes none in its place for a while. @returns false if it would have been the last */
  giveOneUp(within: number): Promise<boolean>;
  /** Why the server lets nobody in, if that is so. */
  refusal(): Refusal | undefined;
  /** Of connections that are made beside the pool: whether they are let in counts, too. */
  watch: ConnectWatch;
  /** Ends when those that wait for a connection had it. */
  retire(): void;
  end(): Promise<void>;
}

/** @param onError told of connections lost while idle; they are replaced */
export function openPool(
  settings: pg.ClientConfig,
  connections: number,
  onError: ((error: Error) => void) | undefined,
): PostgresPool {
  let connecting = 0;
  let moreLater: NodeJS.Timeout | undefined;
  const logins = watchLogins();

  class Client extends PostgresClient {
    constructor() {
      super(settings, {
        started: () => {
          connecting += 1;
        },
        connected: () => {
          connecting -= 1;
          logins.watch.connected();
        },
        failed: (error) => {
          connecting -= 1;
          logins.watch.failed(error);
          // Before the pool, which counts this one still, starts another in its place.
          if (refusesOneMore(error)) haveAtMost(pool.totalCount - 1);
        },
      });
    }
  }

  const pool = new pg.Pool({
    Client,
    connectionTimeoutMillis: settings.connectionTimeoutMillis,
    max: connections,
    idleTimeoutMillis: 30_000,
    // A frozen server does not take its leave: its idle connections must not keep a finished process alive.
    allowExitOnIdle: true,
  });
  // Without a listener, the loss of an idle connection would end the process.
  pool.on('error', (error) => {
    // The error holds the client, and that the connection's password.
    onError?.(Object.assign(new Error(messageOf(error)), { code: sqlState(error) }));
  });

  /** From then on whoever wants one more waits for one of these. */
  function haveAtMost(count: number): void {
    pool.options.max = Math.max(1, count);
    clearTimeout(moreLater);
    moreLater = setTimeout(() => {
      pool.options.max = connections;
    }, FEWER_MS).unref();
  }

  const connected = (): number => pool.totalCount - connecting;

  return {
    acquire: (within) => acquire(pool, within),
    async giveOneUp(within) {
      if (connected() < 2) return false;
      const client = await acquire(pool, within);
      haveAtMost(pool.totalCount - 1);
      // The server counts it until it has gone.
      const ended = new Promise((resolve) => client.once('end', resolve));
      client.release(true);
      await Promise.race([ended, pause(within)]);
      return true;
    },
    refusal: () => (connected() > 0 ? undefined : logins.refusal()),
    watch: logins.watch,
    retire: function retire() {
      if (pool.waitingCount > 0) setTimeout(retire, RETIRE_MS).unref();
      else pool.end().catch(() => undefined);
    },
    end() {
      clearTimeout(moreLater);
      return pool.end();
    },
  };
}

/** Whether the server turned the last of those away that connected. */
function watchLogins(): { watch: ConnectWatch; refusal: () => Refusal | undefined } {
  let refused: Refusal | undefined;
  return {
    watch: {
      started: () => undefined,
      connected() {
        refused = undefined;
      },
      failed(error) {
        refused = isRefusedLogin(error)
          ? { why: messageOf(error), since: refused?.since ?? performance.now() }
          : undefined;
      },
    },
    refusal: () => refused,
  };
}

/** Waits for a connection while the server refuses one more. */
async function acquire(pool: pg.Pool, within: number): Promise<pg.PoolClient> {
  const end = performance.now() + within;
  let refusal: Error | undefined;
  for (;;) {
    try {
      return await pool.connect();
    } catch (error) {
      // Time ran out while it waited for one: why it had to wait is what people must know.
      if (refusal !== undefined && sqlState(error) === undefined) throw refusal;
      if (!refusesOneMore(error) || performance.now() > end) throw error;
      refusal = error as Error;
      if (pool.totalCount === 0) await pause(NONE_LEFT_PAUSE_MS);
    }
  }
}
