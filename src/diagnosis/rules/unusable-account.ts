/** How the dock's account stands now, whatever it was when the dock last came. Pure. */
import { disabledOrExpired } from '../../access/expiry.js';
import type { DockFinding } from '../dock-finding.js';
import { listingAccounts, word, type DockFacts } from '../facts.js';
import { isFromElsewhere, lastRefusal } from './refused-connects.js';
import { sessionOf, type Walk } from '../history.js';

/**
 * An account that will not be let in at the next connect: without this, a dock that is away is thought to lack
 * power, and one that has only to connect again is waited for in vain.
 * @param found what else is wrong
 */
export function accountUnusable(walk: Walk, facts: DockFacts, found: readonly DockFinding[]): DockFinding[] {
  const name = accountInUse(walk, facts);
  const code = name === undefined ? undefined : unusable(facts, name);
  if (name === undefined || code === undefined) return [];
  const other = found.find(({ level }) => level === 'error');
  // The refusal says the same already.
  if (found.some((finding) => finding.level === 'error' && finding.code === code)) return [];
  const isConnected = walk.sessions.length > 0;
  const outcome = isConnected
    ? 'The dock is connected still, and will be refused when it connects again.'
    : walk.entries.length === 0
      ? 'The dock was not seen yet, and will be refused.'
      : 'The dock will be refused when it connects again.';
  return [
    {
      code,
      // While it is online nothing keeps it from that; but whatever a reconnect is to mend, this is in its way.
      level: !isConnected || other !== undefined ? 'error' : 'warning',
      ...placeOf(walk, other),
      ...wordsOf(code, name, outcome, facts),
    },
  ];
}

type Unusable = 'unknown_account' | NonNullable<ReturnType<typeof disabledOrExpired>>;

function unusable({ accounts, now }: DockFacts, name: string): Unusable | undefined {
  const account = accounts.get(name);
  return account === undefined ? 'unknown_account' : disabledOrExpired(account, now);
}

/** The account that the dock will come with, as far as one can tell; undefined if others could be meant, too. */
function accountInUse(walk: Walk, facts: DockFacts): string | undefined {
  const refusal = walk.sessions.length > 0 ? undefined : lastRefusal(walk);
  // A name that nobody knows is no account of the dock's; the refusal says what it is instead.
  if (refusal !== undefined && !isFromElsewhere(refusal, walk))
    return facts.accounts.has(refusal.account) ? refusal.account : undefined;
  const session = walk.sessions.at(-1) ?? (walk.lastIn && sessionOf(walk.lastIn));
  const listing = listingAccounts(facts);
  // Of a removed account nobody knows whether the dock has been given another one that lists it.
  if (session !== undefined && (facts.accounts.has(session.account) || listing.length === 0))
    return session.account;
  return listing.some((name) => unusable(facts, name) === undefined) ? undefined : listing[0];
}

function placeOf(
  { sessions, entries, end, lastIn }: Walk,
  other: DockFinding | undefined,
): Pick<DockFinding, 'state' | 'since'> {
  if (other !== undefined) return { state: other.state, since: other.since };
  const session = sessions.at(-1);
  if (session !== undefined) return { state: 'online', since: session.since };
  const last = end?.lastAt ?? lastIn?.lastAt ?? entries.at(-1)?.lastAt;
  return last === undefined ? { state: 'never seen', since: 0 } : { state: 'offline', since: last };
}

function wordsOf(
  code: Unusable,
  name: string,
  outcome: string,
  { sn }: DockFacts,
): Pick<DockFinding, 'brief' | 'what' | 'fix'> {
  switch (code) {
    case 'disabled':
      return {
        brief: 'account disabled',
        what: `Its account "${name}" is disabled. ${outcome}`,
        fix: [`dockhook account enable ${word(name)}`],
      };
    case 'expired':
      return {
        brief: 'account expired',
        what: `Its account "${name}" has expired. ${outcome}`,
        fix: [`dockhook account set ${word(name)} --expires 90d`],
      };
    case 'unknown_account':
      return {
        brief: `no account "${name}" any more`,
        what: `Its account "${name}" is not there any more, and no other lists ${sn}. ${outcome}`,
        fix: [
          `create it again: dockhook account add ${word(name)} --gateway ${sn} --generate`,
          'then type its new password into DJI Pilot 2',
        ],
      };
  }
}
