/** A client as dockhook sees one: what EMQX would ask and tell about it, step by step, over real gRPC. */
import { randomBytes } from 'node:crypto';
import { connectExhook, type ClientInfo, type ExhookClient } from '../../src/trial-broker/exhook-client.js';

export interface Stage {
  /** A client that comes from this address; a new port for each. */
  client(options: { clientId: string; username: string; peerHost?: string }): Actor;
  close(): void;
}

export interface Actor {
  authenticate(password: string): Promise<boolean>;
  authorize(action: 'PUBLISH' | 'SUBSCRIBE', topic: string): Promise<boolean>;
  /** Its first topic, which shows that its session is up. */
  subscribe(gateway?: string): Promise<boolean>;
  disconnected(reason: string): Promise<void>;
  /** Connects and subscribes to replies, as this gateway if another is not named. */
  connect(password: string, gateway?: string): Promise<void>;
  /** The `data` of the reply, if there was one. */
  request(method: string, data?: unknown, more?: Sent): Promise<Record<string, unknown> | undefined>;
  /** Publishes an `update_topo`. */
  status(drone: string | undefined, more?: Sent): Promise<void>;
}

/** What a message has that is not as usual. */
export interface Sent {
  gateway?: string;
  tid?: string;
  timestamp?: number;
  messageId?: string;
  /** `domain-type-sub_type` in an `update_topo`. */
  modelKey?: string;
}

export async function openStage(grpc: string): Promise<Stage> {
  const exhook = connectExhook({
    address: grpc,
    node: 'emqx@test',
    name: 'EMQX',
    onError: (error) => {
      throw error;
    },
  });
  await exhook.firstLoad;
  let port = 40_000;
  return {
    client: ({ clientId, username, peerHost = '192.0.2.1' }) =>
      actorOf(exhook, {
        node: 'emqx@test',
        clientid: clientId,
        username,
        peerhost: peerHost,
        peerport: ++port,
        sockport: 1883,
      }),
    close: () => {
      exhook.close();
    },
  };
}

function actorOf(exhook: ExhookClient, client: ClientInfo): Actor {
  const newId = (): string => randomBytes(16).toString('hex').toUpperCase();
  const publish = (topic: string, method: string, data: unknown, { tid, timestamp, messageId }: Sent) =>
    exhook.publish({
      node: client.node,
      id: messageId ?? newId(),
      qos: 1,
      from: client.clientid,
      topic,
      payload: Buffer.from(
        JSON.stringify({ tid: tid ?? newId(), bid: 'B', timestamp: timestamp ?? Date.now(), method, data }),
      ),
      timestamp: Date.now(),
      headers: { username: client.username, protocol: 'mqtt', peerhost: client.peerhost },
    });
  const authenticate = (password: string): Promise<boolean> =>
    exhook.authenticate(client, Buffer.from(password));
  const subscribe = (gateway = client.clientid): Promise<boolean> =>
    exhook.authorize(client, 'SUBSCRIBE', `thing/product/${gateway}/requests_reply`);
  return {
    authenticate,
    authorize: (action, topic) => exhook.authorize(client, action, topic),
    subscribe,
    disconnected: (reason) => exhook.disconnected(client, reason),
    async connect(password, gateway) {
      if (!(await authenticate(password))) throw new Error(`${client.username} was refused`);
      await subscribe(gateway);
    },
    async request(method, data = {}, { gateway = client.clientid, ...more } = {}) {
      const verdict = await publish(`thing/product/${gateway}/requests`, method, data, more);
      if (verdict.kind !== 'reply') return undefined;
      return (JSON.parse(verdict.payload.toString()) as { data: Record<string, unknown> }).data;
    },
    async status(drone, { gateway = client.clientid, modelKey, ...more } = {}) {
      const sub_devices = drone === undefined ? [] : [{ sn: drone }];
      const [domain, type, sub_type] = modelKey?.split('-') ?? [];
      await publish(
        `sys/product/${gateway}/status`,
        'update_topo',
        { domain, type, sub_type, sub_devices },
        more,
      );
    },
  };
}
