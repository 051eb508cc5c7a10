/** What commands read: standard input, serial numbers and dates. */
import { DockhookError } from '../errors.js';
import { parseMoment } from '../dates.js';
import { serialNumberFault } from '../serial-number.js';

/** More than any password, license or list of names that a person pipes in. */
const MAX_STDIN_BYTES = 64 * 1024 * 1024;

/** All of standard input as UTF-8. Rejects with `usage` beyond 64 MiB. */
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
 * @param where the flag or command after which the user wrote it
 */
export function demandSerialNumber(where: string, sn: string): void {
  const fault = serialNumberFault(sn);
  if (fault) throw new DockhookError('usage', `${where} ${sn}: ${fault}`);
}

/** The moment that `--expires` names. It must be in the future. */
export function parseExpiry(text: string, now: number): string {
  const moment = parseMoment(text, now);
  if (Date.parse(moment) <= now) throw new DockhookError('usage', `--expires ${text}: that is in the past`);
  return moment;
}
