/** One entry of the timeline, made from an event. */
import type { AccessEvent } from '../events.js';
import type { TimelineEntry } from '../stores/types.js';
import { clipped } from '../text.js';

/** Longer texts of a client are clipped. */
export const MAX_TEXT = 255;

/** Written out field by field, which is fast: every event comes here, inside a hook. */
export function createEntry(
  event: AccessEvent,
  { at, again, gateway, own }: { at: number; again: boolean; gateway: string | undefined; own: boolean },
): TimelineEntry {
  return {
    at,
    lastAt: at,
    count: 1,
    gateway,
    own,
    clientId: clip(event.clientId) ?? '',
    account: clip(event.account) ?? '',
    step: event.step,
    outcome: event.outcome,
    reason: event.reason,
    details: {
      sn: event.sn,
      organizationId: event.organizationId,
      method: event.method,
      result: event.result,
      action: event.action,
      topic: clip(event.topic),
      peerHost: event.peerHost,
      peerPort: event.peerPort,
      node: event.node,
      clockSkewMs: event.clockSkewMs,
      drone: event.drone,
      modelKey: event.modelKey,
      license: event.license,
      broker: event.broker,
      detail: clip(event.detail),
      again: again || undefined,
    },
  };
}

/** Whether two entries of one client say the same to a reader. */
export function isSame(one: TimelineEntry, other: TimelineEntry): boolean {
  const [a, b] = [one.details, other.details];
  const isSession = one.step === 'connected' || one.step === 'disconnected' || one.step === 'booted';
  return (
    one.step === other.step &&
    one.outcome === other.outcome &&
    one.reason === other.reason &&
    one.gateway === other.gateway &&
    a.method === b.method &&
    a.result === b.result &&
    a.sn === b.sn &&
    a.organizationId === b.organizationId &&
    a.action === b.action &&
    a.topic === b.topic &&
    a.peerHost === b.peerHost &&
    a.drone === b.drone &&
    a.modelKey === b.modelKey &&
    a.license === b.license &&
    a.again === b.again &&
    (!isSession || (a.peerPort === b.peerPort && a.detail === b.detail))
  );
}

function clip(text: string | undefined): string | undefined {
  return text === undefined ? undefined : clipped(text, MAX_TEXT);
}
