/** A gateway that is not connected, if no other rule says why: it never came, did nothing, or its last session ended. Pure. */
import { command } from '../../command.js';
import { addAccount } from '../../fixes.js';
import { onBroker } from '../brokers.js';
import type { DockFinding } from '../dock-finding.js';
import { END_TEXTS, endOf } from '../ends.js';
import { listingAccounts, type DockFacts } from '../facts.js';
import { gatewayKind } from '../gateway-kind.js';
import type { History } from '../history.js';
import { CONNECTING_MS } from './requests.js';

/** Finds nothing if the gateway itself did anything. What others did in its name says nothing about it. */
export function neverSeen({ own }: History, facts: DockFacts): DockFinding | undefined {
  if (own.length > 0) return undefined;
  const hasAccount = listingAccounts(facts).length > 0;
  return {
    code: 'never_seen',
    level: 'error',
    state: 'never seen',
    since: 0,
    brief: 'it never tried to connect',
    what: 'dockhook let in no connect of this dock in the last 30 days, and refused none that can be its own.',
    fix: [
      ...(hasAccount ? [] : [`no account lists it: ${addAccount('NAME', facts.sn)}`]),
      'check the MQTT gateway address in DJI Pilot 2: tcp://host:1883, or ssl://host:8883 for TLS',
      'check from the network of the dock that it can reach that port. Firewalls block ports, and mobile operators were seen ' +
        'to cut 1883: then try 8883 with TLS',
      ...onBroker(facts, 'EMQX', `check that EMQX asks dockhook: ${command('doctor')}`),
      ...onBroker(facts, 'Mosquitto', 'check that Mosquitto asks dockhook: the lines "dockhook:" in its log'),
    ],
  };
}

/** A yes of dockhook, and then nothing: the broker itself refused the client, or does not ask dockhook about topics. */
export function onlyLetIn({ letIn }: History, facts: DockFacts): DockFinding | undefined {
  if (letIn === undefined || facts.now - letIn.at < CONNECTING_MS) return undefined;
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
      ...onBroker(
        facts,
        'EMQX',
        `check what EMQX does by itself, and that it asks dockhook about topics: ${command('doctor')}`,
      ),
      'check that this client is the dock itself, and not a test tool',
    ],
  };
}

/** Finds nothing while the gateway has a session, or if none was seen to end. */
export function offline(history: History, facts: DockFacts): DockFinding | undefined {
  const { end } = history;
  if (end === undefined) return undefined;
  const kind = gatewayKind(history, facts);
  const word = end.details.detail ?? '';
  const why = END_TEXTS[endOf(end)];
  const how = endOf(end) === 'unknown' ? `ended; ${why}` : `ended: ${why} (${word})`;
  const unbound =
    kind !== 'dock' || facts.bindings.has(facts.sn) ? '' : ' It was not bound to an organization yet.';
  return {
    code: 'offline',
    level: 'error',
    state: 'offline',
    since: end.lastAt,
    brief: why,
    what: `Its last session ${how}. It has not tried to connect since.${unbound}`,
    fix:
      kind === 'dock'
        ? [
            'check power and network of the dock',
            'a dock reconnects by itself; if it does not, restart it, or its cloud service in DJI Pilot 2',
          ]
        : ['check that it is switched on and has network, and open the cloud service in DJI Pilot 2'],
  };
}
