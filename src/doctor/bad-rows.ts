/** Rows that cannot be used, by name. */
import type { DockhookError } from '../errors.js';
import { count } from './check.js';
import type { Finding } from '../finding.js';

const SHOWN = 20;

export function badRowFindings(badRows: readonly DockhookError[]): Finding[] {
  const findings = badRows.slice(0, SHOWN).map(({ message }) => badRow(message));
  const rest = badRows.length - SHOWN;
  return rest > 0
    ? [...findings, badRow(`${count(rest, 'more row')} of that table cannot be used`)]
    : findings;
}

function badRow(what: string): Finding {
  return {
    level: 'error',
    code: 'bad_row',
    what,
    why: 'whoever the row is about is refused, as nobody can tell what it should say',
    fix: [
      'mend or delete the row with SQL, or remove it (dockhook account remove, binding remove, …) and add it again',
    ],
  };
}
