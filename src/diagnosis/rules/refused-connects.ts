/** Who was not let in, and who may not act as the gateway that its topics name. Pure. */
import { serialNumbersIn } from '../../access/topic-rules.js';
import { parseDeviceTopic } from '../../topics.js';
import type { TimelineEntry } from '../../stores/types.js';
import type { DockFinding } from '../dock-finding.js';
import { listingAccounts, word, type DockFacts } from '../facts.js';
import { isMended, wordsOfRefusal } from '../reasons.js';
import type { Walk } from '../history.js';

/** Reasons for which a client that is connected is refused all its topics. */
const STANDING = new Set<string>(['unknown_account', 'disabled', 'expired', 'wrong_certificate']);

/**
 * The last refused connect. Anybody can cause one: it only says what is wrong with the dock if the dock
 * itself is not in, and did not come from elsewhere.
 */
export function refusedConnect(walk: Walk, facts: DockFacts): DockFinding[] {
  const refusals = walk.entries.filter(isRefusedConnect);
  const isOnline = walk.sessions.length > 0;
  const last = isOnline ? refusals.at(-1) : lastRefusal(walk);
  if (last === undefined) return [];
  if (isOnline && last.lastAt < (walk.sessions[0]?.since ?? 0)) return [];
  const since = refusals.find(
    ({ at, reason }) => reason === last.reason && !walk.own.some((own) => isOwnConnect(own) && own.at > at),
  );
  const base = { code: last.reason ?? 'refused', state: 'refused' as const, since: since?.at ?? last.at };
  if (isOnline && last.step === 'authenticate') {
    const { brief, what } = wordsOfRefusal(last, facts);
    return [
      {
        ...base,
        level: 'warning',
        code: 'another_refused',
        brief: `another client is refused: ${brief}`,
        what: `While the dock is connected, somebody else is refused. ${what}`,
        fix: [
          `see whether that is a second session of the dock (DRC), or a stranger at ${last.details.peerHost ?? '?'}`,
        ],
      },
    ];
  }
  if (isMended(last, facts)) {
    if (isOnline) return [];
    return [
      {
        ...base,
        level: 'error',
        code: 'mended',
        brief: 'mended; waits for the dock',
        what: `The last connect was refused (${wordsOfRefusal(last, facts).brief}), but that has been mended since.`,
        fix: ['wait until the dock tries again, or restart it'],
      },
    ];
  }
  const words = wordsOfRefusal(last, facts);
  if (!isFromElsewhere(last, walk)) return [{ ...base, level: 'error', ...words }];
  const doubt = 'The dock never came from this address, so it may be somebody else.';
  return [{ ...base, level: 'warning', ...words, what: `${words.what} ${doubt}` }];
}

/** The last refused connect, if the dock was not let in since. */
export function lastRefusal(walk: Walk): TimelineEntry | undefined {
  const last = walk.entries.findLast(isRefusedConnect);
  return last !== undefined && walk.isLast(last, isOwnConnect) ? last : undefined;
}

function isOwnConnect({ own, step }: TimelineEntry): boolean {
  return own && step === 'authenticate';
}

function isRefusedConnect({ step, outcome, reason }: TimelineEntry): boolean {
  if (step === 'authenticate') return outcome !== 'ok';
  return step === 'authorize' && reason !== undefined && STANDING.has(reason);
}

export function isFromElsewhere({ own, details }: TimelineEntry, walk: Walk): boolean {
  const hosts = walk.own.map((entry) => entry.details.peerHost).filter((host) => host !== undefined);
  return !own && hosts.length > 0 && !hosts.includes(details.peerHost ?? '');
}

