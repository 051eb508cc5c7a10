/** Timeline entries of clients that did not prove to be a dock: which dock each entry belongs to, if any. */
import { ownGateways, serialNumbersIn } from '../access/topic-rules.js';
import type { Account, Timeline, TimelineEntry } from '../stores/types.js';
import { INVENTED_SERIAL_NUMBER } from '../serial-number.js';
import type { Facts } from './facts.js';
import { groupBy } from './group-by.js';

/** More than the timeline keeps of them. It is a limit in case nothing deletes the rest. */
const MAX_ENTRIES = 25_000;
const PAGE = 2000;

interface Strangers {
  /**
   * Entries that name this dock, or come from a client id of the dock.
   * @param own the dock's own entries
   */
  entriesFor(sn: string, own: readonly TimelineEntry[]): TimelineEntry[];
  /** Refusals that belong to none of the docks that `entriesFor` was asked about; newest first, without those of a probe. */
  refusedOthers(): TimelineEntry[];
}

/** Reads all such entries that are kept, at most 25,000. */
export async function readStrangers(timeline: Timeline, { accounts }: Facts): Promise<Strangers> {
  const entries = await readEntries(timeline);
  const named = entries.flatMap((entry) =>
    [...serialNumbersNamed(entry, accounts.get(entry.account))].map((sn) => ({ sn, entry })),
  );
  const bySn = groupBy(named, ({ sn }) => sn);
  const byClientId = groupBy(entries, ({ clientId }) => clientId);
  const claimed = new Set<TimelineEntry>();
  return {
    entriesFor(sn, own) {
      const clientIds = new Set(own.map(({ clientId }) => clientId));
      const found = new Set([
        ...(bySn.get(sn) ?? []).map(({ entry }) => entry),
        ...[...clientIds].flatMap((clientId) => byClientId.get(clientId) ?? []),
      ]);
      for (const entry of found) claimed.add(entry);
      return [...found];
    },
    refusedOthers: () =>
      entries.filter((entry) => isRefusal(entry) && !claimed.has(entry) && !isProbe(entry)).reverse(),
  };
}

/** In order of time. */
async function readEntries(timeline: Timeline): Promise<TimelineEntry[]> {
  const entries: TimelineEntry[] = [];
  let next: string | undefined;
  do {
    const page = await timeline.others(next, PAGE);
    entries.push(...page.entries);
    next = page.next;
  } while (next !== undefined && entries.length < MAX_ENTRIES);
  return entries.reverse();
}

/** The SNs that an entry names: in its topic, its client id, or through the account that was refused. */
function serialNumbersNamed(
  { gateway, clientId, step, outcome }: TimelineEntry,
  account: Account | undefined,
): Set<string> {
  const named = new Set(serialNumbersIn(clientId));
  if (gateway !== undefined) named.add(gateway);
  if (account && step === 'authenticate' && outcome !== 'ok')
    for (const sn of ownGateways(account.scope, clientId)) named.add(sn);
  return named;
}

/** Of a connect; or of a gateway's topics, with an account that does not list its SN. */
function isRefusal({ gateway, step, outcome }: TimelineEntry): boolean {
  if (step === 'authenticate') return outcome === 'refused';
  if (gateway === undefined) return false;
  return (step === 'authorize' && outcome === 'refused') || (step === 'request' && outcome === 'dropped');
}

function isProbe({ clientId }: TimelineEntry): boolean {
  return clientId.startsWith(INVENTED_SERIAL_NUMBER);
}
