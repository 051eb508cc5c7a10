/** Dates, times and durations: as RFC 3339 has them, and as people write and read them. */
import { DockhookError } from './errors.js';

/** The form alone: month 13 fits, too. */
export const RFC3339_PATTERN =
  '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,9})?(Z|[+-]\\d{2}:\\d{2})$';

const rfc3339 = new RegExp(RFC3339_PATTERN);

/** Does not check that the date exists. */
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

/** RFC 3339 in UTC. */
export function toRfc3339(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** `2026-11-24 14:11:57` where the reader is. */
export function localTime(milliseconds: number): string {
  // Sweden writes dates as ISO 8601 does.
  return new Date(milliseconds).toLocaleString('sv-SE');
}

/** The name of the zone of {@link localTime}, for the heading of its column. */
export function timeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** `61 s`, `60 min`, `3 h`, `12 days`. */
export function durationText(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}
