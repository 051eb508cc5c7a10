/** `dockhook emqx register`: makes dockhook a provider of a running EMQX. */
import type { Command } from 'commander';
import { apiOf, waitOf } from './api.js';
import { providerFrom, summaryOf, type ProviderOptions } from './provider.js';
import { wantsJson } from '../options.js';
import { print, printJson, say } from '../output.js';

/** Waits until every node of EMQX is connected, at most as long as `--wait` says. */
export async function registerProvider(
  options: ProviderOptions & { wait: string },
  command: Command,
): Promise<void> {
  const waitMs = waitOf(options.wait);
  const settings = await providerFrom(options, command);
  const api = await apiOf(command);
  const { register } = await import('../../emqx/register.js');
  const json = wantsJson(command);
  const { action, moved, provider } = await register(api, settings, {
    waitMs,
    onWait: (missing) => {
      if (process.stderr.isTTY && !json) say(`waiting for EMQX: ${missing}`);
    },
  });
  if (json) {
    printJson({ action, moved, ...summaryOf(provider) });
    return;
  }
  const did = { created: 'registered', updated: 'updated', unchanged: 'was registered already' }[action];
  const nodes = provider.node_status.length;
  print(
    `provider "${settings.name}" ${did}${moved ? ', and put before the others' : ''}: ` +
      `connected on ${nodes === 1 ? '1 node' : `all ${nodes} nodes`}, ${provider.hooks.length} hooks mounted`,
  );
  print('After the next restart of EMQX, exhook.servers in its emqx.conf counts again.');
  print('Next: dockhook doctor, which checks that EMQX lets nobody past dockhook.');
}
