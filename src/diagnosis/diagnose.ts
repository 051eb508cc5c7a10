/**
 * From a dock's story to where it stands, what is wrong, and what to do. Pure. What was followed by success is
 * history and no finding.
 */
import type { TimelineEntry } from '../stores/types.js';
import type { DockFinding, State } from './dock-finding.js';
import { listingAccounts, type DockFacts } from './facts.js';
import { accountUnusable } from './rules/unusable-account.js';
import { bannedByEmqx } from './rules/emqx-ban.js';
import { refusedConnect, wrongTopics } from './rules/refused-connects.js';
import { bindFaults, failedRequests, licenseNotSet, licenseRefused, repliesLost } from './rules/requests.js';
import { clockSkew, reconnects, sessionsCollide, unanswered } from './rules/sessions.js';
import { sessionOf, walkOf, type Session, type Walk } from './history.js';

export interface Diagnosis {
  state: State;
  /** Since when, in milliseconds since the epoch; undefined if it was never seen. */
  since?: number;
  /** What keeps it from being online first; what is only good to know last. */
  findings: DockFinding[];
  isConnected: boolean;
  /** The session it has, or had last. */
  session?: Session;
  /** The drone it last said it has, `''` for none; undefined if it said nothing. */
  drone?: string;
}

export type Rule = (walk: Walk, facts: DockFacts) => DockFinding[];

const RULES: readonly Rule[] = [
  bannedByEmqx,
  refusedConnect,
  sessionsCollide,
  wrongTopics,
  licenseNotSet,
  repliesLost,
  licenseRefused,
  reconnects,
  failedRequests,
  bindFaults,
  clockSkew,
  unanswered,
];

/** Looked at in this order, and only while nothing else says why the dock is not online. */
const FALLBACKS: readonly Rule[] = [neverSeen, noRequest, notBound, offline];

/** A dock asks for its license at once; until then it is only connecting. In milliseconds. */
const CONNECTING_MS = 30_000;

export function diagnose(entries: readonly TimelineEntry[], facts: DockFacts): Diagnosis {
  const walk = walkOf(entries, facts.boots);
  const findings = RULES.flatMap((rule) => rule(walk, facts));
  // First, since what else is to be done takes a dock that is let in.
  findings.unshift(...accountUnusable(walk, facts, findings));
  for (const rule of FALLBACKS) {
    if (!findings.some(({ level }) => level === 'error')) findings.push(...rule(walk, facts));
  }
  findings.sort((a, b) => rank(a) - rank(b));
  const [first] = findings;
  const session = walk.sessions.at(-1) ?? (walk.lastIn && sessionOf(walk.lastIn));
  const drone = walk.own.findLast(({ step }) => step === 'status')?.details.drone;
  const isNew = !walk.own.some(({ step }) => step === 'request') && !facts.bindings.has(facts.sn);
  const standing: Pick<DockFinding, 'state' | 'since'> =
    first?.level === 'error' ? first : { state: isNew ? 'connecting' : 'online', since: session?.since ?? 0 };
  return {
    state: standing.state,
    ...(standing.since > 0 ? { since: standing.since } : {}),
    findings,
    isConnected: walk.sessions.length > 0,
    ...(session === undefined ? {} : { session }),
    ...(drone === undefined ? {} : { drone }),
  };
}

const rank = ({ level }: DockFinding): number => (level === 'error' ? 0 : 1);

function neverSeen({ entries, sessions }: Walk, facts: DockFacts): DockFinding[] {
  if (entries.length > 0 || sessions.length > 0) return [];
  const account =
    listingAccounts(facts).length > 0
      ? []
      : [`no account lists it: dockhook account add NAME --gateway ${facts.sn} --generate`];
  return [
    {
      code: 'never_seen',
      level: 'error',
      state: 'never seen',
      since: 0,
      brief: 'nothing was seen of it',
      what: 'Nothing was seen of this dock in the last 30 days: no connect, accepted or refused.',
      fix: [
        ...account,
        'check the MQTT gateway address in DJI Pilot 2: tcp://host:1883, or ssl://host:8883 for TLS, where the dock can reach it',
        'check that the broker asks dockhook: dockhook doctor (EMQX), or the lines "dockhook:" in the log of Mosquitto',
      ],
    },
  ];
}

function noRequest({ own, sessions, lastIn }: Walk, facts: DockFacts): DockFinding[] {
  // What is bound has asked once, and need not ask again.
  if (lastIn === undefined || facts.bindings.has(facts.sn) || own.some(({ step }) => step === 'request'))
    return [];
  const session = sessions.at(-1);
  if (session !== undefined && facts.now - session.since < CONNECTING_MS) return [];
  return [
    {
      code: 'no_request',
      level: 'error',
      state: 'stopped at connect',
      since: lastIn.at,
      brief: 'connects, but asks for nothing',
      what:
        `Client id "${lastIn.clientId}" with account "${lastIn.account}" was let in, but dockhook never saw a request ` +
        `on thing/product/${facts.sn}/requests.`,
      fix: [
        'check that the broker hands requests to dockhook: dockhook doctor (EMQX, hook message.publish), or the lines "dockhook:" in the log of Mosquitto, whose listener must have no mount_point',
        'check that this client is the dock itself, and not a remote controller or a test tool',
        'start the cloud service of the dock again in DJI Pilot 2',
      ],
    },
  ];
}

function notBound({ own, sessions }: Walk, { bindings, organizations, sn }: DockFacts): DockFinding[] {
  const session = sessions.at(-1);
  if (session === undefined || bindings.has(sn) || !own.some(({ step }) => step === 'request')) return [];
  return [
    {
      code: 'not_bound',
      level: 'error',
      state: 'not bound',
      since: session.since,
      brief: 'not bound to an organization',
      what: 'It is connected and got its license, but it is not bound to an organization.',
      fix: [
        ...(organizations.size > 0
          ? []
          : ["create an organization: dockhook organization add ID --name 'NAME'"]),
        'type organization id and device binding code into DJI Pilot 2: dockhook organization list shows them',
      ],
    },
  ];
}

/** The broker's words for why a session ended; others are shown as they are. */
const ENDS: Readonly<Record<string, string>> = {
  normal: 'it said goodbye',
  tcp_closed: 'the connection broke off',
  ssl_closed: 'the connection broke off',
  keepalive_timeout: 'nothing came from it any more',
  protocol_error: 'it said something that is not MQTT',
  // Mosquitto 2.0.
  unknown: 'the broker does not say why',
  kicked: 'it was disconnected by an operator, or because its account was changed',
  takenover: 'another session with its client id took over',
  discarded: 'another session with its client id took over',
  node_restarted: 'the node of the broker that it was connected to started again',
};

function offline({ end }: Walk, facts: DockFacts): DockFinding[] {
  if (end === undefined) return [];
  const { detail = '' } = end.details;
  const why = ENDS[detail] ?? detail;
  const unbound = facts.bindings.has(facts.sn) ? '' : ' It was not bound to an organization yet.';
  return [
    {
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
    },
  ];
}
