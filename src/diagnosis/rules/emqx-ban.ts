/** A ban by EMQX, which refuses the dock before it asks dockhook: the timeline ends before the ban. Pure. */
import { serialNumbersIn } from '../../access/topic-rules.js';
import { clientIdIn, fits, liftOf, type Ban } from '../../emqx/bans.js';
import { localTime } from '../../dates.js';
import type { DockFinding } from '../dock-finding.js';
import { listingAccounts, type DockFacts } from '../facts.js';
import type { History } from '../history.js';

/** Finds nothing while the dock has a session, or if EMQX could not be asked about bans. */
export function emqxBan(history: History, facts: DockFacts): DockFinding[] {
  const { bans = [] } = facts;
  if (bans.length === 0 || history.sessions.length > 0) return [];
  const names = namesOfDock(history, facts);
  const fitting = bans.filter((ban) => fits(ban, names) || namesDock(ban, facts.sn));
  return fitting.map((ban) => ({
    code: 'banned_by_emqx',
    level: 'error',
    state: 'refused',
    since: history.end?.lastAt ?? history.lastAccepted?.at ?? 0,
    brief: `banned by EMQX ${endOf(ban)}`,
    what:
      `EMQX itself refuses ${BANNED[ban.as] ?? ban.as} ${ban.who} ${endOf(ban)} (banned by ${ban.by || 'somebody'}` +
      `${ban.reason === '' ? '' : `: ${ban.reason}`}). It does not ask dockhook, so dockhook sees no connect of the dock.`,
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

const BANNED: Readonly<Record<string, string>> = {
  clientid: 'client id',
  username: 'account',
  peerhost: 'address',
  clientid_re: 'client ids that match',
  username_re: 'accounts that match',
  peerhost_net: 'addresses in',
};

function endOf({ until }: Ban): string {
  return until === undefined ? 'for ever' : `until ${localTime(until)}`;
}

/** The names that the dock used, and those that it would use. */
function namesOfDock({ own, lastAccepted }: History, facts: DockFacts) {
  const entries = lastAccepted === undefined ? own : [...own, lastAccepted];
  return {
    clientIds: new Set([facts.sn, ...entries.map(({ clientId }) => clientId)]),
    accounts: new Set([...listingAccounts(facts), ...entries.map(({ account }) => account)]),
    addresses: new Set(entries.flatMap(({ details }) => details.peerHost ?? [])),
  };
}

/** A client id that dockhook never saw may still name the dock. */
function namesDock({ as, who }: Ban, sn: string): boolean {
  return as === 'clientid' && serialNumbersIn(clientIdIn(who)).includes(sn);
}
