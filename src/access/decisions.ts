/** Remembers whether an account may use an SN, for the minutes in which the store cannot be read. */
import type { Reason } from '../events.js';
import { createMemories } from '../stores/remembered-reads.js';

/** Remembered per account: a dock asks about its drone, and nobody can push out the decisions of another account. */
const DECISIONS_PER_ACCOUNT = 200;

/** Decides; while the store is away, repeats the last decision. `undefined` is yes. */
export type Decide = (
  account: string,
  clientId: string,
  sn: string,
  decide: () => Promise<Reason | undefined>,
) => Promise<Reason | undefined>;

/** Remembers for ten minutes. Rejects as `decide` does if nothing is remembered. */
export function rememberDecisions(): Decide {
  const memories = createMemories<{ refusal: Reason | undefined }>(DECISIONS_PER_ACCOUNT);
  return async (account, clientId, sn, decide) => {
    const decided = await memories(account).recall(JSON.stringify([clientId, sn]), async () => ({
      refusal: await decide(),
    }));
    return decided.value?.refusal;
  };
}
