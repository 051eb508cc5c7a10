/**
 * `dockhook doctor --probe`: real MQTT through the real broker shows that clients are refused that must be refused, and
 * that a dock gets its reply.
 *
 * It is harmless on a broker that docks use. Client ids are random, so it takes over no session. Its one request only asks
 * whether a device is bound. Its update_topo, and what it publishes under a foreign SN, is under an SN that no device has.
 * A filter that the broker grants and should not grant is unsubscribed at once.
 */
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { command } from '../../command.js';
import type { TLSSocket } from 'node:tls';
import { PROBE_ACCOUNT } from '../../access/unsafe-names.js';
import { messageOf } from '../../errors.js';
import type { Finding } from '../../finding.js';
import { closeMqtt, connackCode, connectMqtt, type MqttOptions } from '../../simulator/mqtt-connect.js';
import type { BrokerWords } from '../brokers.js';
import { checkCertificate } from '../certificate.js';
import { requestIsAnswered } from './request.js';
import { limitTime, type Client, type DockSession } from './session.js';
import { foreignFilters, foreignPublish, ownReplies } from './topics.js';
import { updateTopoIsAnswered } from './update-topo.js';

export interface ConnectOptions extends Pick<MqttOptions, 'url' | 'tls' | 'protocolVersion' | 'timeoutMs'> {
  /** An account of a dock, and an SN that it may act as. */
  dock: { username: string; password: string; gateway: string };
  /** An SN that no device has. */
  foreign: string;
  /** How findings speak of the broker. */
  broker: BrokerWords;
  /** An account that may subscribe to everything below both SNs, to see what other clients would see. */
  watcher?: { username: string; password: string };
  /** Ends the probe; it rejects then. */
  signal: AbortSignal;
}

/** Connects as strangers, then as the dock. Takes no longer than some steps of `timeoutMs`. */
export async function probeConnects(options: ConnectOptions): Promise<Finding[]> {
  const clients: Client[] = [];
  const connect: Connect = async (clientId, who) => {
    const { url, tls, protocolVersion, timeoutMs, signal } = options;
    signal.throwIfAborted();
    try {
      const client = await connectMqtt({ url, tls, protocolVersion, timeoutMs, signal, clientId, ...who });
      clients.push(client);
      return { client };
    } catch (error) {
      signal.throwIfAborted();
      const code = connackCode(error);
      return code === undefined ? { fault: messageOf(error) } : { refused: code, text: messageOf(error) };
    }
  };
  try {
    const findings: Finding[] = [];
    for (const stranger of STRANGERS) {
      const attempt = await connect(newClientId(options.dock.gateway), stranger.who(options.dock));
      if ('fault' in attempt) return [...findings, unreachable(attempt.fault)];
      findings.push(strangerFinding(stranger, attempt, options.broker));
      if ('client' in attempt) await closeMqtt(attempt.client);
    }
    return [...findings, ...(await probeAsDock(options, connect))];
  } finally {
    await Promise.all(clients.map((client) => closeMqtt(client)));
  }
}

async function probeAsDock(options: ConnectOptions, connect: Connect): Promise<Finding[]> {
  const { dock, foreign, broker, watcher, url, timeoutMs, protocolVersion, signal } = options;
  const attempt = await connect(newClientId(dock.gateway), dock);
  if ('fault' in attempt) return [unreachable(attempt.fault)];
  if ('refused' in attempt) return [dockRefused(attempt.text)];
  const watching = watcher && (await connect(`dockhook-${hex()}`, watcher));
  const session: DockSession = {
    client: attempt.client,
    watcher: watching && 'client' in watching ? watching.client : undefined,
    gateway: dock.gateway,
    ...{ foreign, broker, timeoutMs, protocolVersion },
    within: limitTime(timeoutMs, signal),
  };
  const accepted = 'a dock with its account and password is let in';
  const subscribed = await ownReplies(session);
  const findings: Finding[] = [
    { level: 'ok', code: 'probe_dock_accepted', what: accepted },
    ...servedCertificate(attempt.client, url),
    subscribed,
  ];
  if (subscribed.level === 'error') return findings;
  // One after the other: each has the connection to itself.
  const steps = [
    requestIsAnswered,
    ...(watcher ? [updateTopoIsAnswered] : []),
    foreignPublish,
    foreignFilters,
  ];
  for (const step of steps) {
    // Some brokers are set to end the connection of a client that is refused.
    if (!session.client.connected) {
      const again = await connect(newClientId(dock.gateway), dock);
      if (!('client' in again)) return [...findings, connectionLost()];
      session.client = again.client;
    }
    findings.push(await step(session));
    signal.throwIfAborted();
  }
  return findings;
}

