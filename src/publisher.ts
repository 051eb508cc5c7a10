/** What `dock/` wants to know of who asks, and `access/` answers. Types only. */
import type { Within } from './time-limits.js';

/** Who publishes on a gateway's `requests` topic. */
export type Asker =
  /** A dock account that may act as this gateway. */
  | 'dock'
  /** A backend: its messages are none of ours. */
  | 'service'
  /** An unknown account, and `DOCKHOOK_UNKNOWN_ACCOUNTS=ignore`. */
  | 'not_ours'
  /** Anybody else. */
  | 'stranger';

export interface Askers {
  /** Rejects if that cannot be told (store trouble): the message is then dropped. */
  askerOf(client: { username: string; clientId: string }, gateway: string, within: Within): Promise<Asker>;
  /** Whether this SN is known as a gateway: an account lists it, or it was bound through itself. */
  isGateway(sn: string, within: Within): Promise<boolean>;
}
