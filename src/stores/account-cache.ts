/** Accounts that were read before, for as long as every change of one is heard of. */
import type { AccountChanges } from './account-changes.js';
import type { Account, Accounts } from './types.js';

const MAX_ACCOUNTS = 50_000;

/**
 * The same store, whose `get` answers from memory what it read since the last change of any account. While changes
 * are not heard it reads each time. That there is no such account is not remembered: whoever makes names up could
 * fill the memory, and of a new account nobody is told.
 */
export function cacheAccounts(
  accounts: Accounts,
  changes: Pick<AccountChanges, 'areHeard' | 'count'>,
): Accounts {
  const known = new Map<string, Account>();
  let knownSince = changes.count();
  return {
    ...accounts,
    async get(name) {
      const before = changes.count();
      if (before !== knownSince) known.clear();
      knownSince = before;
      const heard = changes.areHeard();
      const hit = heard ? known.get(name) : undefined;
      if (hit !== undefined) return hit;
      const account = await accounts.get(name);
      // What was read while something changed may be from before it.
      if (!heard || account === undefined || before !== changes.count()) return account;
      known.set(name, account);
      const [oldest] = known.keys();
      if (known.size > MAX_ACCOUNTS && oldest !== undefined) known.delete(oldest);
      return account;
    },
  };
}
