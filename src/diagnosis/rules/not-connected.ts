/** A dock that is not connected, if no other rule says why: it never came, did nothing, or its last session ended. Pure. */
import { addAccount } from '../../fixes.js';
import type { DockFinding } from '../dock-finding.js';
import { listingAccounts, type DockFacts } from '../facts.js';
import type { History } from '../history.js';
import { CONNECTING_MS } from './requests.js';

/** Finds nothing if there is any entry for this SN, even a refused one. */
export function neverSeen({ entries, sessions }: History, facts: DockFacts): DockFinding | undefined {
  if (entries.length > 0 || sessions.length > 0) return undefined;
  const hasAccount = listingAccounts(facts).length > 0;
  return {
    code: 'never_seen',
    level: 'error',
    state: 'never seen',
    since: 0,
    brief: 'it never tried to connect',
    what: 'dockhook saw no connect of this dock in the last 30 days, accepted or refused.',
    fix: [
      ...(hasAccount ? [] : [`no account lists it: ${addAccount('NAME', facts.sn)}`]),
      'check the MQTT gateway address in DJI Pilot 2: tcp://host:1883, or ssl://host:8883 for TLS. The dock must be able to reach it',
      'check that the broker asks dockhook: dockhook doctor (EMQX), or the lines "dockhook:" in the log of Mosquitto',
    ],
  };
}

/** A yes of dockhook, and then nothing: the broker itself refused the client, or does not ask dockhook about topics. */
export function onlyLetIn({ letIn }: History, { now }: DockFacts): DockFinding | undefined {
  if (letIn === undefined || now - letIn.at < CONNECTING_MS) return undefined;
  const { clientId, account, at } = letIn;
  return {
    code: 'only_let_in',
    level: 'error',
    state: 'stopped at connect',
    since: at,
    brief: 'let in, but it uses no topic',
    what:
      `dockhook let in client id "${clientId}" with account "${account}", and has seen nothing of it since: no topic, no ` +
      'request, no end.',
    fix: [
      `look for client id "${clientId}" in the log of the broker, which may refuse it for a reason of its own`,
      'check what EMQX does by itself, and that it asks dockhook about topics: dockhook doctor',
      'check that this client is the dock itself, and not a remote controller or a test tool',
    ],
  };
}

/** Why a session ended, by the broker's word for it. Other words are shown as they are. */
const ENDS: Readonly<Record<string, string>> = {
  normal: 'it disconnected by itself',
  tcp_closed: 'the connection broke off',
  ssl_closed: 'the connection broke off',
  keepalive_timeout: 'nothing more came from it',
  protocol_error: 'it sent something that is not MQTT',
  // Mosquitto 2.0.
  unknown: 'the broker does not say why',
  kicked: 'an operator disconnected it, or its account was changed',
  takenover: 'another session with its client id took over',
  discarded: 'another session with its client id took over',
  node_restarted: 'the node of the broker that it was connected to started again',
};

/** Finds nothing while the dock has a session, or if none was seen to end. */
export function offline({ end }: History, facts: DockFacts): DockFinding | undefined {
  if (end === undefined) return undefined;
  const { detail = '' } = end.details;
  const why = ENDS[detail] ?? detail;
  const unbound = facts.bindings.has(facts.sn) ? '' : ' It was not bound to an organization yet.';
  return {
    code: 'offline',
    level: 'error',
    state: 'offline',
    since: end.lastAt,
    brief: why,
    what: `Its last session ended: ${why} (${detail}). It has not tried to connect since.${unbound}`,
    fix: [
      'check power and network of the dock',
      'a dock reconnects by itself; if it does not, restart it, or its cloud service in DJI Pilot 2',
    ],
  };
}
