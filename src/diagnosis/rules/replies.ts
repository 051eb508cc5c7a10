/** Whether a gateway listens to the replies to its requests. Pure. */
import { covers } from '../../access/topic-filters.js';
import type { History } from '../history.js';

/** Where the replies to a gateway's requests come. */
export function repliesTopic(sn: string): string {
  return `thing/product/${sn}/requests_reply`;
}

/**
 * Whether this client subscribed to the replies: in its session; only in one before, which it may have resumed with its
 * subscriptions; or never, as far as is known.
 */
export function subscribedToReplies(
  { entries, sessions }: History,
  sn: string,
  clientId: string,
): 'yes' | 'before' | 'never' {
  const last = entries.findLast(
    (entry) =>
      entry.step === 'authorize' &&
      entry.outcome === 'ok' &&
      entry.clientId === clientId &&
      covers(entry.details.topic ?? '', repliesTopic(sn)),
  );
  if (last === undefined) return 'never';
  const begin = entries.findLast((entry) => entry.step === 'authenticate' && entry.clientId === clientId)?.at;
  const session = sessions.find((one) => one.clientId === clientId);
  return last.lastAt >= (begin ?? session?.since ?? 0) ? 'yes' : 'before';
}
