/** What the checks of `dockhook doctor` have in common. */
import { messageOf } from '../errors.js';
import type { Finding } from '../finding.js';

/** Runs a check. One that breaks off is itself a finding, and keeps the others from nothing. */
export async function checked(what: string, check: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await check();
  } catch (error) {
    return [notChecked(what, messageOf(error))];
  }
}

export function notChecked(what: string, because: string): Finding {
  return {
    level: 'warning',
    code: 'not_checked',
    what: `${what}: not checked`,
    why: because,
  };
}

const SHOWN = 5;

/** `a, b, c`, and of many only the first and how many more. */
export function some(names: readonly string[]): string {
  const rest = names.length - SHOWN;
  return names.slice(0, SHOWN).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** `1 account`, `2 accounts`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** `1 account wants a certificate`, `2 accounts want a certificate`. */
export function accountsWantCertificate(number: number): string {
  return `${count(number, 'account')} ${number === 1 ? 'wants' : 'want'} a certificate`;
}
