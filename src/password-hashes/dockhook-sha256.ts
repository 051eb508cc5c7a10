/**
 * `$dockhook-sha256$salt$digest`, for passwords that dockhook generated. Nobody can guess their 148 random bits, so a
 * fast hash is as good as a slow one, and a fleet reconnects at once after a restart of the broker.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { UNKNOWN_HASH, unreadableHash, type FastAlgorithm } from './algorithm.js';

const PREFIX = '$dockhook-sha256$';
const WHOLE = /^\$dockhook-sha256\$[A-Za-z0-9_-]+\$[A-Za-z0-9_-]{43}$/;

/** The only fast one: its passwords have 148 random bits. */
export const generated: FastAlgorithm = {
  prefixes: [PREFIX],
  passwordKind: 'generated',
  speed: 'fast',
  fault: (passwordHash) => (WHOLE.test(passwordHash) ? undefined : UNKNOWN_HASH),
  verify(passwordHash, password) {
    const [salt, digest, ...rest] = passwordHash.slice(PREFIX.length).split('$');
    const expected = Buffer.from(digest ?? '', 'base64url');
    const actual = digestOf(salt ?? '', password);
    if (!salt || expected.length !== actual.length || rest.length > 0) throw unreadableHash();
    return timingSafeEqual(expected, actual);
  },
};

/** Only for passwords that dockhook generated. */
export function hashGenerated(password: string): string {
  const salt = randomBytes(16).toString('base64url');
  return `${PREFIX}${salt}$${digestOf(salt, password).toString('base64url')}`;
}

function digestOf(salt: string, password: string): Buffer {
  return createHmac('sha256', Buffer.from(salt, 'base64url')).update(password).digest();
}
