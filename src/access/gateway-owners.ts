/**
 * Who owns an SN. An account of scope `client-id` lists no gateways: its client id claims one. We check such a claim
 * against everything that accounts list and that gateways have bound.
 */
import { createBoundedMap } from '../bounded-map.js';
import type { Reason } from '../events.js';
import type { Accounts, Binding, Bindings } from '../stores/types.js';
import { createThrottle } from '../throttle.js';
import type { Within } from '../time-limits.js';

/**
 * How many unknown SNs one account may bring at once, and the time in which it may bring one more, in milliseconds.
 * People set up a fleet by hand, dock by dock; invented SNs would fill the list of docks.
 */
const NEWCOMERS = { burst: 10_000, refillMs: 10_000 };
/** How many newcomers of all accounts are remembered: a remembered one may come again as often as it likes. */
const MAX_NEWCOMERS = 50_000;

/** Both reject as the store does, and when the time of `within` is over. */
export interface GatewayOwners {
  /** Whether an SN is known as a gateway, and its binding. */
  lookUp(sn: string, within: Within): Promise<{ isGateway: boolean; binding: Binding | undefined }>;
  /** Why an account of scope `client-id` may not act as this gateway: it is somebody else's, or one too many. */
  claimRefusal(claimant: string, sn: string, within: Within): Promise<Reason | undefined>;
}

/** `now` is in milliseconds from any start. */
export function createGatewayOwners(
  accounts: Accounts,
  bindings: Bindings,
  now: () => number,
): GatewayOwners {
  const refusalForNewcomer = limitNewcomers(now);

  /** Asks both at once, so that it takes one round trip at most. */
  async function read(sn: string, within: Within) {
    const [listed, binding] = await within(Promise.all([accounts.listsGateway(sn), bindings.get(sn)]));
    return { listed, binding };
  }

  /** As `read`, of what may be a dock: it may have been bound through another server a moment ago. */
  async function readGateway(sn: string, within: Within) {
    const [listed, bound] = await within(Promise.all([accounts.listsGateway(sn), bindings.getMany([sn])]));
    return { listed, binding: bound.get(sn) };
  }

  /**
   * Whether an account other than the claimant bound this. A disabled or expired account still holds it: otherwise
   * another could take its docks for good in the meantime. A removed account holds nothing, so that another can replace
   * a shared account. Nor does an account that has a list by now: what it lists was already looked up.
   */
  async function isHeld(binding: Binding, claimant: string, within: Within): Promise<boolean> {
    // Rows from before accounts were recorded name none. They block nobody, or whole fleets would be shut out.
    if (binding.account === undefined || binding.account === claimant) return false;
    const holder = await within(accounts.get(binding.account));
    if (holder === undefined) return false;
    return holder.scope.kind === 'client-id' || holder.scope.kind === 'any-gateway';
  }

  async function isForeign(claimant: string, sn: string, binding: Binding, within: Within): Promise<boolean> {
    if (await isHeld(binding, claimant, within)) return true;
    if (binding.gateway === sn) return false;
    // A drone belongs to whoever owns the gateway that brought it.
    const carrier = await read(binding.gateway, within);
    if (carrier.listed) return true;
    return carrier.binding !== undefined && isHeld(carrier.binding, claimant, within);
  }

  return {
    async lookUp(sn, within) {
      const { listed, binding } = await read(sn, within);
      // A dock binds itself. A device that was bound through an SN does not make that SN a dock: anybody could claim
      // it.
      return { isGateway: listed || binding?.gateway === sn, binding };
    },
    async claimRefusal(claimant, sn, within) {
      const { listed, binding } = await readGateway(sn, within);
      if (listed) return 'foreign_gateway';
      if (binding === undefined) return refusalForNewcomer(claimant, sn);
      return (await isForeign(claimant, sn, binding, within)) ? 'foreign_gateway' : undefined;
    },
  };
}

/** For SNs that belong to nobody yet: a dock must connect before it can be bound. */
function limitNewcomers(now: () => number): (claimant: string, sn: string) => Reason | undefined {
  const newcomers = createThrottle(NEWCOMERS, now);
  const known = createBoundedMap<true>(MAX_NEWCOMERS);
  return (claimant, sn) => {
    const newcomer = JSON.stringify([claimant, sn]);
    if (!known.has(newcomer) && !newcomers.take(claimant)) return 'too_many_gateways';
    known.set(newcomer, true);
    return undefined;
  };
}
