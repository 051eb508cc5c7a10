/**
 * One MQTT connection on the npm `mqtt` client that never reconnects. A fault on the way in becomes a
 * `DockhookError('failed')` that names the layer (network, TLS, MQTT), the likely reason, and what to do.
 */
import type { Socket } from 'node:net';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { DockhookError, messageOf } from '../errors.js';

/** What a client shows and trusts with TLS, as PEM. Without a CA, it trusts those that Node.js knows. */
export interface ClientTls {
  ca?: string | Buffer;
  cert?: string | Buffer;
  key?: string | Buffer;
}

export interface MqttOptions {
  /** `mqtt://host:port` or `mqtts://host:port` */
  url: string;
  /** Without one, the client sends neither name nor password. */
  username?: string;
  password?: string;
  clientId: string;
  tls: ClientTls;
  /** MQTT 3.1.1 (4) or 5. */
  protocolVersion: 4 | 5;
  /** From the first packet to the CONNACK. */
  timeoutMs: number;
  /** Cuts the connection, also while it is being made. */
  signal?: AbortSignal;
}

/** Rejects with `failed`, or with `usage` if the URL is not one of a broker. */
export async function connectMqtt(options: MqttOptions): Promise<MqttClient> {
  const { clientId, username, password, protocolVersion, timeoutMs } = options;
  const { protocol, host } = brokerUrl(options.url);
  const settings: IClientOptions = {
    ...options.tls,
    ...{ clientId, protocolVersion, clean: true, reconnectPeriod: 0, connectTimeout: timeoutMs },
  };
  if (username !== undefined) settings.username = username;
  if (password !== undefined) settings.password = password;
  const client = mqtt.connect(`${protocol}//${host}`, settings);
  // Otherwise Nagle's algorithm adds 40 ms to most requests, but the steps must show the server's time.
  client.once('connect', () => (client.stream as Partial<Socket>).setNoDelay?.(true));
  // mqtt.js may report more than one error, and an 'error' without a listener ends the process.
  client.on('error', () => undefined);
  options.signal?.addEventListener('abort', () => client.end(true), { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => {
        resolve();
      });
      client.once('error', reject);
      client.once('close', () => {
        reject(
          Object.assign(new Error('the connection closed before the broker answered'), { code: CLOSED }),
        );
      });
    });
    return client;
  } catch (cause) {
    await client.endAsync(true);
    throw failed(explain(cause, `${protocol}//${host}`, username), cause);
  }
}

/** Ends a connection, with a DISCONNECT if the broker answers. It takes a second at most. */
export async function closeMqtt(client: MqttClient): Promise<void> {
  // A clean end waits for missing acknowledgements, and then for the broker: neither may come.
  const waits = Object.keys(client.outgoing).length > 0;
  const ended = client.endAsync(waits || !client.connected);
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CLOSE_LIMIT_MS).unref();
  });
  await Promise.race([ended, enough]);
  clearTimeout(timer);
  client.stream.destroy();
}

/** The CONNACK code of a connect that the broker refused; `undefined` if it failed on the way there. */
export function connackCode(error: unknown): number | undefined {
  const code = error instanceof DockhookError ? codeOf(error.cause) : undefined;
  return typeof code === 'number' ? code : undefined;
}

/** The codes of the SUBACK, one for each filter; from 128 on it is a refusal. Rejects with mqtt.js' error. */
export async function subscribeCodes(client: MqttClient, filters: string[]): Promise<number[]> {
  try {
    const granted = await client.subscribeAsync(filters, { qos: 1 });
    return granted.map(({ qos }) => qos);
  } catch (cause) {
    // mqtt.js turns the whole SUBACK into an error if one of its codes is a refusal.
    const { packet } = cause as { packet?: { granted?: number[] } };
    if (packet?.granted) return packet.granted;
    throw cause;
  }
}

/** The error for what the broker or the network does; `message` says what to check. */
export function failed(message: string, cause?: unknown): DockhookError {
  return new DockhookError('failed', message, { cause });
}

