/** Moments and durations in words, as people read them. Programs are given RFC 3339 (`Date.toISOString`). */

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
