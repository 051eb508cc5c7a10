/** `dockhook emqx register`: makes dockhook a provider of a running EMQX. */
import { DOCTOR } from '../../fixes.js';
import type { Command } from 'commander';
import { DockhookError } from '../../errors.js';
import { apiOf, waitOf } from './api.js';
import { providerFrom, summaryOf, type ProviderOptions } from './provider.js';
import { configOf, wantsJson } from '../options.js';
import { print, printJson, say } from '../output.js';

const DID = {
  created: 'registered',
  updated: 'updated',
  renewed: 'was registered already, and was asked for its hooks again',
  unchanged: 'was registered already',
};

const OTHER_DOCKHOOK =
  'The dockhook that EMQX reached is of another version, or has another DOCKHOOK_TIMELINE than this command.';

/** Waits until every node of EMQX is connected, at most as long as `--wait` says. */
export async function registerProvider(
  options: ProviderOptions & { wait: string },
  command: Command,
): Promise<void> {
  const { exhook, exhookCa, exhookCert, exhookKey } = options;
  if (exhook === undefined && (exhookCa ?? exhookCert ?? exhookKey) !== undefined) {
    throw new DockhookError(
      'usage',
      '--exhook-ca, --exhook-cert and --exhook-key: name the address, too, with --exhook',
    );
  }
  const waitMs = waitOf(options.wait);
  const settings = await providerFrom(options, command);
  const api = await apiOf(command);
  const { register } = await import('../../emqx/register.js');
  const json = wantsJson(command);
  const { action, moved, provider, outdated } = await register(api, settings, {
    // Else EMQX would be sent past a proxy, or to a wrong machine, by an operator who means to renew the hooks.
    keepsAddress: exhook === undefined,
    waitMs,
    asked: configOf(command),
    onWait: (missing) => {
      if (process.stderr.isTTY && !json) say(`waiting for EMQX: ${missing}`);
    },
  });
  if (json) {
    printJson({ action, moved, ...summaryOf(provider), outdated: outdated ?? null });
    return;
  }
  const did = DID[action];
  const nodes = provider.node_status.length;
  print(
    `provider "${settings.name}" ${did}${moved ? ', and put before the others' : ''}: ` +
      `connected on ${nodes === 1 ? '1 node' : `all ${nodes} nodes`}, ${provider.hooks.length} hooks mounted`,
  );
  if (outdated !== undefined) {
    print(`Its hooks are not those that this dockhook asks for (${outdated}). ${OTHER_DOCKHOOK}`);
  }
  print('After the next restart of EMQX, exhook.servers in its emqx.conf counts again.');
  print(`Next, to see that EMQX lets nobody past dockhook: ${DOCTOR}`);
}
