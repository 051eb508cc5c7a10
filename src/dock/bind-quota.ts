/** Keeps anybody with a valid binding code from filling the table of bindings with invented devices. */
import { createBoundedMap } from '../bounded-map.js';
import { createGatewayThrottle, type Asker } from './gateway-throttle.js';

/** Different devices that are bound at once, and the time in which one more may be bound, in milliseconds. */
const NEW_DEVICES = {
  perGateway: { burst: 20, refillMs: 60_000 },
  /** For a whole fleet behind one account: all its docks with their drones on the first day. */
  perAccount: { burst: 5000, refillMs: 1000 },
};

/** How many already counted devices are remembered: a dock may bind them again as often as it likes. */
const MAX_KNOWN = 50_000;

/** A limit on how many different devices a gateway and its account bind. */
export interface BindQuota {
  /** Whether this gateway may try to bind this device now. */
  take(asker: Asker, sn: string): boolean;
}

/** @param now milliseconds since the epoch */
export function createBindQuota(now: () => number): BindQuota {
  const newDevices = createGatewayThrottle(NEW_DEVICES, now);
  const known = createBoundedMap<true>(MAX_KNOWN);

  return {
    take(asker, sn) {
      const device = JSON.stringify([asker.account, asker.gateway, sn]);
      if (!known.has(device) && !newDevices.take(asker)) return false;
      known.set(device, true);
      return true;
    },
  };
}
