/** The clients that EMQX bans, for commands that show the state of a dock. */
import type { Command } from 'commander';
import type { Ban } from '../../emqx/bans.js';
import { messageOf } from '../../errors.js';
import { configOf, wantsJson } from '../options.js';
import { warn } from '../output.js';

/** None without the settings that name EMQX. If it cannot be asked, that is only a warning: the command goes on. */
export async function readBans(command: Command): Promise<Ban[]> {
  const config = configOf(command);
  if (config.emqxUrl === undefined) return [];
  const { openEmqx } = await import('../../emqx/api.js');
  const { bansOf } = await import('../../emqx/bans.js');
  try {
    const api = await openEmqx(config);
    return api ? await bansOf(api) : [];
  } catch (error) {
    warn(`cannot find out whether EMQX bans a dock: ${messageOf(error)}`, wantsJson(command));
    return [];
  }
}
