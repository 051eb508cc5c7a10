/** Accounts, and decisions that need the store, for the minutes in which the store cannot be read. */
import type { Reason } from '../events.js';
import { createMemories } from '../stores/memory.js';
import type { Account, RememberedAccounts } from '../stores/types.js';
import type { Within } from '../time-limits.js';

/** SNs remembered per account: a dock asks about its drone, and nobody can push out those of another account. */
const SERIAL_NUMBERS_PER_ACCOUNT = 200;

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

export function createAccountMemory(accounts: RememberedAccounts): AccountMemory {
  /** By account, then by client id and SN. */
  const decisions = createMemories<{ refusal: Reason | undefined }>(SERIAL_NUMBERS_PER_ACCOUNT);

  return {
    read: (name, within) => within(accounts.get(name)),
    recall: (name, within) => accounts.recall(name, within),
    async decide(account, clientId, sn, decide) {
      const { value } = await decisions(account).recall(JSON.stringify([clientId, sn]), async () => ({
        refusal: await decide(),
      }));
      return value?.refusal;
    },
  };
}