/** A session that uses topics under an SN which its account may not act for. */
export function wrongTopics(walk: Walk, facts: DockFacts): DockFinding[] {
  const denied = walk.entries.filter(
    ({ step, outcome, reason }) =>
      (step === 'authorize' && outcome === 'refused' && reason !== undefined && !STANDING.has(reason)) ||
      (step === 'request' && outcome === 'dropped'),
  );
  // Newest of each kind.
  const last = new Map(denied.map((entry) => [kindOf(entry, facts), entry]));
  return [...last].flatMap(([kind, entry]) => {
    const isPast = !walk.isLast(entry, ({ own, step, outcome }) => {
      return own && step === 'request' && outcome !== 'dropped';
    });
    if (isPast && kind === 'naming' && isOfSession(entry, walk)) return [asHint(entry, facts)];
    if (isPast && kind !== 'drone') return [];
    return [
      kind === 'named' && isAnothers(entry, walk, facts)
        ? intruding(entry, facts)
        : findingOf(kind, entry, walk, facts),
    ];
  });
}

/** Whether it happened in a session that is still up. */
function isOfSession({ clientId, at }: TimelineEntry, { sessions }: Walk): boolean {
  return sessions.some((session) => session.clientId === clientId && session.since <= at);
}

/** The dock itself is in and goes on; that it also asked for somebody else's topics is worth a look. */
function asHint({ clientId, account, details, at }: TimelineEntry, { sn }: DockFacts): DockFinding {
  const topic = details.topic ?? '';
  return {
    code: 'foreign_topic',
    level: 'warning',
    state: 'online',
    since: at,
    brief: `was refused ${topic}`,
    what:
      `Client id "${clientId}" with account "${account}" also asked to ${details.action ?? 'publish'} ${topic}, which is not ` +
      `under ${sn}, and was refused.`,
    fix: [
      'nothing, unless you expect it: then see what its account may act for: ' +
        `dockhook account show ${word(account)}`,
    ],
  };
}

/** Whether the dock has an account already, which is not the one that was refused. */
function isAnothers({ account }: TimelineEntry, { own }: Walk, facts: DockFacts): boolean {
  const ownAccounts = own.filter(({ outcome }) => outcome === 'ok').map((entry) => entry.account);
  return [...listingAccounts(facts), ...ownAccounts].some((name) => name !== account);
}

/**
 * Anybody with an account can name this dock in a topic: that is no fault of the dock, and no reason to let them
 * act as it.
 */
function intruding({ account, clientId, details, at }: TimelineEntry, { sn }: DockFacts): DockFinding {
  return {
    code: 'named_by_another',
    level: 'warning',
    state: 'online',
    since: at,
    brief: `account "${account}" was refused its topics`,
    what:
      `Client id "${clientId}" with account "${account}" from ${details.peerHost ?? 'an unknown address'} uses topics of ` +
      `${sn} (${details.topic ?? ''}), and was refused: this dock has another account.`,
    fix: [
      `see whose account that is: dockhook account show ${word(account)}`,
      'if it is this dock, type the account that acts for it into DJI Pilot 2',
    ],
  };
}

type Kind =
  /** Somebody else's session names this dock. */
  | 'named'
  /** This dock's session names another. */
  | 'naming'
  /** A topic under its own SN that only the cloud may use, or the store did not answer. */
  | 'own'
  /** Its drone is somebody else's. */
  | 'drone';

function kindOf({ gateway, own, reason }: TimelineEntry, { sn }: DockFacts): Kind {
  if (reason === 'foreign_organization' || (reason === 'foreign_gateway' && gateway !== sn)) return 'drone';
  if (own) return 'own';
  return gateway === sn ? 'named' : 'naming';
}

