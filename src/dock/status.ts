/**
 * What a dock reports about itself on `sys/product/{sn}/status` (DJI Cloud API, "Device topology update"). It is only
 * looked at: the message goes on to the operator's backend, which answers it.
 */
import type { Tell } from '../events.js';
import type { Message } from '../hooks.js';
import { parseEnvelope, messageTraits } from './envelope.js';
import { isSerialNumber } from '../serial-number.js';
import { parseDeviceTopic } from '../topics.js';

/**
 * Reports an `update_topo` of a live session, and nothing else. Nobody has checked whether the account may speak for
 * this SN: the listener must not rely on it.
 * @param now milliseconds since the epoch
 */
export function observeStatus(message: Message, tell: Tell, now: () => number): void {
  const { session } = message;
  const device = parseDeviceTopic(message.topic);
  if (device?.root !== 'sys' || device.rest !== 'status' || session === undefined) return;
  const envelope = parseEnvelope(message.payload);
  if (typeof envelope === 'string' || envelope.method !== 'update_topo') return;
  const drone = droneIn(envelope.data);
  if (drone === undefined) return;
  tell({
    step: 'status',
    outcome: 'passed',
    clientId: session.clientId,
    account: session.account,
    gateway: device.sn,
    method: envelope.method,
    messageId: message.id,
    drone,
    ...(session.peerHost === undefined ? {} : { peerHost: session.peerHost }),
    ...messageTraits(envelope, now()),
  });
}

/** SN of the drone; `''` for an empty list, which means "the drone is off"; `undefined` if there is no list. */
function droneIn(data: unknown): string | undefined {
  const { sub_devices: devices } = (data ?? {}) as { sub_devices?: unknown };
  if (!Array.isArray(devices)) return undefined;
  const [first] = devices as unknown[];
  const { sn } = (first ?? {}) as { sn?: unknown };
  if (first === undefined) return '';
  return typeof sn === 'string' && isSerialNumber(sn) ? sn : undefined;
}
