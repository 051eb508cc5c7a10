/** Keeps who has a valid binding code from filling the table of bindings with invented devices. */
import { createThrottle } from '../throttle.js';

/** Different devices that one gateway binds at once, and the time in which it may bind one more, in milliseconds. */
const PER_GATEWAY = { burst: 20, refillMs: 60_000 };
/** Of a whole fleet behind one account: all its docks with their drones on the first day. */
const PER_ACCOUNT = { burst: 5000, refillMs: 1000 };
/** Devices that are known to have been paid for: a dock may ask to be bound again as often as it likes. */
const MAX_KNOWN = 50_000;

export interface BindQuota {
  /** Whether this gateway may try to bind this device now. */
  take(asker: { gateway: string; account: string }, sn: string): boolean;
}

/** @param now milliseconds since the epoch */
export function createBindQuota(now: () => number): BindQuota {
  const gateways = createThrottle(PER_GATEWAY, now);
  const accounts = createThrottle(PER_ACCOUNT, now);
  const known = new Set<string>();

  return {
    take({ gateway, account }, sn) {
      const device = JSON.stringify([account, gateway, sn]);
      if (!known.delete(device)) {
        const source = JSON.stringify([account, gateway]);
        if (!gateways.take(source)) return false;
        if (!accounts.take(account)) {
          gateways.giveBack(source);
          return false;
        }
      }
      known.add(device);
      const [oldest] = known;
      if (known.size > MAX_KNOWN && oldest !== undefined) known.delete(oldest);
      return true;
    },
  };
}
