/**
 * `dockhook doctor --probe`: real MQTT through the real broker proves that who must not get in is refused, and
 * that a dock gets its reply.
 *
 * Harmless on a broker that docks use: client ids are random, so no session is taken over; the one request only
 * asks whether a device is bound; what is published under a foreign SN is under one that no device has, and
 * filters that were granted and should not be are given back at once.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { PROBE_ACCOUNT } from '../../access/safe-names.js';
import { closeMqtt, connackCode, connectMqtt, type MqttOptions } from '../../simulator/mqtt-connect.js';
import { messageOf } from '../../errors.js';
import { checkCertificate } from '../certificate.js';
import type { Finding } from '../../finding.js';
import { foreignFilters, foreignPublish, ownReplies, reply, withinOf, type Dock } from './dock-session.js';

export interface ProbeOptions extends Pick<MqttOptions, 'url' | 'tls' | 'protocolVersion' | 'timeoutMs'> {
  /** What a dock comes with. */
  dock: { username: string; password: string; gateway: string };
  /** An SN that no device has. */
  foreign: string;
  /** An account that may subscribe what lies under both SNs, to see what other clients would. */
  watcher?: { username: string; password: string };
  /** Ends the probe; it rejects then. */
  signal: AbortSignal;
}

/** Never takes longer than some steps of `timeoutMs`. */
export async function probe(options: ProbeOptions): Promise<Finding[]> {
  const { dock, watcher, signal } = options;
  const clients: Client[] = [];
  const connect = async (
    clientId: string,
    who: { username?: string; password?: string },
  ): Promise<Attempt> => {
    signal.throwIfAborted();
    const { url, tls, protocolVersion, timeoutMs } = options;
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
      const attempt = await connect(clientIdOf(dock.gateway), stranger.who(dock));
      if ('fault' in attempt) return [...findings, unreachable(attempt.fault)];
      findings.push(judged(stranger, attempt));
      if ('client' in attempt) await closeMqtt(attempt.client);
    }
    const attempt = await connect(clientIdOf(dock.gateway), dock);
    if ('fault' in attempt) return [...findings, unreachable(attempt.fault)];
    if ('refused' in attempt) return [...findings, dockRefused(attempt.text)];
    findings.push({
      level: 'ok',
      code: 'probe_dock_accepted',
      what: 'a dock with its account and password is let in',
    });
    findings.push(...servedCertificate(attempt.client, options.url));
    const watching = watcher && (await connect(`dockhook-${hex()}`, watcher));
    const session: Dock = {
      client: attempt.client,
      ...(watching && 'client' in watching ? { watcher: watching.client } : {}),
      gateway: dock.gateway,
      foreign: options.foreign,
      timeoutMs: options.timeoutMs,
      protocolVersion: options.protocolVersion,
      within: withinOf(options.timeoutMs, signal),
    };
    const subscribed = await ownReplies(session);
    findings.push(...subscribed);
    if (subscribed.some(({ level }) => level === 'error')) return findings;
    // One after the other: each has the connection to itself.
    for (const step of [reply, foreignPublish, foreignFilters]) {
      // A broker may be set to end the connection of who asks for too much.
      if (!session.client.connected) {
        const again = await connect(clientIdOf(dock.gateway), dock);
        if (!('client' in again)) return [...findings, connectionLost()];
        session.client = again.client;
      }
      findings.push(...(await step(session)));
      signal.throwIfAborted();
    }
    return findings;
  } finally {
    await Promise.all(clients.map((client) => closeMqtt(client)));
  }
}

type Client = Awaited<ReturnType<typeof connectMqtt>>;
type Attempt = { client: Client } | { refused: number; text: string } | { fault: string };

/** Who must not get in. */
interface Stranger {
  code: string;
  what: string;
  why: string;
  who: (dock: ProbeOptions['dock']) => { username?: string; password?: string };
}

const STRANGERS: readonly Stranger[] = [
  {
    code: 'probe_anonymous',
    what: 'a client without account',
    why: 'anybody who reaches the broker can come in: EMQX has no hooks, or something else says yes',
    who: () => ({}),
  },
  {
    code: 'probe_wrong_password',
    what: 'a client with a wrong password',
    why: 'a password protects nothing: something else than dockhook decides',
    who: ({ username }) => ({ username, password: randomUUID() }),
  },
  {
    code: 'probe_unknown_account',
    what: 'a client with an account that does not exist',
    why: 'any name opens the broker: something else than dockhook decides, or DOCKHOOK_UNKNOWN_ACCOUNTS is ignore and EMQX has no authenticator',
    who: () => ({ username: `${PROBE_ACCOUNT}${hex()}`, password: randomUUID() }),
  },
];

function judged({ code, what, why }: Stranger, attempt: Exclude<Attempt, { fault: string }>): Finding {
  if ('refused' in attempt) {
    return { level: 'ok', code: `${code}_refused`, what: `${what} is refused (CONNACK ${attempt.refused})` };
  }
  return {
    level: 'error',
    code: `${code}_accepted`,
    what: `the broker let in ${what}`,
    why,
    fix: [
      'dockhook emqx config prints a configuration that fails closed; dockhook emqx status shows whether the hooks are there',
    ],
  };
}

function unreachable(fault: string): Finding {
  return {
    level: 'error',
    code: 'probe_unreachable',
    what: fault,
    why: 'a dock would fail in the same way; nothing further could be tried',
    fix: [
      'give the address that a dock uses with --broker, and --ca FILE if the CA of the broker is your own',
    ],
  };
}

function connectionLost(): Finding {
  return {
    level: 'error',
    code: 'probe_interrupted',
    what: 'the broker ended the connection during the probe, and did not let it in again',
    why: 'the rest could not be tried',
    fix: ['see the log of the broker'],
  };
}

function dockRefused(text: string): Finding {
  return {
    level: 'error',
    code: 'probe_dock_refused',
    what: text,
    why: 'docks with right passwords are refused, too: the broker does not reach dockhook, or it has another database than this command',
    fix: [
      'see dockhook emqx status and the log of dockhook serve, and give this command the DATABASE_URL of the server',
    ],
  };
}

/** What a dock sees, and judges on its own. */
function servedCertificate({ stream }: Client, url: string): Finding[] {
  const certificate = (stream as Partial<TLSSocket>).getPeerX509Certificate?.();
  return certificate
    ? checkCertificate(certificate, { port: 'mqtt', where: `at ${new URL(url).host}`, forDocks: true })
    : [];
}

/** Names the dock, so that every scope takes it, and is nobody's. */
function clientIdOf(gateway: string): string {
  return `${gateway}-probe${hex()}`;
}

function hex(): string {
  return randomBytes(6).toString('hex');
}
