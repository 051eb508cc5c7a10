/** Whom EMQX bans, for commands that tell how a dock stands. */
import type { Command } from 'commander';
import type { Ban } from '../../emqx/bans.js';
import { messageOf } from '../../errors.js';
import { configOf, wantsJson } from '../options.js';
import { warn } from '../output.js';

/** None without the settings that name EMQX; a warning if it cannot be asked, since the story is told all the same. */
export async function readBans(command: Command): Promise<Ban[]> {
  const config = configOf(command);
  if (config.emqxUrl === undefined) return [];
  const { openEmqx } = await import('../../emqx/api.js');
  const { bansOf } = await import('../../emqx/bans.js');
  try {
    const api = await openEmqx(config);
    return api ? await bansOf(api) : [];
  } catch (error) {
    warn(`whether EMQX bans a dock is not known: ${messageOf(error)}`, wantsJson(command));
    return [];
  }
}
