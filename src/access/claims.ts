/**
 * Whose gateway an SN is. An account of scope `client-id` lists none: its client id claims one, and the claim is
 * checked whole, against what accounts list and against who bound what.
 */
import type { Within } from '../time-limits.js';
import type { Reason } from '../events.js';
import type { Accounts, Binding, Bindings } from '../stores/types.js';
import { createThrottle } from '../throttle.js';

/**
 * SNs that nobody knows yet, which one account may bring at once, and the time in which it may bring one more, in
 * milliseconds. A fleet is set up by hand, dock by dock; who invents SNs fills the list of docks.
 */
const NEWCOMERS = { burst: 10_000, refillMs: 10_000 };
/** Newcomers that are remembered, of all accounts: each may come again as often as it likes. */
const MAX_NEWCOMERS = 50_000;

export interface Claims {
  /** Whether an SN is known as a gateway, and its binding. */
  lookUpGateway(sn: string, within: Within): Promise<{ known: boolean; binding: Binding | undefined }>;
  /**
   * Why an account of scope `client-id` may not act as this gateway: it is somebody else's, or one too many.
   * @param asks whether it acts now, or its client id only may name this: newcomers are counted when they act
   */
  refusalOf(
    claimant: string,
    sn: string,
    within: Within,
    asks?: 'to act' | 'may be named',
  ): Promise<Reason | undefined>;
}

export function createClaims(accounts: Accounts, bindings: Bindings, now: () => number): Claims {
  const newcomers = createThrottle(NEWCOMERS.burst, NEWCOMERS.refillMs, now);
  const knownNewcomers = new Set<string>();

  /** Asked in one turn, so that it takes one round trip. */
  async function lookUp(sn: string, within: Within) {
    const [listed, bound] = await within(Promise.all([accounts.listsGateway(sn), bindings.getMany([sn])]));
    return { listed, binding: bound.get(sn) };
  }

  /**
   * Whether an account other than the claimant bound this. One that is disabled or expired holds it still: else another
   * could take its docks for good in the meantime. One that was removed holds nothing, so that a shared account can be
   * replaced by another; nor does one that has got a list since, for what it lists was looked up already.
   */
  async function isHeld(binding: Binding, claimant: string, within: Within): Promise<boolean> {
    // Rows of before accounts were recorded name none: they hold nothing against anybody, or whole fleets were shut out.
    if (binding.account === undefined || binding.account === claimant) return false;
    const holder = await within(accounts.get(binding.account));
    if (holder === undefined) return false;
    return holder.scope.kind === 'client-id' || holder.scope.kind === 'any-gateway';
  }

  /** Nobody's yet: a dock is not bound before it has connected. */
  function refusalOfNewcomer(claimant: string, sn: string): Reason | undefined {
    const newcomer = JSON.stringify([claimant, sn]);
    if (!knownNewcomers.delete(newcomer) && !newcomers.take(claimant)) return 'too_many_gateways';
    knownNewcomers.add(newcomer);
    const [oldest] = knownNewcomers;
    if (knownNewcomers.size > MAX_NEWCOMERS && oldest !== undefined) knownNewcomers.delete(oldest);
    return undefined;
  }

  async function isForeign(claimant: string, sn: string, binding: Binding, within: Within): Promise<boolean> {
    if (await isHeld(binding, claimant, within)) return true;
    if (binding.gateway === sn) return false;
    // A drone belongs to whom the gateway belongs that brought it.
    const carrier = await lookUp(binding.gateway, within);
    if (carrier.listed) return true;
    return carrier.binding !== undefined && isHeld(carrier.binding, claimant, within);
  }

  return {
    async lookUpGateway(sn, within) {
      const { listed, binding } = await lookUp(sn, within);
      // A dock binds itself. What was only bound through an SN does not make that SN a dock: anybody could say so.
      return { known: listed || binding?.gateway === sn, binding };
    },
    async refusalOf(claimant, sn, within, asks = 'to act') {
      const { listed, binding } = await lookUp(sn, within);
      if (listed) return 'foreign_gateway';
      if (binding === undefined) return asks === 'to act' ? refusalOfNewcomer(claimant, sn) : undefined;
      return (await isForeign(claimant, sn, binding, within)) ? 'foreign_gateway' : undefined;
    },
  };
}
