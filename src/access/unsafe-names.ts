/** Which account names and client ids a broker can handle safely. Pure. */
import { CLIENT_ID_SEPARATOR } from '../client-id.js';

/**
 * A broker rule with a placeholder (`thing/product/${clientid}/#`) would read the first three as wildcards
 * and levels; seen on EMQX 5.8.9. Control characters could forge lines wherever a name is printed.
 */
const UNSAFE = /[+#/\p{Control}]/u;
/** MQTT allows 65,535 bytes. We look up, remember and log no name that long. */
const MAX_NAME = 255;

/** True for a wildcard, a slash, a control character, or more than 255 characters. */
export function isUnsafeName(name: string): boolean {
  return name.length > MAX_NAME || UNSAFE.test(name);
}

/** With the separator in it, a client's own id could be the id that a broker makes for another account. */
export function isUnsafeClientId(clientId: string): boolean {
  return isUnsafeName(clientId) || clientId.includes(CLIENT_ID_SEPARATOR);
}

/** Why a text cannot be an account name, or `undefined` if it can. */
export function accountNameFault(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (name.length > MAX_NAME) return `has more than ${MAX_NAME} characters`;
  if (isUnsafeName(name)) return 'has one of + # / or a control character in it';
  if (name.includes(CLIENT_ID_SEPARATOR))
    return `must not have ${CLIENT_ID_SEPARATOR} in it: EMQX puts the account and a ${CLIENT_ID_SEPARATOR} in front of client ids`;
  return undefined;
}

/** The names of the accounts that `dockhook doctor --probe` makes and removes begin with this. */
export const PROBE_ACCOUNT = 'dockhook-probe-';
