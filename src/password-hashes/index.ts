/**
 * How passwords are stored: the algorithms that dockhook knows. To add one, write its file and a line in this list; the
 * schema of accounts, `account import` and `doctor` follow.
 *
 * A hash says itself by which algorithm it was made. We refuse one that costs too much: a single row must not stall the
 * server.
 */
import { UNKNOWN_HASH, unreadableHash, type HashAlgorithm } from './algorithm.js';
import { argon2id } from './argon2id.js';
import { bcrypt } from './bcrypt.js';
import { emqxPbkdf2, emqxSalted } from './emqx.js';
import { generated } from './dockhook-sha256.js';

export { hashChosen } from './argon2id.js';
export { fromEmqx, type EmqxAlgorithm } from './emqx.js';
export { hashGenerated } from './dockhook-sha256.js';

/** The most frequent first. */
const ALGORITHMS: readonly HashAlgorithm[] = [generated, argon2id, bcrypt, emqxPbkdf2, emqxSalted];

/** What the hash of an account must look like at first sight; {@link hashFault} looks closer. */
export const PASSWORD_HASH_PATTERN = `^(${ALGORITHMS.flatMap(({ prefixes }) => prefixes)
  .map((prefix) => prefix.replaceAll('$', '\\$'))
  .join('|')})[^\\0]+$`;

/** The algorithm that made a hash. */
export function findAlgorithm(passwordHash: string): HashAlgorithm | undefined {
  return ALGORITHMS.find(({ prefixes }) => prefixes.some((prefix) => passwordHash.startsWith(prefix)));
}

/** Why a text cannot be the password hash of an account, or `undefined` if it can. Does not quote it. */
export function hashFault(passwordHash: string): string | undefined {
  const algorithm = findAlgorithm(passwordHash);
  return algorithm ? algorithm.fault(passwordHash) : UNKNOWN_HASH;
}

/** Where the password behind a hash comes from. */
export function passwordKind(passwordHash: string): HashAlgorithm['passwordKind'] {
  return findAlgorithm(passwordHash)?.passwordKind ?? 'chosen';
}

/**
 * Checks a password against a hash of any algorithm. Takes as long as the hash demands.
 * @throws DockhookError `bad_row` if the hash is of no known kind, cannot be read, or costs too much
 */
export async function verifyPassword(passwordHash: string, password: string): Promise<boolean> {
  const algorithm = findAlgorithm(passwordHash);
  if (algorithm === undefined || algorithm.fault(passwordHash) !== undefined) throw unreadableHash();
  try {
    return await algorithm.verify(passwordHash, password);
  } catch {
    throw unreadableHash();
  }
}

/** Whether a hash of ours may replace this one, now that this password was right. */
export function mayReplace(passwordHash: string, password: string): boolean {
  const algorithm = findAlgorithm(passwordHash);
  return algorithm?.speed === 'slow' && algorithm.mayReplace?.(passwordHash, password) === true;
}

/** Loads what checking passwords needs, so that the first login need not wait for it. */
export async function loadAlgorithms(): Promise<void> {
  for (const algorithm of ALGORITHMS) if (algorithm.speed === 'slow') await algorithm.load?.();
}
