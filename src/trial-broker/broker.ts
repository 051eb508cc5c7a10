/**
 * An MQTT 3.1.1 broker (aedes) that asks an ExHook server what EMQX asks, over real gRPC: for `dockhook dev`
 * and for tests, where no EMQX is at hand. It owns sessions, order and fan-out; the gRPC side is
 * `exhook-client.ts`. It knows nothing of docks.
 *
 * Unlike EMQX: no MQTT 5, no TLS, no shared subscriptions; every session is clean, nothing outlives a
 * connection; `$` topics belong to the broker alone; a message that is replied to or dropped is not retained;
 * OnClientConnected does not hold back the CONNACK.
 */
import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Aedes, type Client, type PublishPacket } from 'aedes';
import { DockhookError, messageOf } from '../errors.js';
import type { PublishVerdict } from '../hooks.js';
import { formatListen, type Listen } from '../listen.js';
import { authorizeCache, type AskOnce } from './authorize-cache.js';
import { connectExhook, type ClientInfo, type ExhookClient, type ExhookMessage } from './exhook-client.js';

interface BrokerOptions {
  /** Port 0 picks a free one. */
  listen: Listen;
  /** `host:port` of the ExHook server. */
  exhook: string;
  /** Node name to tell the ExHook server. */
  node?: string;
  /** Hears of each client that was refused because it speaks MQTT 5; the ExHook server is not asked about it. */
  onMqtt5?: (client: ClientInfo) => void;
  /** Hears every failed ExHook call and every fault inside the broker; none of them stops the broker. */
  onError?: (error: Error) => void;
}

/** A broker that takes connections already. */
export interface Broker {
  host: string;
  port: number;
  /** Cuts all connections; last wills are not published. */
  close(): Promise<void>;
}

/** What is known of one accepted connection. */
interface Session {
  info: ClientInfo;
  askOnce: AskOnce;
  /** EMQX's word for why it ended, once that is known. Otherwise it follows from how the connection closed. */
  endReason?: string;
}

type InTurn = (clientId: string, work: () => Promise<void>) => void;

interface Sessions {
  exhook: ExhookClient;
  /** Of every accepted connection. */
  sessions: WeakMap<Client, Session>;
  /** The one session of each client id that is open. */
  live: Map<string, Session>;
  inTurn: InTurn;
}

/**
 * A topic that no client can subscribe to, for messages that nobody may get. aedes has no other way to acknowledge a
 * publish and keep the connection without delivering it.
 */
const NOWHERE = '$nowhere';

