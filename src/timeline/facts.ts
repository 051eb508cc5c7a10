/** What the stores know, beside the timeline, that bears on one dock; and how a finding about it looks. Types mostly. */
import type { Account, Binding, Organization } from '../stores/types.js';

export interface DockFacts {
  sn: string;
  /** Milliseconds since the epoch. */
  now: number;
  hasLicense: boolean;
  /** By name. */
  accounts: ReadonlyMap<string, Account>;
  /** By id. */
  organizations: ReadonlyMap<string, Organization>;
  /** By SN, of docks and drones. */
  bindings: ReadonlyMap<string, Binding>;
}

/** One word or two for where a dock stands. */
export type State =
  | 'online'
  | 'connecting'
  | 'refused'
  | 'stopped at connect'
  | 'stopped at config'
  | 'stopped at bind'
  | 'not bound'
  | 'unstable'
  | 'offline'
  | 'never seen';

/** What is wrong, and what to do. */
export interface Finding {
  /** Stable, for scripts. */
  code: string;
  /** Whether it keeps the dock from being online and bound now. If not, it is good to know. */
  blocks: boolean;
  state: State;
  /** Since when, in milliseconds since the epoch. */
  since: number;
  /** In a few words. */
  brief: string;
  /** In a sentence or two. */
  what: string;
  /** What to do, a step or a command each. */
  todo: string[];
}

/** Names of the accounts that list this SN. */
export function listingAccounts({ accounts, sn }: Pick<DockFacts, 'accounts' | 'sn'>): string[] {
  return [...accounts.values()]
    .filter(({ scope }) => scope.kind === 'gateways' && scope.gateways.includes(sn))
    .map(({ name }) => name);
}

/** A name as a word of a shell command. */
export function word(name: string): string {
  return /^[\w.@:-]+$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`;
}
