/**
 * SQL over the Unix socket of the process that holds a data directory, for the commands that run meanwhile.
 *
 * Both sides send JSON, one object a line. The holder greets with `{hello: {pid, command}}` and says
 * `{ready: true}` once its database is open. After that each `{sql, parameters}` is answered, in order, by
 * `{rows}` or `{error: {message, code}}`.
 */
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { DockhookError, messageOf } from '../errors.js';
import { sqlState, type Database, type Row } from '../stores/database.js';

/** The process that holds a data directory. */
export interface Holder {
  pid: number;
  command: string;
}

/** Answers a connecting process for as long as it stays. */
export async function serveDatabase(
  socket: Socket,
  holder: Holder,
  opening: Promise<Database>,
): Promise<void> {
  const lines = linesOf(socket);
  send(socket, { hello: holder });
  try {
    const database = await opening;
    send(socket, { ready: true });
    for await (const line of lines) send(socket, await answer(database, line));
  } catch {
    // The database did not open; whoever opens it says why.
  }
  socket.destroy();
}

interface Answer {
  rows?: Row[];
  error?: { message: string; code: unknown };
}

async function answer(database: Database, line: string): Promise<Answer> {
  try {
    const { sql, parameters } = JSON.parse(line) as { sql: string; parameters: unknown[] };
    return { rows: await database.query(sql, parameters) };
  } catch (error) {
    return { error: { message: messageOf(error), code: sqlState(error) } };
  }
}

/** A connection to the holder, on which it has greeted. */
export interface HolderConnection {
  /** Absent if the process accepts connections and does not greet: it is stopped or very busy. */
  holder: Holder | undefined;
  /** Waits until the holder's database is open. The database's `close` only ends this connection. */
  database(): Promise<Database>;
  close(): void;
}

const GREETING_LIMIT_MS = 2000;
/** Creating a database takes seconds, on a slow machine many. */
const OPENING_LIMIT_MS = 60_000;
const QUERY_LIMIT_MS = 5000;

/** Connects to a holder; `undefined` if nobody listens at that path. */
export async function connectToHolder(path: string): Promise<HolderConnection | undefined> {
  const socket = await connect(path);
  if (socket === undefined) return undefined;
  const lines = linesOf(socket);

  const reply = async <T>(limitMs: number): Promise<T> => {
    const timer = setTimeout(() => {
      socket.destroy();
    }, limitMs);
    const line = await lines.next();
    clearTimeout(timer);
    if (line.done !== true) return JSON.parse(line.value) as T;
    throw new Error(`the process that holds the database ended, or did not answer within ${limitMs} ms`);
  };

  const greeting = await reply<{ hello: Holder }>(GREETING_LIMIT_MS).catch(() => undefined);
  return {
    holder: greeting?.hello,
    async database() {
      await reply(OPENING_LIMIT_MS);
      return {
        async query(sql, parameters = []) {
          send(socket, { sql, parameters });
          const { rows, error } = await reply<Answer>(QUERY_LIMIT_MS);
          if (rows !== undefined) return rows;
          throw Object.assign(new Error(error?.message), { code: error?.code });
        },
        close: async () => {
          socket.destroy();
        },
      };
    },
    close: () => {
      socket.destroy();
    },
  };
}

function connect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // What a dead holder leaves behind refuses connections.
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined);
      else reject(new DockhookError('failed', `the socket ${path} cannot be used: ${error.message}`));
    });
  });
}

/** The lines that arrive, ending when the connection does, however that comes about. */
function linesOf(socket: Socket): AsyncIterableIterator<string> {
  const reader = createInterface({ input: socket });
  const lines = reader[Symbol.asyncIterator]();
  socket.on('error', () => undefined);
  socket.on('close', () => {
    reader.close();
  });
  return lines;
}

function send(socket: Socket, message: object): void {
  if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`);
}