/**
 * Starts listening. Resolves after the first attempt to load the ExHook server's hooks; until one succeeds
 * every client is refused. Rejects with `usage` if the address cannot be listened on.
 */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { listen, exhook: address, node = 'dockhook@127.0.0.1', onError = () => undefined } = options;
  const { onMqtt5 = () => undefined } = options;
  const exhook = connectExhook({ address, node, onError });
  const aedes = await createAedes(exhook, { node, onError, onMqtt5 });
  const sockets = new Set<Socket>();
  // Otherwise a PUBACK holds back the reply after it for 40 ms (Nagle's algorithm and delayed acknowledgement).
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    aedes.handle(socket);
  });

  async function close(): Promise<void> {
    exhook.close();
    const stopped = new Promise((resolve) => server.close(resolve));
    await new Promise<void>((resolve) => {
      aedes.close(resolve);
      for (const socket of sockets) socket.destroy();
    });
    await stopped;
  }

  try {
    const port = await listenOn(server, listen);
    await exhook.firstLoad;
    return { host: listen.host, port, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** An aedes that asks the ExHook server for every decision. */
async function createAedes(
  exhook: ExhookClient,
  { node, onError, onMqtt5 }: Required<Pick<BrokerOptions, 'node' | 'onError' | 'onMqtt5'>>,
): Promise<Aedes> {
  const sessions: Sessions['sessions'] = new WeakMap();
  const live: Sessions['live'] = new Map();
  const wills = new WeakSet<object>();
  const inTurn = turns(onError);

  const aedes = await Aedes.createBroker({
    preConnect(client, connect, done) {
      // aedes refuses it next, with return code 1, and tells nobody.
      if (connect.protocolVersion === 5) {
        onMqtt5({ ...clientInfo(client, connect.username ?? '', node), clientid: connect.clientId });
      }
      // aedes keeps refused filters of a persistent session and would queue messages for them.
      connect.clean = true;
      if (connect.will) wills.add(connect.will);
      done(null, true);
    },

    authenticate(client, username = '', password = Buffer.alloc(0), done) {
      const info = clientInfo(client, username, node);
      void exhook.authenticate(info, password).then((allowed) => {
        if (allowed) {
          sessions.set(client, { info, askOnce: authorizeCache() });
          const replaced = live.get(client.id);
          if (replaced) replaced.endReason = 'discarded';
        }
        done(null, allowed);
      });
    },

    authorizeSubscribe(client, subscription, done) {
      const session = sessions.get(client);
      inTurn(client.id, async () => {
        const allowed =
          session !== undefined && (await mayAct(exhook, session, 'SUBSCRIBE', subscription.topic));
        done(null, allowed ? subscription : null);
      });
    },

    authorizePublish(client, packet, done) {
      const session = client && sessions.get(client);
      inTurn(client?.id ?? '', async () => {
        const verdict: PublishVerdict = session
          ? await decide(exhook, session, packet, wills.has(packet))
          : { kind: 'drop' };
        if (verdict.kind !== 'pass') Object.assign(packet, { topic: NOWHERE, retain: false });
        // First the acknowledgement, then the reply: the order a client of EMQX sees.
        done(null);
        if (verdict.kind === 'reply') publishReply(aedes, verdict, onError);
      });
    },
  });

  tellOfSessions(aedes, { exhook, sessions, live, inTurn });
  // aedes' types lack this event, and without a listener it is fatal.
  (aedes as EventEmitter).on('error', onError);
  return aedes;
}

/** Tells the ExHook server who came, who went, and why. */
function tellOfSessions(aedes: Aedes, { exhook, sessions, live, inTurn }: Sessions): void {
  aedes.on('client', (client) => {
    const session = sessions.get(client);
    if (!session) return;
    live.set(client.id, session);
    inTurn(client.id, () => exhook.connected(session.info));
  });
  aedes.on('keepaliveTimeout', (client) => {
    const session = sessions.get(client);
    if (session) session.endReason = 'keepalive_timeout';
  });
  aedes.on('clientDisconnect', (client) => {
    const session = sessions.get(client);
    if (!session) return;
    if (live.get(client.id) === session) live.delete(client.id);
    inTurn(client.id, () => exhook.disconnected(session.info, endReason(client, session)));
  });
}

/** Runs the work of each client id one after the other, as EMQX's client processes do. */
function turns(onError: (error: Error) => void): InTurn {
  const last = new Map<string, Promise<void>>();
  return (clientId, work) => {
    const turn = (last.get(clientId) ?? Promise.resolve())
      .then(work)
      .catch((error: unknown) => {
        onError(error instanceof Error ? error : new Error(messageOf(error)));
      })
      .finally(() => {
        if (last.get(clientId) === turn) last.delete(clientId);
      });
    last.set(clientId, turn);
  };
}

async function mayAct(
  exhook: ExhookClient,
  { info, askOnce }: Session,
  type: 'PUBLISH' | 'SUBSCRIBE',
  topic: string,
): Promise<boolean> {
  if (topic.startsWith('$')) return false;
  return askOnce(`${type} ${topic}`, () => exhook.authorize(info, type, topic));
}

async function decide(
  exhook: ExhookClient,
  session: Session,
  packet: PublishPacket,
  isWill: boolean,
): Promise<PublishVerdict> {
  if (!(await mayAct(exhook, session, 'PUBLISH', packet.topic))) return { kind: 'drop' };
  return exhook.publish(exhookMessage(session.info, packet, isWill));
}

function publishReply(
  aedes: Aedes,
  { topic, payload, qos }: PublishVerdict & { kind: 'reply' },
  onError: (error: Error) => void,
): void {
  if (topic === '' || /[+#]/.test(topic) || (qos !== 0 && qos !== 1 && qos !== 2)) {
    const what = `to topic "${topic}", QoS ${qos}`;
    onError(
      new DockhookError('failed', `the ExHook server rewrote a message ${what}: not publishable, dropped`),
    );
    return;
  }
  aedes.publish({ cmd: 'publish', topic, payload, qos, retain: false, dup: false }, (error) => {
    if (error) onError(error);
  });
}

function clientInfo(client: Client, username: string, node: string): ClientInfo {
  const { remoteAddress = '', remotePort = 0, localPort = 0 } = client.conn as Socket;
  return {
    node,
    clientid: client.id,
    username,
    // EMQX prints an IPv4 peer of a dual-stack socket as IPv4.
    peerhost: remoteAddress.replace(/^::ffff:/, ''),
    peerport: remotePort,
    sockport: localPort,
  };
}

/** A message as EMQX reports it; for a will, only the username says where it comes from. */
function exhookMessage(info: ClientInfo, packet: PublishPacket, isWill: boolean): ExhookMessage {
  return {
    node: info.node,
    id: randomUUID().replaceAll('-', '').toUpperCase(),
    qos: packet.qos,
    from: info.clientid,
    topic: packet.topic,
    payload: Buffer.from(packet.payload),
    timestamp: Date.now(),
    headers: {
      ...(info.username !== '' && { username: info.username }),
      ...(!isWill && { protocol: 'mqtt', peerhost: info.peerhost }),
    },
  };
}

function endReason(client: Client, session: Session): string {
  // aedes notes a DISCONNECT packet in this field and nowhere else.
  const said = (client as Client & { _disconnected?: boolean })._disconnected === true;
  return session.endReason ?? (said ? 'normal' : 'tcp_closed');
}

async function listenOn(server: Server, listen: Listen): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'another program listens there' : messageOf(cause);
      reject(
        new DockhookError(
          'usage',
          `cannot listen for MQTT on ${formatListen(listen)} (${why}): stop that program, or choose another address ` +
            'with DOCKHOOK_MQTT_LISTEN or --mqtt-listen, 127.0.0.1:1884 for example',
          { cause },
        ),
      );
    });
    server.listen(listen.port, listen.host, resolve);
  });
  return (server.address() as AddressInfo).port;
}
