/**
 * Whose gateway an SN is. An account of scope `client-id` lists none: its client id claims one, and the claim is
 * checked whole, against what accounts list and against who bound what.
 */
import type { Within } from '../budget.js';
import type { Accounts, Binding, Bindings } from '../stores/types.js';
import { standingOf } from './standing.js';

export interface Claims {
  /** Whether an SN is known as a gateway, and its binding. */
  lookUpGateway(sn: string, within: Within): Promise<{ known: boolean; binding: Binding | undefined }>;
  /** Whether an account of scope `client-id` may not act as this gateway, because it is somebody else's. */
  isForeign(claimant: string, sn: string, within: Within): Promise<boolean>;
}

export function createClaims(accounts: Accounts, bindings: Bindings, now: () => number): Claims {
  /** Asked in one turn, so that it takes one round trip. */
  async function lookUp(sn: string, within: Within) {
    const [listed, bound] = await within(Promise.all([accounts.listsGateway(sn), bindings.getMany([sn])]));
    return { listed, binding: bound.get(sn) };
  }

  /**
   * Whether an account other than the claimant bound this, and may still act as what it bound. One that is gone,
   * disabled or expired holds nothing any more: a shared account can be replaced by another. Nor does one that has
   * got a list since: what it lists was looked up already.
   */
  async function isHeld(binding: Binding, claimant: string, within: Within): Promise<boolean> {
    // Rows of before accounts were recorded name none: they hold nothing against anybody, or whole fleets were shut out.
    if (binding.account === undefined || binding.account === claimant) return false;
    const holder = await within(accounts.get(binding.account));
    if (holder === undefined || standingOf(holder, now()) !== undefined) return false;
    return holder.scope.kind === 'client-id' || holder.scope.kind === 'any-gateway';
  }

  return {
    async lookUpGateway(sn, within) {
      const { listed, binding } = await lookUp(sn, within);
      // A dock binds itself. What was only bound through an SN does not make that SN a dock: anybody could say so.
      return { known: listed || binding?.gateway === sn, binding };
    },
    async isForeign(claimant, sn, within) {
      const { listed, binding } = await lookUp(sn, within);
      if (listed) return true;
      // Nobody's yet: a dock is not bound before it has connected.
      if (binding === undefined) return false;
      if (await isHeld(binding, claimant, within)) return true;
      if (binding.gateway === sn) return false;
      // A drone belongs to whom the gateway belongs that brought it.
      const carrier = await lookUp(binding.gateway, within);
      if (carrier.listed) return true;
      return carrier.binding !== undefined && isHeld(carrier.binding, claimant, within);
    },
  };
}
