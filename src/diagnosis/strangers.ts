/** Timeline entries of clients that did not prove to be a dock: which dock each entry belongs to, if any. */
import { ownGateways, serialNumbersIn } from '../access/topic-rules.js';
import type { Account, Timeline, TimelineEntry } from '../stores/types.js';
import { INVENTED_SERIAL_NUMBER } from '../serial-number.js';
import type { Facts } from './facts.js';
import { groupBy } from './group-by.js';
import { isFixed } from './rules/refused-connects.js';
import { isAllowedNow, isRefusedTopic } from './rules/refused-topics.js';

/** More than the timeline keeps of them. It is a limit in case nothing deletes the rest. */
const MAX_ENTRIES = 25_000;
const PAGE = 2000;

interface Strangers {
  /**
   * Entries that name this dock, or come from a client id of the dock.
   * @param own the dock's own entries
   */
  entriesFor(sn: string, own: readonly TimelineEntry[]): TimelineEntry[];
  /** These say how many others are missing; oldest first. */
  missing: TimelineEntry[];
  /** Refusals that belong to none of the docks that `entriesFor` was asked about, or that name no SN; newest first, without those of a probe, and those that would be allowed by now. */
  refusedOthers(): TimelineEntry[];
}

/** Reads all such entries that are kept, at most 25,000. */
export async function readStrangers(timeline: Timeline, facts: Facts): Promise<Strangers> {
  const { accounts, listings } = facts;
  const all = await readEntries(timeline);
  const missing = all.filter(({ step }) => step === 'missing');
  const entries = all.filter(({ step }) => step !== 'missing');
  const named = entries.flatMap((entry) =>
    [...serialNumbersNamed(entry, accounts.get(entry.account))].map((sn) => ({ sn, entry })),
  );
  const bySn = groupBy(named, ({ sn }) => sn);
  const byClientId = groupBy(entries, ({ clientId }) => clientId);
  /** Refused topics that name no gateway, by account. */
  const byAccount = groupBy(entries.filter(isRefusedWithoutGateway), ({ account }) => account);
  const claimed = new Set<TimelineEntry>();
  return {
    entriesFor(sn, own) {
      const clientIds = new Set(own.map(({ clientId }) => clientId));
      const found = new Set([
        ...(bySn.get(sn) ?? []).map(({ entry }) => entry),
        ...[...clientIds].flatMap((clientId) => byClientId.get(clientId) ?? []),
        ...(listings.get(sn) ?? []).flatMap((name) => byAccount.get(name) ?? []),
      ]);
      for (const entry of found) claimed.add(entry);
      return [...found];
    },
    missing,
    refusedOthers: () =>
      entries
        .filter(
          (entry) =>
            isRefusal(entry) &&
            (!claimed.has(entry) || isRefusedWithoutGateway(entry)) &&
            !isProbe(entry) &&
            !isMended(entry, facts),
        )
        .reverse(),
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

function isRefusal(entry: TimelineEntry): boolean {
  return entry.step === 'authenticate' ? entry.outcome === 'refused' : isRefusedTopic(entry);
}

/** A filter with wildcards of a service account or a bridge, or a topic with an SN that is none. */
function isRefusedWithoutGateway(entry: TimelineEntry): boolean {
  return entry.gateway === undefined && entry.step === 'authorize' && isRefusedTopic(entry);
}

/** Whether it would not be refused now. */
function isMended(entry: TimelineEntry, facts: Facts): boolean {
  if (entry.step === 'authenticate') return entry.outcome === 'refused' && isFixed(entry, facts);
  return isRefusedTopic(entry) && facts.accounts.has(entry.account) && isAllowedNow(entry, facts);
}

function isProbe({ clientId }: TimelineEntry): boolean {
  return clientId.startsWith(INVENTED_SERIAL_NUMBER);
}