interface Login {
  username?: string;
  password?: string;
}
type Connect = (clientId: string, who: Login) => Promise<Attempt>;
type Attempt = { client: Client } | { refused: number; text: string } | { fault: string };

/** A client that must be refused. */
interface Stranger {
  code: string;
  what: string;
  why: string;
  who: (dock: ConnectOptions['dock']) => Login;
}

const STRANGERS: readonly Stranger[] = [
  {
    code: 'probe_anonymous',
    what: 'a client without account',
    why: 'anybody who reaches the broker can connect: the broker does not ask dockhook, or something else accepts clients',
    who: () => ({}),
  },
  {
    code: 'probe_wrong_password',
    what: 'a client with a wrong password',
    why: 'passwords protect nothing: something other than dockhook accepts clients',
    who: ({ username }) => ({ username, password: randomUUID() }),
  },
  {
    code: 'probe_unknown_account',
    what: 'a client with an account that does not exist',
    why: 'any account name is accepted: something other than dockhook accepts clients, or DOCKHOOK_UNKNOWN_ACCOUNTS is ignore and the broker has no accounts of its own',
    who: () => ({ username: `${PROBE_ACCOUNT}${hex()}`, password: randomUUID() }),
  },
];

function strangerFinding(
  { code, what, why }: Stranger,
  attempt: Exclude<Attempt, { fault: string }>,
  { configure }: BrokerWords,
): Finding {
  if ('refused' in attempt) {
    return { level: 'ok', code: `${code}_refused`, what: `${what} is refused (CONNACK ${attempt.refused})` };
  }
  return {
    level: 'error',
    code: `${code}_accepted`,
    what: `the broker let in ${what}`,
    why,
    fix: [configure],
  };
}

function unreachable(fault: string): Finding {
  return {
    level: 'error',
    code: 'probe_unreachable',
    what: fault,
    why: 'a dock would fail in the same way; the rest of the probe was not tried',
    fix: [
      'give the address that docks use: --broker URL',
      'if the broker has a certificate of your own CA: --ca FILE',
    ],
  };
}

function connectionLost(): Finding {
  return {
    level: 'error',
    code: 'probe_interrupted',
    what: 'the broker ended the connection during the probe, and refused the next one',
    why: 'the rest of the probe was not tried',
    fix: ['look at the log of the broker'],
  };
}

function dockRefused(text: string): Finding {
  return {
    level: 'error',
    code: 'probe_dock_refused',
    what: text,
    why: 'docks with the right password are refused, too: the broker does not reach dockhook, or dockhook uses another database than this command',
    fix: [
      `look at the log of dockhook serve, and at EMQX: ${command('emqx', 'status')}`,
      'give this command the DATABASE_URL of the server',
    ],
  };
}

/** The certificate that a dock sees. */
function servedCertificate({ stream }: Client, url: string): Finding[] {
  const certificate = (stream as Partial<TLSSocket>).getPeerX509Certificate?.();
  return certificate
    ? checkCertificate(certificate, { port: 'mqtt', where: `at ${new URL(url).host}`, forDocks: true })
    : [];
}

/** A client id that nobody uses, with the SN in it and no other part that could be one, so that every scope accepts it. */
function newClientId(gateway: string): string {
  return `${gateway}-probe-${randomInt(2 ** 47)}`;
}

function hex(): string {
  return randomBytes(6).toString('hex');
}
