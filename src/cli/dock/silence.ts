/** What stands above the docks if no dockhook server was heard of. */
import { serverSilence } from '../../diagnosis/servers.js';
import type { Stores } from '../../stores/types.js';
import { print, style, warn } from '../output.js';

/** For people it is a part of the output; for scripts a warning on stderr. */
export async function reportSilence(stores: Stores, json: boolean): Promise<void> {
  const silence = serverSilence(await stores.servers.heard());
  if (silence === undefined) return;
  const { what, why = '', fix = [] } = silence;
  const text = `${what}: ${why}`;
  if (json) {
    warn(text, json);
    return;
  }
  print(style(['bold', 'red'], `${text.charAt(0).toUpperCase()}${text.slice(1)}.`));
  for (const step of fix) print(`  → ${step}`);
  print('');
}
