/** `dockhook emqx config`: prints a configuration for EMQX. */
import type { Command } from 'commander';
import { providerFrom, type ProviderOptions } from './provider.js';
import { wantsJson } from '../options.js';
import { printJson, printRaw, say, warn } from '../output.js';

interface ConfigOptions extends ProviderOptions {
  emqxVersion: string;
  listeners: string;
  rules?: string;
  mqttCert?: string;
  mqttKey?: string;
  docksCa?: string;
}

/** Prints the configuration on stdout; warnings and what to do with it go to stderr. */
export async function printConfiguration(options: ConfigOptions, command: Command): Promise<void> {
  const { planConfiguration } = await import('../../emqx/configuration-plan.js');
  const { emqxVersion, listeners, rules, mqttCert: cert, mqttKey: key, docksCa } = options;
  const json = wantsJson(command);
  const plan = planConfiguration({
    version: emqxVersion,
    listeners,
    rules,
    server: await providerFrom(options, command),
    files: { cert, key, docksCa },
  });
  for (const warning of plan.warnings) warn(warning, json);
  const { line, configuration, closedListeners, files } = plan;
  if (json) {
    printJson({ line, configuration, listeners: closedListeners });
    return;
  }
  await printRaw(configuration);
  if (closedListeners.length > 0) {
    say(
      'EMQX starts with every listener closed; dockhook serve opens them once every node asks it, if it has\n' +
        `DOCKHOOK_EMQX_LISTENERS=${closedListeners.join(',')} beside DOCKHOOK_EMQX_URL and the files of its API key.`,
    );
  }
  if (files.length > 0) {
    say(
      'First put these files on each node of EMQX, where EMQX may read them (deploy/tls makes some to try it):\n' +
        files.map((file) => `  ${file}`).join('\n'),
    );
  }
}
