/** Passwords that were right before, so that a login costs no second hash. */
import { hash, randomBytes } from 'node:crypto';
import { createBoundedMap } from '../bounded-map.js';

/** Accounts whose last right password is remembered. */
const MAX_ACCOUNTS = 50_000;

/** One tag per account; a new one replaces the old. */
export interface RightPasswords {
  /** Stands for an account's hash and a password. Another hash makes another tag. */
  tag(name: string, passwordHash: string, password: string): string;
  has(name: string, tag: string): boolean;
  add(name: string, tag: string): void;
}

/**
 * Remembers one right password per account, as a digest under a key that never leaves this process.
 * It covers the stored hash too: a changed or removed password is forgotten at once.
 */
export function createRightPasswords(): RightPasswords {
  const key = randomBytes(32).toString('hex');
  const tags = createBoundedMap<string>(MAX_ACCOUNTS);
  return {
    /** In one call, because each login needs it: an HMAC object takes Node five times as long. */
    tag: (name, passwordHash, password) =>
      hash('sha256', key + JSON.stringify([name, passwordHash, password]), 'hex'),
    // Without the key, it tells nothing how far two tags agree. So this comparison need not take constant time.
    has: (name, tag) => tags.get(name) === tag,
    add: (name, tag) => {
      tags.set(name, tag);
    },
  };
}
