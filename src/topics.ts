/**
 * DJI's topic names: `thing/product/{sn}/…` and `sys/product/{sn}/…`
 * (DJI Cloud API, "Topic definition"). Pure, and free to be imported by whoever reads a topic.
 */

/**
 * A serial number: ASCII letters and digits, at most 64. Docks have 14, drones 20; DJI's own server
 * accepts `[A-Za-z0-9]+`. Compared byte by byte: `sn` and `SN` are two devices.
 */
export const SERIAL_NUMBER_PATTERN = '^[A-Za-z0-9]{1,64}$';

const serialNumber = new RegExp(SERIAL_NUMBER_PATTERN);

/** Begins SNs that `dockhook doctor` and `dockhook emqx status` invent; DJI's have 14 and 20 characters. */
export const INVENTED_SERIAL_NUMBER = 'DOCKHOOKPROBE';

export function isSerialNumber(text: string): boolean {
  return serialNumber.test(text);
}

/** Why a text is no serial number; undefined if it is one. */
export function serialNumberFault(text: string): string | undefined {
  return isSerialNumber(text) ? undefined : 'a serial number has letters and digits only, at most 64';
}

/** A topic or topic filter under one device. */
export interface DeviceTopic {
  root: 'thing' | 'sys';
  sn: string;
  /** What follows the SN: `osd`, `property/set`, `#`, … Never empty. */
  rest: string;
}

/** Takes a topic apart; `undefined` for any that does not lie under one literal, well-formed SN. */
export function parseDeviceTopic(topic: string): DeviceTopic | undefined {
  const [root, product, sn, ...levels] = topic.split('/');
  if ((root !== 'thing' && root !== 'sys') || product !== 'product') return undefined;
  if (sn === undefined || !isSerialNumber(sn)) return undefined;
  if (levels.length === 0 || levels.includes('')) return undefined;
  return { root, sn, rest: levels.join('/') };
}

/** The SN in `thing/product/{sn}/requests`, if that is what the topic is. */
export function gatewayOfRequest(topic: string): string | undefined {
  const parsed = parseDeviceTopic(topic);
  return parsed?.root === 'thing' && parsed.rest === 'requests' ? parsed.sn : undefined;
}
