/**
 * The floor: an ExHook server on dockhook's stack (same proto, same library, same settings) that gives one fixed
 * answer to each method, whatever is asked. A process of its own, told its answers by its parent.
 */
import { Server, ServerCredentials, type handleUnaryCall } from '@grpc/grpc-js';
import { MAX_REQUEST_BYTES } from '../../src/exhook/server.js';
import { hookProvider } from '../../src/exhook/proto.js';

/** What the parent sends: the answer to a method from now on, as protobuf bytes in base64. */
export interface NoopAnswer {
  method: string;
  answer: string;
  /** It comes so much later, in milliseconds. */
  delayMs?: number;
}

const service = hookProvider('v3');
const answers = new Map<string, { answer: object; delayMs: number }>();

function fixed(method: string): handleUnaryCall<unknown, object> {
  return (_call, respond) => {
    const { answer, delayMs } = answers.get(method) ?? { answer: {}, delayMs: 0 };
    if (delayMs === 0) respond(null, answer);
    else setTimeout(respond, delayMs, null, answer);
  };
}

process.on('message', ({ method, answer, delayMs = 0 }: NoopAnswer) => {
  const decoded = service[method]!.responseDeserialize(Buffer.from(answer, 'base64')) as object;
  answers.set(method, { answer: decoded, delayMs });
  process.send!({ method });
});
process.on('disconnect', () => process.exit());

const server = new Server({ 'grpc.max_receive_message_length': MAX_REQUEST_BYTES });
server.addService(service, Object.fromEntries(Object.keys(service).map((method) => [method, fixed(method)])));
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.send!({ port });
});
