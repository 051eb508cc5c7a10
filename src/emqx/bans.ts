/** Clients that EMQX itself keeps out: it refuses them (138) before dockhook is asked. */
import { BlockList, isIP } from 'node:net';
import { CLIENT_ID_SEPARATOR, ownClientId } from '../client-id.js';
import type { EmqxApi } from './api.js';
import { moduleAnswers } from './module-answers.js';

/** EMQX's limit of a page of any listing is 10,000; bans are few. */
const PAGE = 1000;
const MAX_PAGES = 20;

export interface Ban {
  /** What is banned: `clientid`, `username`, `peerhost`, or from 5.8 on a pattern of one of these. */
  as: string;
  who: string;
  /** Milliseconds since the epoch; undefined for ever. */
  until: number | undefined;
  /** Who banned it, and why, in EMQX's words. */
  by: string;
  reason: string;
}

/** What one dock, or one client, is known by. */
interface Names {
  clientIds: ReadonlySet<string>;
  accounts: ReadonlySet<string>;
  addresses: ReadonlySet<string>;
}

/** All bans that hold now. Rejects as the API does. */
export async function bansOf(api: EmqxApi, now = Date.now()): Promise<Ban[]> {
  const bans: Ban[] = [];
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const { data } = await api.get(`/banned?limit=${PAGE}&page=${page}`, moduleAnswers.bans);
    for (const { as, who, until = '', by = '', reason = '' } of data) {
      const end = Date.parse(until);
      bans.push({ as, who, until: Number.isNaN(end) ? undefined : end, by, reason });
    }
    if (data.length < PAGE) break;
  }
  return bans.filter(({ until = Infinity }) => until > now);
}

/** Whether a ban fits any of these names. */
export function fits({ as, who }: Ban, { clientIds, accounts, addresses }: Names): boolean {
  switch (as) {
    case 'clientid':
      return clientIds.has(who) || (accounts.has(accountIn(who)) && clientIds.has(clientIdIn(who)));
    case 'username':
      return accounts.has(who);
    case 'peerhost':
      return addresses.has(who);
    case 'clientid_re':
      return matches(who, clientIds) || matches(who, withAccount(clientIds, accounts));
    case 'username_re':
      return matches(who, accounts);
    case 'peerhost_net':
      return holds(who, addresses);
    default:
      return false;
  }
}

/** How to end a ban, as a call of EMQX's REST API below `/api/v5`. */
export function liftOf({ as, who }: Ban): string {
  return `DELETE /api/v5/banned/${as}/${encodeURIComponent(who)}`;
}

/** The client's own id in one that EMQX knows, with the account in front where `mqtt.clientid_override` puts it there. */
export function clientIdIn(who: string): string {
  return ownClientId(accountIn(who), who);
}

function accountIn(who: string): string {
  const end = who.indexOf(CLIENT_ID_SEPARATOR);
  return end < 0 ? '' : who.slice(0, end);
}

/** More pairs than one dock has; a fleet's are not worth the time. */
const MAX_PAIRS = 10_000;

function withAccount(clientIds: ReadonlySet<string>, accounts: ReadonlySet<string>): Set<string> {
  if (clientIds.size * accounts.size > MAX_PAIRS) return new Set();
  const pairs = [...accounts].flatMap((account) =>
    [...clientIds].map((clientId) => `${account}${CLIENT_ID_SEPARATOR}${clientId}`),
  );
  return new Set(pairs);
}

function matches(pattern: string, texts: ReadonlySet<string>): boolean {
  try {
    // EMQX takes PCRE; what JavaScript cannot read is told by doctor, not by a dock.
    const regular = new RegExp(pattern);
    return [...texts].some((text) => regular.test(text));
  } catch {
    return false;
  }
}

function holds(net: string, addresses: ReadonlySet<string>): boolean {
  const [address = '', prefix = ''] = net.split('/');
  const family = isIP(address);
  if (family === 0) return false;
  const list = new BlockList();
  const type = family === 6 ? 'ipv6' : 'ipv4';
  try {
    list.addSubnet(address, Number(prefix || (family === 6 ? 128 : 32)), type);
  } catch {
    return false;
  }
  return [...addresses].some((one) => isIP(one) > 0 && list.check(one, isIP(one) === 6 ? 'ipv6' : 'ipv4'));
}
