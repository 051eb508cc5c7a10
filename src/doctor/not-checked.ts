/** A check of `dockhook doctor` that could not be made is a finding, too. */
import { messageOf } from '../errors.js';
import { allOf, type Finding, type Found } from '../finding.js';

/** Runs a check. If it throws, that is its finding, and the other checks go on. */
export async function checked(what: string, check: () => Promise<Found>): Promise<Finding[]> {
  try {
    return allOf(await check());
  } catch (error) {
    return [notChecked(what, messageOf(error))];
  }
}

/** Says that something was not checked, and why. */
export function notChecked(what: string, why: string): Finding {
  return { level: 'warning', code: 'not_checked', what: `${what}: not checked`, why };
}
