/**
 * How passwords are stored. Two formats of ours, told apart by prefix:
 *
 * - `$argon2id$…` for passwords that people choose: slow on purpose (OWASP's 19 MiB, two passes);
 * - `$dockhook-sha256$salt$digest` for passwords that dockhook generated: 130 random bits cannot be
 *   guessed, so a fast hash is as good, and a fleet reconnects at once after a broker restart.
 *
 * Hashes that were imported are in `foreign-hashes.ts`; they are verified like chosen passwords.
 */
import { createHmac, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { DockhookError } from '../errors.js';
import { foreignFault, isForeign, verifyForeign } from './foreign-hashes.js';

const ARGON2ID = { memoryCost: 19456, timeCost: 2, parallelism: 1 };
const FAST_PREFIX = '$dockhook-sha256$';
const FAST = /^\$dockhook-sha256\$[A-Za-z0-9_-]+\$[A-Za-z0-9_-]{43}$/;
const ARGON2ID_TEXT =
  /^\$argon2id\$v=19\$m=(\d{1,6}),t=(\d{1,2}),p=[1-4]\$[A-Za-z0-9+/]{11,64}\$[A-Za-z0-9+/]{22,86}$/;
/** Memory in KiB times passes, some seven times ours: one row that somebody wrote must not stall the server. */
const MAX_ARGON2ID_WORK = 262_144;

/** Lower case without the look-alikes 0 o, 1 l i: people type these on a remote controller. */
const TYPEABLE = 'abcdefghjkmnpqrstuvwxyz23456789';

/** A random text of typeable characters, in groups of five joined by `-`. */
export function randomCode(characters: number): string {
  const text = Array.from({ length: characters }, () => TYPEABLE.charAt(randomInt(TYPEABLE.length))).join('');
  return (text.match(/.{1,5}/g) ?? []).join('-');
}

/** A password of 30 characters, 148 random bits. */
export function generatePassword(): string {
  return randomCode(30);
}

/** Only for passwords from {@link generatePassword}. */
export function hashGenerated(password: string): string {
  const salt = randomBytes(16).toString('base64url');
  return `${FAST_PREFIX}${salt}$${fastDigest(salt, password).toString('base64url')}`;
}

/** For passwords chosen by people; takes tens of milliseconds of a core. */
export function hashChosen(password: string): Promise<string> {
  return hash(password, ARGON2ID);
}

/** Whether {@link verifyFast} can check this hash. */
export function isFast(passwordHash: string): boolean {
  return passwordHash.startsWith(FAST_PREFIX);
}

/** @throws DockhookError `bad_row` if the stored hash is not one of {@link hashGenerated} */
export function verifyFast(passwordHash: string, password: string): boolean {
  const [salt, digest, ...rest] = passwordHash.slice(FAST_PREFIX.length).split('$');
  const expected = Buffer.from(digest ?? '', 'base64url');
  const actual = fastDigest(salt ?? '', password);
  if (!salt || expected.length !== actual.length || rest.length > 0) throw unreadableHash();
  return timingSafeEqual(expected, actual);
}

/**
 * For all but {@link isFast}: argon2id, and what was imported.
 * @throws DockhookError `bad_row` if the stored hash is of no known kind, or takes too long
 */
export async function verifySlow(passwordHash: string, password: string): Promise<boolean> {
  if (hashFault(passwordHash) !== undefined) throw unreadableHash();
  try {
    return await (isForeign(passwordHash) ? verifyForeign : verify)(passwordHash, password);
  } catch {
    throw unreadableHash();
  }
}

/** Why a text cannot be an account's password hash, or `undefined` if it can. Does not quote it. */
export function hashFault(passwordHash: string): string | undefined {
  if (isForeign(passwordHash)) return foreignFault(passwordHash);
  if (FAST.test(passwordHash)) return undefined;
  const argon2id = ARGON2ID_TEXT.exec(passwordHash);
  if (argon2id === null) return 'is not a hash of a kind that dockhook knows';
  return Number(argon2id[1]) * Number(argon2id[2]) <= MAX_ARGON2ID_WORK
    ? undefined
    : 'takes too much memory or too many passes of argon2id';
}

function fastDigest(salt: string, password: string): Buffer {
  return createHmac('sha256', Buffer.from(salt, 'base64url')).update(password).digest();
}

function unreadableHash(): DockhookError {
  return new DockhookError(
    'bad_row',
    'the stored password hash cannot be read: give the account a new password',
  );
}
