/** What the broker does to a dock by itself, of which no hook tells. Pure. */
import { serialNumbersIn } from '../../access/topic-rules.js';
import { clientIdIn, fits, liftOf, type Ban } from '../../emqx/bans.js';
import type { DockFinding } from '../dock-finding.js';
import { listingAccounts, type DockFacts } from '../facts.js';
import type { Walk } from '../history.js';

/** EMQX refuses whom it bans before it asks dockhook, so that the story ends before the ban. */
export function bannedByEmqx(walk: Walk, facts: DockFacts): DockFinding[] {
  const { bans = [] } = facts;
  if (bans.length === 0 || walk.sessions.length > 0) return [];
  const names = namesOf(walk, facts);
  const fitting = bans.filter((ban) => fits(ban, names) || namesDock(ban, facts.sn));
  return fitting.map((ban) => ({
    code: 'banned_by_emqx',
    level: 'error',
    state: 'refused' as const,
    since: walk.end?.lastAt ?? walk.lastIn?.at ?? 0,
    brief: `banned by EMQX ${untilOf(ban)}`,
    what:
      `EMQX itself refuses ${WHAT[ban.as] ?? ban.as} ${ban.who} ${untilOf(ban)} (banned by ${ban.by || 'somebody'}` +
      `${ban.reason === '' ? '' : `: ${ban.reason}`}). dockhook is not asked, and sees no connect of it.`,
    fix: [
      `lift the ban: EMQX's dashboard, Access Control, Banned Clients; or ${liftOf(ban)}`,
      ...(ban.by === FLAPPING
        ? ['find out why its connection breaks so often, or set flapping_detect.enable = false in EMQX']
        : []),
    ],
  }));
}

/** EMQX's own word for a ban by flapping_detect (its source, and seen on 5.8.9). */
const FLAPPING = 'flapping detector';

const WHAT: Readonly<Record<string, string>> = {
  clientid: 'client id',
  username: 'account',
  peerhost: 'address',
  clientid_re: 'client ids that match',
  username_re: 'accounts that match',
  peerhost_net: 'addresses in',
};

function untilOf({ until }: Ban): string {
  // Sweden writes dates as ISO 8601 does.
  return until === undefined ? 'for ever' : `until ${new Date(until).toLocaleString('sv-SE')}`;
}

/** By what it was known when it came, and by what it would come. */
function namesOf({ own, lastIn }: Walk, facts: DockFacts) {
  const entries = lastIn === undefined ? own : [...own, lastIn];
  return {
    clientIds: new Set([facts.sn, ...entries.map(({ clientId }) => clientId)]),
    accounts: new Set([...listingAccounts(facts), ...entries.map(({ account }) => account)]),
    addresses: new Set(entries.flatMap(({ details }) => details.peerHost ?? [])),
  };
}

/** A client id that dockhook never saw may name the dock all the same. */
function namesDock({ as, who }: Ban, sn: string): boolean {
  return as === 'clientid' && serialNumbersIn(clientIdIn(who)).includes(sn);
}
