/** The holder's side of the socket: answers what commands ask, as `protocol.ts` says. */
import type { Socket } from 'node:net';
import { messageOf } from '../errors.js';
import { HELD_TRANSACTION_LIMIT_MS, sqlState, type Database, type Row } from '../stores/database.js';
import { openChannel, type Answer, type Channel, type Holder, type Request } from './protocol.js';

/** PostgreSQL's own code for a transaction that takes too long. */
const TRANSACTION_TIMEOUT = '25P04';

/** Answers a connecting process for as long as it stays. */
export async function serveDatabase(
  socket: Socket,
  holder: Holder,
  opening: Promise<Database>,
  transactionLimitMs = HELD_TRANSACTION_LIMIT_MS,
): Promise<void> {
  const channel = openChannel(socket);
  channel.send({ hello: holder });
  try {
    const database = await opening;
    channel.send({ ready: true });
    let answer: Answer = {};
    // What comes after a timeout still belongs to that transaction.
    while (answer.error?.code !== TRANSACTION_TIMEOUT) {
      const request = await channel.receive<Request>();
      answer = await answerOf(() =>
        'sql' in request
          ? database.query(request.sql, request.parameters)
          : serveTransaction(channel, database, transactionLimitMs),
      );
      channel.send(answer);
    }
  } catch {
    // The client left. Or the database did not open; whoever opens it says why.
  }
  // What was sent must still arrive.
  socket.destroySoon();
}

async function answerOf(work: () => Promise<Row[]>): Promise<Answer> {
  try {
    return { rows: await work() };
  } catch (error) {
    return { error: { message: messageOf(error), code: sqlState(error) } };
  }
}

/** Answers the requests of one transaction, all but the last. */
async function serveTransaction(channel: Channel, database: Database, limitMs: number): Promise<Row[]> {
  await database.transaction(async (query) => {
    const end = performance.now() + limitMs;
    channel.send({ rows: [] });
    for (;;) {
      const request = await channel.receiveWithin<Request>(end - performance.now());
      // A busy client is never late with a single request.
      if (request === undefined || performance.now() >= end) throw transactionTimeout(limitMs);
      if (!('sql' in request)) return request.transaction === 'commit' ? 'commit' : 'rollback';
      channel.send(await answerOf(() => query(request.sql, request.parameters)));
    }
  });
  return [];
}

function transactionTimeout(limitMs: number): Error {
  const message =
    `the transaction took longer than ${limitMs / 1000} s, in which the process that holds the database could ` +
    'answer nobody else; stop that process first, or do it in parts';
  return Object.assign(new Error(message), { code: TRANSACTION_TIMEOUT });
}
