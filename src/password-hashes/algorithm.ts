/** What `index.ts` lists: one way to store a password. */
import { DockhookError } from '../errors.js';

/** `speed` says whether `verify` answers at once or with a promise. */
export type HashAlgorithm = FastAlgorithm | SlowAlgorithm;

interface Common {
  /** How its hashes begin, up to and with the second `$`. No other algorithm has the same. */
  prefixes: readonly string[];
  /** Where such passwords come from: dockhook generated them, people chose them, or they were imported. */
  passwordKind: 'generated' | 'chosen' | 'imported';
  /** Why a hash with one of the prefixes cannot be used, or `undefined` if it can. Does not quote it. */
  fault(passwordHash: string): string | undefined;
}

/** Only safe for passwords that nobody can guess. */
export interface FastAlgorithm extends Common {
  speed: 'fast';
  /** @throws DockhookError `bad_row` if the hash cannot be read */
  verify(passwordHash: string, password: string): boolean;
}

/** For passwords that somebody may guess: their checks must wait in the queue. */
export interface SlowAlgorithm extends Common {
  speed: 'slow';
  /** Loads the package that `verify` needs, if it needs one. Commands that verify nothing do not wait for it. */
  load?(): Promise<unknown>;
  /** Is only asked about a hash that has no {@link Common.fault}. */
  verify(passwordHash: string, password: string): Promise<boolean>;
  /**
   * Whether a hash of ours may replace this one, now that this password was right. Absent: never. Not if the old
   * hash accepts other passwords as well, because docks may use one of those.
   */
  mayReplace?(passwordHash: string, password: string): boolean;
}

/** The {@link Common.fault} of a text that no algorithm made. */
export const UNKNOWN_HASH = 'is not a hash of a kind that dockhook knows';

/** The error for a stored hash that cannot be used. Does not quote it. */
export function unreadableHash(): DockhookError {
  return new DockhookError(
    'bad_row',
    'the stored password hash cannot be read: give the account a new password',
  );
}
