/**
 * The floor: an ExHook server on dockhook's stack (same proto, same library, same settings) that gives one fixed
 * answer to each method, whatever is asked; if told to, after it has read one row of PostgreSQL, the floor of a method
 * that reads. A process of its own, told its answers by its parent; it takes a port if one is named.
 */
import { Server, ServerCredentials, type handleUnaryCall } from '@grpc/grpc-js';
import { MAX_REQUEST_BYTES } from '../../src/exhook/server.js';
import { hookProvider } from '../../src/exhook/proto.js';
import type { Database } from '../../src/stores/database.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';

/** What the parent sends: the answer to a method from now on, as protobuf bytes in base64. */
export interface NoopAnswer {
  method: string;
  answer: string;
  /** It comes so much later, in milliseconds. */
  delayMs?: number;
  /** URL of the database of which each call reads a row by its key. */
  reads?: string;
}

const ONE_ROW = 'SELECT key, value FROM public.dockhook_settings WHERE key = ANY($1)';

/** Waits for what comes before the answer, which then is to be sent. */
type Before = (send: () => void) => void;

const service = hookProvider('v3');
const answers = new Map<string, { answer: object; before: Before }>();

function fixed(method: string): handleUnaryCall<unknown, object> {
  return (_call, respond) => {
    const { answer, before } = answers.get(method) ?? { answer: {}, before: nothing };
    before(() => {
      respond(null, answer);
    });
  };
}

function nothing(send: () => void): void {
  send();
}

let database: Database | undefined;

function beforeOf({ delayMs = 0, reads }: NoopAnswer): Before {
  if (delayMs > 0) return (send) => setTimeout(send, delayMs);
  if (reads === undefined) return nothing;
  const { query } = (database ??= connectPostgres(reads));
  return (send) =>
    void query(ONE_ROW, [['license']]).then((rows) => {
      if (rows.length !== 1) throw new Error('the row to be read is not there');
      send();
    });
}

process.on('message', (told: NoopAnswer) => {
  const { method, answer } = told;
  const decoded = service[method]!.responseDeserialize(Buffer.from(answer, 'base64')) as object;
  answers.set(method, { answer: decoded, before: beforeOf(told) });
  process.send!({ method });
});
process.on('disconnect', () => process.exit());

const server = new Server({ 'grpc.max_receive_message_length': MAX_REQUEST_BYTES });
server.addService(service, Object.fromEntries(Object.keys(service).map((method) => [method, fixed(method)])));
server.bindAsync(`127.0.0.1:${process.argv[2] ?? '0'}`, ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.send!({ port });
});
