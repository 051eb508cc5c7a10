/**
 * SQL over the Unix socket of the process that holds a data directory, for the commands that run meanwhile.
 *
 * Both sides send JSON, one object a line. The holder greets with `{hello: {pid, command}}` and says
 * `{ready: true}` once its database is open. After that each `{sql, parameters}` is answered, in order, by
 * `{rows}` or `{error: {message, code}}`. What comes between `{transaction: "begin"}` and
 * `{transaction: "commit"}` or `"rollback"`, each answered likewise, is one transaction; everybody else's
 * queries wait until then, and a connection that ends first rolls back. So does a transaction that takes
 * too long: its next statement is answered with an error, and that is the end of the connection.
 */
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { DockhookError, messageOf } from '../errors.js';
import {
  HELD_TRANSACTION_LIMIT_MS,
  sqlState,
  type Database,
  type Ending,
  type Query,
  type Row,
} from '../stores/database.js';

/** The process that holds a data directory. */
export interface Holder {
  pid: number;
  command: string;
}

/** PostgreSQL's own code for a transaction that takes too long. */
const TRANSACTION_TIMEOUT = '25P04';

/** Answers a connecting process for as long as it stays. */
export async function serveDatabase(
  socket: Socket,
  holder: Holder,
  opening: Promise<Database>,
  transactionLimitMs = HELD_TRANSACTION_LIMIT_MS,
): Promise<void> {
  const lines = linesOf(socket);
  send(socket, { hello: holder });
  try {
    const database = await opening;
    send(socket, { ready: true });
    for await (const line of lines) {
      if (parse(line).transaction === undefined) {
        send(socket, await answer(database.query, line));
        continue;
      }
      const ended = await answerTransaction(socket, database, lines, transactionLimitMs);
      send(socket, ended);
      // What may still come is of the transaction that is no more.
      if (ended.error?.code === TRANSACTION_TIMEOUT) break;
    }
  } catch {
    // The database did not open; whoever opens it says why.
  }
  // What was sent is to arrive.
  socket.destroySoon();
}

interface Answer {
  rows?: Row[];
  error?: { message: string; code: unknown };
}

interface Request {
  sql: string;
  parameters: unknown[];
  transaction?: 'begin' | Ending;
}

function parse(line: string): Request {
  return JSON.parse(line) as Request;
}

async function answer(query: Query, line: string): Promise<Answer> {
  try {
    const { sql, parameters } = parse(line);
    return { rows: await query(sql, parameters) };
  } catch (error) {
    return faultAnswer(error);
  }
}

function faultAnswer(error: unknown): Answer {
  return { error: { message: messageOf(error), code: sqlState(error) } };
}

/** Answers statement after statement of one transaction. @returns the answer to its last line */
async function answerTransaction(
  socket: Socket,
  database: Database,
  lines: AsyncIterator<string>,
  limitMs: number,
): Promise<Answer> {
  try {
    await database.transaction(async (query) => {
      const end = performance.now() + limitMs;
      send(socket, { rows: [] });
      for (;;) {
        const line = await lineBefore(end, lines);
        if (line === undefined) throw transactionTimeout(limitMs);
        const { transaction } = parse(line);
        if (transaction === 'commit' || transaction === 'rollback') return transaction;
        send(socket, await answer(query, line));
      }
    });
    return { rows: [] };
  } catch (error) {
    return faultAnswer(error);
  }
}

function transactionTimeout(limitMs: number): Error {
  const message =
    `it took longer than ${limitMs / 1000} s, in which the process that holds the database could answer nobody ` +
    'else; stop that process first, or do it in parts';
  return Object.assign(new Error(message), { code: TRANSACTION_TIMEOUT });
}

/** The next line; `undefined` if it does not come in time. Then that line is lost. */
async function lineBefore(end: number, lines: AsyncIterator<string>): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, end - performance.now(), undefined);
  });
  const line = await Promise.race([lines.next(), over]);
  clearTimeout(timer);
  if (line === undefined || performance.now() >= end) return undefined;
  if (line.done !== true) return line.value;
  throw new Error('the other process ended');
}

/** The next line, or the end of the connection if none comes in time. */
async function nextLine(socket: Socket, lines: AsyncIterator<string>, limitMs: number): Promise<string> {
  const timer = setTimeout(() => {
    socket.destroy();
  }, limitMs);
  const line = await lines.next();
  clearTimeout(timer);
  if (line.done !== true) return line.value;
  throw new Error(`the other process ended, or sent nothing within ${limitMs} ms`);
}

/** A connection to the holder, on which it has greeted. */
interface HolderConnection {
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

  const reply = async <T>(limitMs: number): Promise<T> =>
    JSON.parse(await nextLine(socket, lines, limitMs)) as T;

  const ask = async (request: Partial<Request>): Promise<Row[]> => {
    send(socket, request);
    const { rows, error } = await reply<Answer>(QUERY_LIMIT_MS);
    if (rows !== undefined) return rows;
    throw Object.assign(new Error(error?.message), { code: error?.code });
  };
  const query: Query = (sql, parameters = []) => ask({ sql, parameters: [...parameters] });

  const greeting = await reply<{ hello: Holder }>(GREETING_LIMIT_MS).catch(() => undefined);
  return {
    holder: greeting?.hello,
    async database() {
      await reply(OPENING_LIMIT_MS);
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
