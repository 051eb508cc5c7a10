/**
 * What the process that holds a data directory and a command say to each other over the directory's socket: JSON, one
 * object a line.
 *
 * The holder greets with `{hello: {pid, command}}`, and says `{ready: true}` once its database is open. Then it answers
 * each `{sql, parameters}`, in order, with `{rows}` or `{error: {message, code}}`. `{transaction: "begin"}` begins a
 * transaction, `{transaction: "commit"}` or `"rollback"` ends it; both are answered, too. Meanwhile the queries of
 * everybody else wait, so a transaction that takes too long is rolled back: its next request is answered with an error,
 * and the connection ends. A transaction is also rolled back if the connection ends.
 */
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Ending, Row } from '../stores/database.js';

/** The process that holds a data directory. */
export interface Holder {
  pid: number;
  command: string;
}

/** What a command sends to the holder. */
export type Request = { sql: string; parameters: readonly unknown[] } | { transaction: 'begin' | Ending };

/** Either `rows` or `error`; `code` is the SQLSTATE. */
export interface Answer {
  rows?: Row[];
  error?: { message: string; code: string | undefined };
}

/** One side of a connection. */
export interface Channel {
  send(message: object): void;
  /** The next message. Rejects when the connection has ended. */
  receive<T>(): Promise<T>;
  /** Likewise, or `undefined` if none comes in time; then that message is lost. */
  receiveWithin<T>(limitMs: number): Promise<T | undefined>;
}

/** A broken socket ends the messages: `receive` then rejects. */
export function openChannel(socket: Socket): Channel {
  const reader = createInterface({ input: socket });
  const lines = reader[Symbol.asyncIterator]();
  socket.on('error', () => undefined);
  socket.on('close', () => {
    reader.close();
  });
  const receive = async <T>(): Promise<T> => {
    const line = await lines.next();
    if (line.done === true) throw new Error('the other process ended the connection');
    return JSON.parse(line.value) as T;
  };
  return {
    send(message) {
      if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`);
    },
    receive,
    receiveWithin<T>(limitMs: number) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<undefined>((resolve) => {
        timer = setTimeout(resolve, limitMs, undefined);
      });
      return Promise.race([receive<T>(), late]).finally(() => {
        clearTimeout(timer);
      });
    },
  };
}
