/** DJI's serial numbers (SN): of docks, drones and remote controllers. */

/**
 * A serial number: ASCII letters and digits, at most 64. Docks have 14, drones 20; DJI's own server
 * accepts `[A-Za-z0-9]+`. Compared byte by byte: `sn` and `SN` are two devices.
 */
export const SERIAL_NUMBER_PATTERN = '^[A-Za-z0-9]{1,64}$';

const serialNumber = new RegExp(SERIAL_NUMBER_PATTERN);

/** Begins SNs that `dockhook doctor` and `dockhook emqx status` invent; DJI's have 14 and 20 characters. */
export const INVENTED_SERIAL_NUMBER = 'DOCKHOOKPROBE';

/** Looks at the form alone, not at whether there is such a device. */
export function isSerialNumber(text: string): boolean {
  return serialNumber.test(text);
}

/** Why a text is no serial number; undefined if it is one. */
export function serialNumberFault(text: string): string | undefined {
  return isSerialNumber(text) ? undefined : 'a serial number has letters and digits only, at most 64';
}
