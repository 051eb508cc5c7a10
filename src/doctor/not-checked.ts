/** A check of `dockhook doctor` that could not be made is a finding, too. */
import { messageOf } from '../errors.js';
import type { Finding } from '../finding.js';

/** Runs a check. If it throws, that is its finding, and the other checks go on. */
export async function checked(what: string, check: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await check();
  } catch (error) {
    return [notChecked(what, messageOf(error))];
  }
}

/** Says that something was not checked, and why. */
export function notChecked(what: string, why: string): Finding {
  return { level: 'warning', code: 'not_checked', what: `${what}: not checked`, why };
}
