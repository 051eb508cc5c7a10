/** Dates and times: as RFC 3339 has them, and as people write them. */
import { DockhookError } from './errors.js';

export const RFC3339_PATTERN =
  '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?(Z|[+-]\\d{2}:\\d{2})$';

const rfc3339 = new RegExp(RFC3339_PATTERN);

export function isRfc3339(text: string): boolean {
  return rfc3339.test(text);
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * A moment as `12h`, `30m`, `90d` from now, or as a date that JavaScript reads; as RFC 3339 in UTC.
 * @throws DockhookError `usage` if it is neither
 */
export function parseMoment(text: string, now: number): string {
  const [, amount, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const time = amount === undefined ? Date.parse(text) : now + Number(amount) * (UNITS[unit] ?? NaN);
  if (Number.isNaN(time)) {
    throw new DockhookError('usage', `${text}: not a time. Write 30m, 12h, 90d, or 2027-01-31T18:00:00Z`);
  }
  return new Date(time).toISOString();
}