function findingOf(kind: Kind, entry: TimelineEntry, walk: Walk, facts: DockFacts): DockFinding {
  const { sn } = facts;
  const { clientId, account, reason, details, at } = entry;
  const topic = details.topic ?? '';
  const named = parseDeviceTopic(topic)?.sn ?? 'of no device';
  const who = `Client id "${clientId}" with account "${account}"`;
  const base = { since: at, state: 'stopped at connect' as const };
  switch (kind) {
    case 'named':
      return {
        ...base,
        code: 'sn_not_in_account',
        level: 'error',
        brief: `account "${account}" may not act as it`,
        what: `${who} uses topics of ${sn} (${topic}), but this account may not act as ${sn}.`,
        fix: [
          letItActAs(sn, entry, facts),
          'else give it an account of its own: ' + `dockhook account add NAME --gateway ${sn} --generate`,
        ],
      };
    case 'naming':
      if (cameItself(walk, entry, sn)) {
        return {
          ...base,
          code: 'account_shared',
          level: 'warning',
          brief: `its account is used for SN ${named}, too`,
          what: `${who} uses topics of SN ${named}, but this account may not act as that. It is not this dock, which came under another client id.`,
          fix: [
            `give that one an account of its own: dockhook account add NAME --gateway ${named} --generate`,
            letItActAs(named, entry, facts, [sn]),
          ],
        };
      }
      return {
        ...base,
        code: 'sn_not_in_account',
        level: 'error',
        brief: `its topics name SN ${named}`,
        what: `${who} uses topics of SN ${named} (${topic}), but this account may not act as that.`,
        fix: [
          `compare the SN on the dock with the account: dockhook account show ${word(account)}`,
          letItActAs(named, entry, facts),
        ],
      };
    case 'drone':
      return {
        ...base,
        code: 'drone_of_another',
        level: 'warning',
        brief: `drone ${named} is not its own`,
        what:
          reason === 'foreign_gateway'
            ? `${who} uses topics of ${named}, which is a gateway with an account of its own.`
            : `${who} flies drone ${named}, which is bound to another organization.`,
        fix: [
          `see where it belongs: dockhook binding show ${named}`,
          `only if the drone was really handed over: dockhook binding move ${named} --organization ID`,
        ],
      };
    case 'own': {
      const isStore = reason === 'store_unavailable' || reason === 'store_refused' || reason === 'bad_row';
      return {
        ...base,
        code: 'topic_refused',
        level: isStore ? 'error' : 'warning',
        brief: isStore ? briefOfStore(reason) : 'a topic was refused',
        what: `${who} was refused ${details.action ?? 'publish'} ${topic} (${reason ?? 'for no reason known'}).`,
        fix: isStore
          ? ['check PostgreSQL and DATABASE_URL: dockhook doctor']
          : ['nothing, if it is a topic on which only the cloud speaks; a dock does not need it'],
      };
    }
  }
}

function briefOfStore(reason: string): string {
  if (reason === 'bad_row') return 'a row is damaged';
  return reason === 'store_refused' ? 'database refuses' : 'database away';
}

/** Whether the dock was seen under its SN and another client id than the one that names somebody else. */
function cameItself({ own }: Walk, { clientId }: TimelineEntry, sn: string): boolean {
  return own.some(
    (entry) =>
      entry.clientId !== clientId &&
      ((entry.step === 'connected' && serialNumbersIn(entry.clientId).includes(sn)) ||
        (entry.step === 'request' && entry.outcome !== 'dropped')),
  );
}

/** What lets an account act as an SN, too: with the SNs that it lists already, unless the only one looks mistyped. */
function letItActAs(
  named: string,
  { account, clientId }: TimelineEntry,
  { accounts, listings, bindings }: DockFacts,
  real: readonly string[] = [],
): string {
  const [owner] = listingAccounts({ listings, sn: named }).filter((name) => name !== account);
  if (owner !== undefined)
    return `if ${named} is right, type "${owner}" as account into DJI Pilot 2: it acts for ${named}`;
  const scope = accounts.get(account)?.scope;
  if (scope?.kind === 'client-id') {
    return `this account acts as the SN in its client id, and "${clientId}" does not name ${named}`;
  }
  const gateways = scope?.kind === 'gateways' ? scope.gateways : [];
  const isReal = gateways.length > 1 || gateways.some((sn) => bindings.has(sn) || real.includes(sn));
  const listed = isReal ? gateways : [];
  return `if ${named} is right: dockhook account set ${word(account)} --gateway ${[...listed, named].join(' ')}`;
}
