/** Which account names and client ids are safe to let near a broker. Pure. */

/**
 * Broker rules with placeholders (`thing/product/${clientid}/#`) would read the first three as wildcards
 * and levels; seen on EMQX 5.8.9. Control characters would forge lines wherever a name is printed.
 */
const UNSAFE = /[+#/\p{Control}]/u;
const MAX_ACCOUNT_NAME = 255;

export function isUnsafeName(name: string): boolean {
  return UNSAFE.test(name);
}

/** Why a text cannot be an account name, or `undefined` if it can. */
export function accountNameFault(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (isUnsafeName(name)) return 'has one of + # / or a control character in it';
  if (name.length > MAX_ACCOUNT_NAME) return `has more than ${MAX_ACCOUNT_NAME} characters`;
  return undefined;
}
