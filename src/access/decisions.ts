/** Remembers whether an account may use an SN, for the minutes in which the store cannot be read. */
import type { Reason } from '../events.js';
import { createMemories } from '../stores/remembered-reads.js';

/** Remembered per account: a dock asks about itself and its drone, and nobody can push out the decisions of another account. */
const DECISIONS_PER_ACCOUNT = 300;

/** What is decided. Whether a client may carry a drone is another question than whether it may take commands for it. */
interface Question {
  account: string;
  clientId: string;
  as: 'client-id' | 'drone' | 'bound drone';
  sn: string;
  /** That of the account: what was decided under another one is over. */
  organizationId?: string | undefined;
}

/** Decides; while the store is away, repeats the last decision. `undefined` is yes. */
export type Decide = (
  question: Question,
  decide: () => Promise<Reason | undefined>,
) => Promise<Reason | undefined>;

/** Remembers for ten minutes. Rejects as `decide` does if nothing is remembered. */
export function rememberDecisions(): Decide {
  const memories = createMemories<{ refusal: Reason | undefined }>(DECISIONS_PER_ACCOUNT);
  return async ({ account, clientId, as, sn, organizationId }, decide) => {
    const question = JSON.stringify([clientId, as, sn, organizationId]);
    const decided = await memories(account).recall(question, async () => ({ refusal: await decide() }));
    return decided.value?.refusal;
  };
}
