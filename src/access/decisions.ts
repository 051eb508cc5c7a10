/** Whether accounts may use SNs that they do not list: decisions that need the store, for the time in which it is away. */
import type { Reason } from '../events.js';
import { createMemories } from '../stores/memory.js';

/** SNs remembered per account: a dock asks about its drone, and nobody can push out those of another account. */
const SERIAL_NUMBERS_PER_ACCOUNT = 200;

/** Decides about an SN, or answers what was decided last while the store is away. */
export type DecideAbout = (
  subject: { account: string; clientId: string; sn: string },
  decide: () => Promise<Reason | undefined>,
) => Promise<Reason | undefined>;

export function rememberDecisions(): DecideAbout {
  const decisions = createMemories<{ refusal: Reason | undefined }>(SERIAL_NUMBERS_PER_ACCOUNT);
  return async ({ account, clientId, sn }, decide) => {
    const decided = await decisions(account).recall(JSON.stringify([clientId, sn]), async () => ({
      refusal: await decide(),
    }));
    return decided.value?.refusal;
  };
}
