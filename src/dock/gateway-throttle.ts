/** A limit for each gateway, and one for its account: an account may act as many gateways. */
import { createThrottle, type Rate } from '../throttle.js';

/** Who sends a request: the gateway in the topic, and the account of the session. */
export interface Asker {
  gateway: string;
  account: string;
}

interface GatewayThrottle {
  /** Takes a token of both; false if either has none left. */
  take(asker: Asker): boolean;
  giveBack(asker: Asker): void;
}

/** @param now milliseconds since the epoch */
export function createGatewayThrottle(
  { perGateway, perAccount }: { perGateway: Rate; perAccount: Rate },
  now: () => number,
): GatewayThrottle {
  const gateways = createThrottle(perGateway, now);
  const accounts = createThrottle(perAccount, now);
  // The key has the account, too: what another account does under this SN must not lock out the owner of the dock.
  const source = ({ gateway, account }: Asker): string => JSON.stringify([account, gateway]);

  return {
    take(asker) {
      if (!gateways.take(source(asker))) return false;
      if (accounts.take(asker.account)) return true;
      gateways.giveBack(source(asker));
      return false;
    },
    giveBack(asker) {
      gateways.giveBack(source(asker));
      accounts.giveBack(asker.account);
    },
  };
}
