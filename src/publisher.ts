/** What `dock/` asks of `access/`: who published a message, and whose an SN is. Types only. */
import type { Session } from './hooks.js';
import type { Within } from './time-limits.js';

/** Who publishes on the `requests` topic of a gateway. */
export type Publisher =
  /** A dock account that may act as this gateway. */
  | 'dock'
  /** A service account, such as a backend: dockhook leaves its messages alone. */
  | 'service'
  /** An unknown account, and `DOCKHOOK_UNKNOWN_ACCOUNTS=ignore`. */
  | 'not_ours'
  /** Anybody else. */
  | 'stranger';

export interface Publishers {
  /** Rejects if nobody can tell (store trouble): the message is then dropped. */
  identifyPublisher(session: Session, gateway: string, within: Within): Promise<Publisher>;
  /**
   * Whether a session belongs to a dock account that may publish to this topic, under its own SN or that of its drone.
   * Rejects as `identifyPublisher` does.
   */
  mayPublish(session: Session, topic: string, within: Within): Promise<boolean>;
  /** Whether an account lists this SN as a gateway. One that was bound through itself is a gateway, too: a bind sees that. */
  isListed(sn: string, within: Within): Promise<boolean>;
}
