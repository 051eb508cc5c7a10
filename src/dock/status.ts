/**
 * What a gateway reports about itself with `update_topo` (DJI Cloud API, "Device topology update"). A dock does so on
 * `sys/product/{sn}/status`; a remote controller was seen to there, and does so on `thing/product/{sn}/status` by DJI's
 * page on the RC Plus 2. Here it is only noted: the operator's backend answers it, or `for-backend.ts`.
 */
import type { AccessEvent, Tell } from '../events.js';
import { isSerialNumber } from '../serial-number.js';
import { messageTraits } from './envelope.js';
import type { Report } from './report.js';

/**
 * Tells of an `update_topo`, and of nothing else. Nobody has checked whether the account may speak for
 * this SN: the listener must not rely on it.
 * @param now milliseconds since the epoch
 */
export function observeStatus(
  { message, session, device, envelope }: Report,
  tell: Tell,
  now: () => number,
): void {
  if (device.rest !== 'status' || envelope.method !== 'update_topo') return;
  const told = gatewayIn(envelope.data);
  if (told === undefined) return;
  tell({
    step: 'status',
    outcome: 'passed',
    clientId: session.clientId,
    account: session.account,
    gateway: device.sn,
    method: envelope.method,
    messageId: message.id,
    ...told,
    ...(session.peerHost === undefined ? {} : { peerHost: session.peerHost }),
    ...messageTraits(envelope, now()),
  });
}

/** Undefined if it says neither what it is nor which devices it has. */
function gatewayIn(data: unknown): Pick<AccessEvent, 'drone' | 'modelKey'> | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  const drone = droneIn(data);
  const modelKey = modelKeyIn(data);
  if (drone === undefined && modelKey === undefined) return undefined;
  return { ...(drone === undefined ? {} : { drone }), ...(modelKey === undefined ? {} : { modelKey }) };
}

/**
 * SN of the drone; `''` for an empty list, which means "the drone is off"; `undefined` if there is no list, or an SN that
 * is none. Controllers of 2022 wrote `sub_device` (seen in a capture).
 */
function droneIn(data: { sub_devices?: unknown; sub_device?: unknown }): string | undefined {
  const { sub_devices: devices = data.sub_device } = data;
  if (!Array.isArray(devices)) return undefined;
  const [first] = devices as unknown[];
  const { sn } = (first ?? {}) as { sn?: unknown };
  if (first === undefined) return '';
  return typeof sn === 'string' && isSerialNumber(sn) ? sn : undefined;
}

/** Of a gateway that says its domain: captures of 2022 have none. Each part was seen as a number and as a text. */
function modelKeyIn(data: { domain?: unknown; type?: unknown; sub_type?: unknown }): string | undefined {
  const domain = part(data.domain);
  return domain === undefined
    ? undefined
    : `${domain}-${part(data.type) ?? '?'}-${part(data.sub_type) ?? '?'}`;
}

function part(value: unknown): string | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  return typeof text === 'string' && /^\d{1,6}$/.test(text) ? text : undefined;
}
