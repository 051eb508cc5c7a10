/** Rows in the database that cannot be used. */
import { command } from '../command.js';
import type { DockhookError } from '../errors.js';
import type { Finding } from '../finding.js';
import { counted } from '../text.js';

const SHOWN = 20;

/** One finding for each of the first 20 rows, and one that counts the rest. */
export function badRowFindings(badRows: readonly DockhookError[]): Finding[] {
  const findings = badRows.slice(0, SHOWN).map(({ message }) => badRow(message));
  const rest = badRows.length - SHOWN;
  return rest > 0
    ? [...findings, badRow(`${counted(rest, 'more row')} of that table cannot be used`)]
    : findings;
}

function badRow(what: string): Finding {
  return {
    level: 'error',
    code: 'bad_row',
    what,
    why: 'dockhook cannot tell what the row should say, and refuses whoever needs it',
    fix: [
      'correct or delete the row with SQL',
      `or remove it (${command('account', 'remove', 'NAME')}, ${command('binding', 'remove', 'SN')}), and add it again`,
    ],
  };
}
