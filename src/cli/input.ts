/** What commands read: standard input, serial numbers, durations and dates. */
import { isSerialNumber } from '../topics.js';
import { DockhookError } from '../errors.js';

/** More than any password, license or list of names that a person pipes in. */
const MAX_STDIN_BYTES = 64 * 1024 * 1024;

export async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_STDIN_BYTES) throw new DockhookError('usage', 'standard input is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Reads a password; removes one trailing LF or CRLF and nothing else. */
export async function readPassword(): Promise<string> {
  const password = (await readStdin()).replace(/\r?\n$/, '');
  if (password === '') {
    throw new DockhookError('usage', 'no password on standard input: printf \'%s\' "$PASSWORD" | dockhook …');
  }
  return password;
}

/**
 * Throws `usage` if it is no serial number.
 * @param where what the user wrote it behind: a flag, a column, a command
 */
export function demandSerialNumber(where: string, sn: string, hint = ''): void {
  if (isSerialNumber(sn)) return;
  throw new DockhookError(
    'usage',
    `${where} ${sn}: a serial number has letters and digits only, at most 64${hint}`,
  );
}

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * A moment as `12h`, `30m`, `90d` from now, or as a date that JavaScript reads; as ISO text in UTC.
 * @throws DockhookError `usage` if it is neither
 */
export function parseMoment(text: string, now: number): string {
  const duration = /^(\d{1,6})([mhd])$/.exec(text);
  const unit = duration?.[2] as keyof typeof UNITS | undefined;
  const time = unit === undefined ? Date.parse(text) : now + Number(duration?.[1]) * UNITS[unit];
  if (Number.isNaN(time)) {
    throw new DockhookError('usage', `${text}: not a time. Write 30m, 12h, 90d, or 2027-01-31T18:00:00Z`);
  }
  return new Date(time).toISOString();
}

/** The moment that `--expires` names, which must lie ahead. */
export function parseExpiry(text: string, now: number): string {
  const moment = parseMoment(text, now);
  if (Date.parse(moment) <= now) throw new DockhookError('usage', `--expires ${text}: that is in the past`);
  return moment;
}
