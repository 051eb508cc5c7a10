/** Why access is refused, and how that is reported. */
import { clientNetwork } from '../client-network.js';
import { storeFault, traceOf } from '../errors.js';
import type { AccessEvent, Reason, Tell } from '../events.js';
import type { Client } from '../hooks.js';
import type { Account } from '../stores/types.js';
import { createThrottle } from '../throttle.js';

/** Refusals from one network that are logged: a hundred a minute. More are only counted. */
const LOGGED_REFUSALS = { burst: 100, refillMs: 600 };

/** `detail` is for the log; nobody decides by it. */
export interface Refusal {
  reason: Reason;
  detail?: string;
}

/** The refusal when a check itself fails: in doubt the answer is no. */
export function failureRefusal(error: unknown): Refusal {
  return { reason: storeFault(error) ?? 'internal_error', detail: traceOf(error) };
}

/** Whether the account demands another certificate than this; `cn` is `''` for none. */
export function wrongCertificate({ certificateCn }: Account, cn: string): 'wrong_certificate' | undefined {
  return certificateCn === undefined || certificateCn === cn ? undefined : 'wrong_certificate';
}

/** What an event says about its client. */
export function clientNames({ clientId, username }: Client): Pick<AccessEvent, 'clientId' | 'account'> {
  return { clientId, account: username };
}

/** `peerHost` is the client's address; its network must not fill the log. */
export type TellRefusal = (event: Omit<AccessEvent, 'outcome'>, peerHost: string) => void;

/** Reports refusals, and marks those that come too often from one network. */
export function tellRefusals(tell: Tell): TellRefusal {
  const logged = createThrottle(LOGGED_REFUSALS);
  return (event, peerHost) => {
    const repeated = !logged.take(clientNetwork(peerHost));
    tell({ outcome: 'refused', ...event, ...(repeated ? { repeated } : {}) });
  };
}
