/** Random passwords and codes that people can type. */
import { randomInt } from 'node:crypto';

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
