/**
 * How passwords are stored. Two formats, told apart by prefix:
 *
 * - `$argon2id$…` for passwords that people choose: slow on purpose (OWASP's 19 MiB, two passes);
 * - `$dockhook-sha256$salt$digest` for passwords that dockhook generated: 130 random bits cannot be
 *   guessed, so a fast hash is as good, and a fleet reconnects at once after a broker restart.
 */
import { createHmac, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { DockhookError } from '../errors.js';

const ARGON2ID = { memoryCost: 19456, timeCost: 2, parallelism: 1 };
const FAST_PREFIX = '$dockhook-sha256$';

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

/** @throws DockhookError `bad_row` if the stored hash is no argon2 string */
export async function verifySlow(passwordHash: string, password: string): Promise<boolean> {
  try {
    return await verify(passwordHash, password);
  } catch {
    throw unreadableHash();
  }
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
