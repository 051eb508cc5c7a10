/**
 * The list of devices in a request. Each entry is judged alone, and gets its own result: a dock without its drone may name
 * one with an empty SN, and is itself to be bound all the same.
 */
import { isSerialNumber } from '../serial-number.js';
import { counted } from '../text.js';
import { misfitBy, unusable } from './method.js';
import { MAX_DEVICES_PER_REQUEST } from './request-limits.js';
import { ok, type Answer } from './result-codes.js';

/** Schema of the list itself. DJI says "size 2"; a dock without its drone has one to ask about. */
export const deviceList = { type: 'array', minItems: 1, maxItems: MAX_DEVICES_PER_REQUEST } as const;

/** One entry of a list. */
export type Listed<Device> =
  | { sn: string; device: Device }
  /** `sn` is what was sent there, and `''` if that is not worth repeating. */
  | { sn: string; device: undefined; misfit: string };

/**
 * Makes the function that takes a list apart.
 * @param name of the list in `data`
 * @param schema of one entry; it demands an `sn`
 */
export function readDevices<Device extends { sn: string | number }>(
  name: string,
  schema: object,
): (list: readonly unknown[]) => Listed<Device>[] {
  const misfitOf = misfitBy(schema);
  return (list) =>
    list.map((entry, index) => {
      const misfit = misfitOf(entry, `data/${name}/${index}`);
      if (misfit !== undefined) return { sn: echoOf(entry), device: undefined, misfit };
      const device = entry as Device;
      return { sn: String(device.sn), device };
    });
}

/** The answer if no device of a list can be used; undefined if one can. */
export function noneUsable(list: readonly Listed<unknown>[]): Answer | undefined {
  const [first] = misfitsOf(list);
  return list.some(({ device }) => device !== undefined) ? undefined : unusable(first ?? '');
}

/** The answer with a result for each device. Its event says how many could not be used, and why the first could not. */
export function okForEach(list: readonly Listed<unknown>[], output: object): Answer {
  const misfits = misfitsOf(list);
  const [first] = misfits;
  if (first === undefined) return ok(output);
  return {
    ...ok(output),
    detail: `${misfits.length} of ${counted(list.length, 'device')} cannot be used: ${first}`,
  };
}

/** Whether an entry that cannot be used still says which device it is about. */
export function namesDevice({ sn }: Listed<unknown>): boolean {
  return isSerialNumber(sn);
}

function misfitsOf(list: readonly Listed<unknown>[]): string[] {
  return list.flatMap((one) => ('misfit' in one ? one.misfit : []));
}

/** The longest SN. */
const MAX_ECHO = 64;

/** By its SN a dock finds the result again. A number that is not exact, or a text cut off, would be another one. */
function echoOf(entry: unknown): string {
  const { sn } = (entry ?? {}) as { sn?: unknown };
  if (typeof sn === 'number') return Number.isSafeInteger(sn) ? String(sn) : '';
  return typeof sn === 'string' && sn.length <= MAX_ECHO ? sn : '';
}
