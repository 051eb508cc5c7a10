/**
 * Asks a running dockhook what EMQX would ask for one client, over real gRPC, and takes nothing that comes
 * later than the two seconds in which a hook must answer, or the time that the test gives.
 */
import { connectExhook, type ClientInfo } from '../../src/trial-broker/exhook-client.js';

/**
 * In which EMQX wants an answer, in milliseconds. Only where the suite has the machine to itself (npm run chaos):
 * beside other suites, a late answer says more about them.
 */
const HOOK_LIMIT_MS = process.env['TEST_LONG'] === 'true' ? 2000 : 10_000;

export interface Asker {
  /** What EMQX would tell the client; rejects if no answer came in time, or none at all. */
  authenticate(password: string): Promise<boolean>;
  authorize(action: 'PUBLISH' | 'SUBSCRIBE', topic: string): Promise<boolean>;
  /** The `data` of the reply on the client's `requests` topic; `undefined` if the message was dropped or passed. */
  request(method: string, data: unknown, gateway?: string): Promise<Record<string, unknown> | undefined>;
  close(): void;
}

export async function connectAsker(
  grpc: string,
  { username, clientId }: { username: string; clientId: string },
  { limitMs = HOOK_LIMIT_MS } = {},
): Promise<Asker> {
  const faults: Error[] = [];
  const exhook = connectExhook({
    address: grpc,
    node: 'chaos@127.0.0.1',
    onError: (error) => faults.push(error),
  });
  await exhook.firstLoad;
  for (const fault of faults) throw fault;
  const client: ClientInfo = {
    node: 'chaos@127.0.0.1',
    clientid: clientId,
    username,
    peerhost: '192.0.2.1',
    peerport: 40000,
    sockport: 1883,
  };

  async function inTime<T>(what: string, answer: Promise<T>): Promise<T> {
    const before = faults.length;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`${what} was not answered within ${limitMs} ms`));
      }, limitMs);
    });
    try {
      const result = await Promise.race([answer, late]);
      // A failed call is a "no" to a client, and a fault here.
      if (faults.length > before) throw new Error(`${what} failed`, { cause: faults.at(-1) });
      return result;
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    authenticate: (password) => inTime('authenticate', exhook.authenticate(client, Buffer.from(password))),
    authorize: (action, topic) => inTime(`${action} ${topic}`, exhook.authorize(client, action, topic)),
    async request(method, data, gateway = clientId) {
      const verdict = await inTime(
        method,
        exhook.publish({
          node: client.node,
          id: '0006610319788C4C32DA0000026E0002',
          qos: 1,
          from: clientId,
          topic: `thing/product/${gateway}/requests`,
          payload: Buffer.from(JSON.stringify({ tid: 'T', bid: 'B', timestamp: 1, method, data })),
          timestamp: Date.now(),
          headers: { username, protocol: 'mqtt', peerhost: client.peerhost },
        }),
      );
      if (verdict.kind !== 'reply') return undefined;
      const reply = JSON.parse(verdict.payload.toString()) as { data: Record<string, unknown> };
      return reply.data;
    },
    close: () => {
      exhook.close();
    },
  };
}
