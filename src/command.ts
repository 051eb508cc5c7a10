/** Commands that a text tells its reader to type. */
import { shellWord } from './shell.js';

/**
 * A dockhook command that works when it is pasted into a shell as it stands.
 * @param words what comes after `dockhook`; a placeholder such as `NAME` is a word like any other
 */
export function command(...words: readonly string[]): string {
  return ['dockhook', ...words.map(shellWord)].join(' ');
}
