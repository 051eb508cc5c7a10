/** Accounts, and decisions that need the store, for the minutes in which the store cannot be read. */
import type { Reason } from '../events.js';
import type { Account, Accounts } from '../stores/types.js';
import type { Within } from '../time-limits.js';
import { createLastRead, type LastRead } from './last-read.js';

/** SNs remembered per account: a dock asks about its drone, and nobody can push out those of another account. */
const SERIAL_NUMBERS_PER_ACCOUNT = 200;
const MAX_ACCOUNTS = 50_000;

export interface AccountMemory {
  /** Rejects if the store cannot be read. */
  read(name: string, within: Within): Promise<Account | undefined>;
  /** The account, or what was last known of it while the store is away. */
  recall(name: string, within: Within): Promise<Account | undefined>;
  /** Decides whether an account may use an SN, or answers what was decided last while the store is away. */
  decide(
    account: string,
    clientId: string,
    sn: string,
    decide: () => Promise<Reason | undefined>,
  ): Promise<Reason | undefined>;
}

export function createAccountMemory(accounts: Accounts): AccountMemory {
  const lastAccounts = createLastRead<Account>();
  /** By account, then by client id and SN. */
  const lastDecisions = new Map<string, LastRead<{ refusal: Reason | undefined }>>();

  return {
    read: (name, within) => lastAccounts.load(name, () => within(accounts.get(name))),
    recall: (name, within) => lastAccounts.read(name, () => within(accounts.get(name))),
    async decide(account, clientId, sn, decide) {
      const last = lastDecisions.get(account) ?? createLastRead(SERIAL_NUMBERS_PER_ACCOUNT);
      lastDecisions.delete(account);
      lastDecisions.set(account, last);
      const [oldest] = lastDecisions.keys();
      if (lastDecisions.size > MAX_ACCOUNTS && oldest !== undefined) lastDecisions.delete(oldest);
      const decided = await last.read(JSON.stringify([clientId, sn]), async () => ({
        refusal: await decide(),
      }));
      return decided?.refusal;
    },
  };
}
