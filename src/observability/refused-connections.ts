/** What is told of connections to the gRPC port that end before their first call. */
import { clientNetwork } from '../client-network.js';
import type { Refusal } from '../exhook/refusals.js';
import { createThrottle } from '../throttle.js';
import type { Logger } from './log.js';
import type { Metrics } from './metrics.js';

/** From one place one line a minute for each reason; from all together twenty at once and one each second. */
const PER_PLACE = { burst: 1, refillMs: 60_000 };
const ALL = { burst: 20, refillMs: 1000 };

/** Counts each, and logs it with advice: as a warning as long as there are few of them. */
export function tellRefusals(
  log: Logger,
  { connectionRefused }: Pick<Metrics, 'connectionRefused'>,
): (refusal: Refusal) => void {
  const perPlace = createThrottle(PER_PLACE);
  const all = createThrottle(ALL);
  return ({ reason, peerHost, peerPort, detail }) => {
    connectionRefused(reason);
    const isTold =
      // A load balancer does it every other second, and means no harm.
      reason !== 'silent' && perPlace.take(`${reason} ${clientNetwork(peerHost)}`) && all.take('');
    log[isTold ? 'warn' : 'debug']({ event: 'connection_refused', reason, peerHost, peerPort, detail });
  };
}
