/** A command's side of the socket: the database of the process that holds the directory, as `protocol.ts` says. */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { DockhookError, messageOf } from '../errors.js';
import { sqlState, type Database, type Query, type Row } from '../stores/database.js';
import { openChannel, type Answer, type Holder, type Request } from './protocol.js';

const GREETING_LIMIT_MS = 2000;
/** Creating a database takes seconds, on a slow machine many. */
const OPENING_LIMIT_MS = 60_000;
const QUERY_LIMIT_MS = 5000;

/** A connection to the holder, after its greeting. */
export interface HolderConnection {
  /** Absent if the process accepts connections and does not greet: it is stopped or very busy. */
  holder: Holder | undefined;
  /** Waits until the holder's database is open. The database's `close` only ends this connection. */
  database(): Promise<Database>;
  close(): Promise<void>;
}

/** Connects to a holder; `undefined` if nobody listens at that path. */
export async function connectToHolder(path: string): Promise<HolderConnection | undefined> {
  const socket = await connect(path);
  if (socket === undefined) return undefined;
  const channel = openChannel(socket);
  const close = async (): Promise<void> => {
    socket.destroy();
  };
  const receive = async <T>(limitMs: number): Promise<T> => {
    const message = await channel.receiveWithin<T>(limitMs);
    if (message !== undefined) return message;
    // If it came later, it would be taken for the answer to the next question.
    await close();
    throw new Error(`the other process sent nothing within ${limitMs} ms`);
  };
  const ask: Ask = async (request) => {
    channel.send(request);
    const { rows, error } = await receive<Answer>(QUERY_LIMIT_MS);
    if (rows !== undefined) return rows;
    throw Object.assign(new Error(error?.message), { code: error?.code });
  };
  const greeting = await receive<{ hello: Holder }>(GREETING_LIMIT_MS).catch(() => undefined);
  return {
    holder: greeting?.hello,
    async database() {
      await receive(OPENING_LIMIT_MS);
      return { ...databaseOn(ask), close };
    },
    close,
  };
}

type Ask = (request: Request) => Promise<Row[]>;

function databaseOn(ask: Ask): Pick<Database, 'query' | 'transaction'> {
  const query: Query = (sql, parameters = []) => ask({ sql, parameters });
  return {
    query,
    async transaction(work) {
      await ask({ transaction: 'begin' });
      const ending = await work(query).catch(async (error: unknown) => {
        await ask({ transaction: 'rollback' }).catch(() => undefined);
        throw error;
      });
      await ask({ transaction: ending });
    },
  };
}

async function connect(path: string): Promise<Socket | undefined> {
  const socket = createConnection(path);
  try {
    await once(socket, 'connect');
    return socket;
  } catch (error) {
    // The socket of a process that died refuses connections.
    if (['ENOENT', 'ECONNREFUSED'].includes(sqlState(error) ?? '')) return undefined;
    throw new DockhookError('failed', `the socket ${path} cannot be used: ${messageOf(error)}`);
  }
}
