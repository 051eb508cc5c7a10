/** What commands read: standard input, serial numbers and dates. */
import { Writable } from 'node:stream';
import { DockhookError } from '../errors.js';
import { parseMoment } from '../dates.js';
import { serialNumberFault } from '../serial-number.js';
import { ask } from './output.js';

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

/**
 * Reads a password; removes one trailing LF or CRLF and nothing else. A person at a terminal is asked for it, and does
 * not see it.
 * @param isNew whether a slip of the finger would stay: a person types it twice
 */
export async function readPassword({ isNew = false } = {}): Promise<string> {
  const isTyped = process.stdin.isTTY;
  const password = isTyped ? await askHidden('password: ') : (await readStdin()).replace(/\r?\n$/, '');
  if (password === '') {
    throw new DockhookError('usage', 'no password on standard input: printf \'%s\' "$PASSWORD" | dockhook …');
  }
  if (isTyped && isNew && (await askHidden('again: ')) !== password) {
    throw new DockhookError('usage', 'the two passwords differ; nothing was changed');
  }
  return password;
}

/** One line from the terminal, which shows nothing of it. Empty if the person gives up. */
async function askHidden(question: string): Promise<string> {
  const { createInterface } = await import('node:readline');
  const nowhere = new Writable({
    write: (_chunk, _encoding, done) => {
      done();
    },
  });
  // As a terminal, it takes the keys one by one, and the echo goes to `output`.
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  // Only now: until then the terminal would show what is typed.
  ask(question);
  const line = await new Promise<string>((resolve) => {
    lines.once('line', resolve).once('close', () => {
      resolve('');
    });
  });
  lines.close();
  ask('\n');
  return line;
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
