/** Where the password of an account comes from, for `account add`, `set` and `hash`. */
import type { Command } from 'commander';
import { generatePassword } from '../../access/generate-password.js';
import { SHORT_PASSWORD } from '../../accounts/warnings.js';
import { DockhookError } from '../../errors.js';
import { hashChosen, hashGenerated } from '../../password-hashes/index.js';
import { readPassword } from '../input.js';
import { wantsJson } from '../options.js';
import { warn } from '../output.js';

/** Where the password comes from. Both together are a `usage` error. */
export interface PasswordOptions {
  passwordStdin?: boolean;
  generate?: boolean;
}

interface NewPassword {
  passwordHash: string;
  /** The password, if dockhook made it: to be shown once. */
  generated?: string | undefined;
}

/** `undefined` if no option names a password. Throws `usage`; warns of a short one. */
export async function newPassword(
  options: PasswordOptions,
  command: Command,
): Promise<NewPassword | undefined> {
  if (options.generate && options.passwordStdin) {
    throw new DockhookError('usage', 'take one of --generate and --password-stdin');
  }
  if (options.generate) {
    const generated = generatePassword();
    return { passwordHash: hashGenerated(generated), generated };
  }
  if (!options.passwordStdin) return undefined;
  const password = await readPassword({ isNew: true });
  if (password.length < SHORT_PASSWORD) {
    warn(`the password has fewer than ${SHORT_PASSWORD} characters and can be guessed`, wantsJson(command));
  }
  return { passwordHash: await hashChosen(password) };
}

/** As {@link newPassword}, where there must be one. */
export async function demandPassword(options: PasswordOptions, command: Command): Promise<NewPassword> {
  const password = await newPassword(options, command);
  if (password !== undefined) return password;
  throw new DockhookError('usage', 'say where the password comes from: --generate or --password-stdin');
}