/** The address of a broker, without credentials. Throws `usage`. */
export function brokerUrl(text: string): URL {
  // DJI Pilot 2 wants tcp:// and people will type the same here.
  const spelt = text.replace(/^tcp:/, 'mqtt:').replace(/^(ssl|tls):/, 'mqtts:');
  const url = URL.canParse(spelt) ? new URL(spelt) : undefined;
  if (url?.hostname && (url.protocol === 'mqtt:' || url.protocol === 'mqtts:')) return url;
  const hint = /^wss?:/.test(text) ? ', without WebSocket' : '';
  throw new DockhookError(
    'usage',
    `the broker must be given as mqtt://host:1883 or mqtts://host:8883${hint}`,
  );
}

const CLOSE_LIMIT_MS = 1000;
const CLOSED = 'CLOSED';

function codeOf(error: unknown): number | string | undefined {
  return (error as { code?: number | string } | undefined)?.code;
}

/** From the code of the CONNACK, the network or TLS, to what to check. */
function explain(cause: unknown, broker: string, username: string | undefined): string {
  const code = codeOf(cause);
  if (typeof code === 'number') return explainConnack(code, broker, username);
  // Keep only the words of OpenSSL's lines.
  const why = messageOf(cause).replace(/^.*SSL routines:[^:]*:([^:]+):.*$/s, '$1');
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens at ${broker}: check address and port, and that the broker runs`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name in ${broker} is not known: check it for typing errors`;
    case CLOSED:
      return (
        `could not connect to ${broker} (${why}): ` +
        (broker.startsWith('mqtts:')
          ? 'check that this is the TLS port, and whether it wants another client certificate (--cert, --key); the log of the broker says why'
          : 'if this is the TLS port, write mqtts://; else see the log of the broker')
      );
  }
  return (
    explainTls(`${code ?? ''} ${why}`, broker, why) ??
    `could not connect to ${broker} (${why}): check address, port, and the network and firewalls between`
  );
}

/** CONNACK codes of MQTT 3.1.1 and of 5. */
function explainConnack(code: number, broker: string, username: string | undefined): string {
  const who = username === undefined ? 'a client without a name' : `account "${username}"`;
  switch (code) {
    case 4:
    case 5:
    case 134:
    case 135:
      return (
        `the broker at ${broker} refused ${who} (CONNACK ${code}): check the account name and ` +
        'password, that the account is neither disabled nor expired, and that the ExHook server and its database ' +
        'run; its log says why'
      );
    case 1:
    case 132:
      return `the broker at ${broker} does not speak this version of MQTT (CONNACK ${code}): choose the other one`;
    case 2:
    case 133:
      return `the broker at ${broker} does not accept this client id (CONNACK ${code})`;
    default:
      return `the broker at ${broker} did not let in ${who} (CONNACK ${code}): see the log of the broker`;
  }
}

/** What OpenSSL says, on this side or in an alert from the other; `undefined` if it is not about TLS. */
function explainTls(text: string, broker: string, why: string): string | undefined {
  if (/WRONG_VERSION_NUMBER|wrong version number|packet length too long/i.test(text)) {
    return `${broker} answers without TLS: write mqtt://, or use its TLS port`;
  }
  if (/before secure TLS connection/.test(text)) {
    return `${broker} closed the connection during the TLS handshake: check that this is its TLS port, and its log`;
  }
  if (/alert.*certificate.required|alert.*handshake.failure/i.test(text)) {
    return `${broker} wants a client certificate: give it with --cert FILE and --key FILE`;
  }
  if (/alert.*(certificate|unknown.ca)/i.test(text)) {
    return `${broker} did not accept the client certificate (${why}): it must be valid, and signed by the CA that the listener trusts`;
  }
  if (/ALTNAME|does not match certificate/i.test(text)) {
    return `the TLS certificate of ${broker} is for another name (${why}): use a name that it holds; a dock refuses it, too`;
  }
  if (/EXPIRED|NOT_YET_VALID/.test(text)) {
    return `the TLS certificate of ${broker} is not valid today (${why}): renew it, and check the clock of this machine`;
  }
  if (/certificate|self.signed/i.test(text)) {
    return `the TLS certificate of ${broker} comes from a CA that is not trusted here (${why}): give that CA with --ca FILE`;
  }
  return undefined;
}
