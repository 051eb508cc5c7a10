/** dockhook as a provider in EMQX: what the flags say about it, and how it is shown. */
import type { Command } from 'commander';
import type { Provider } from '../../emqx/api-answers.js';
import type { ProviderSettings } from '../../emqx/provider.js';
import { DockhookError } from '../../errors.js';
import { printableUrl } from '../../text.js';
import { inspectConfigOf } from '../options.js';

/** The three paths are files on the machine of EMQX, and need an `https://` URL in `exhook`. */
export interface ProviderOptions {
  name?: string;
  exhook?: string;
  exhookCa?: string;
  exhookCert?: string;
  exhookKey?: string;
}

export function addProviderFlags(command: Command): Command {
  return command
    .option('--name <name>', 'name of the provider in EMQX (default: dockhook)')
    .option(
      '--exhook <url>',
      'where EMQX reaches dockhook; https for mutual TLS (default: the loopback address of DOCKHOOK_GRPC_LISTEN, with ' +
        'https if DOCKHOOK_GRPC_TLS_CERT is set; else http://127.0.0.1:9000; register keeps that of a provider that is there)',
    )
    .option('--exhook-ca <path>', "CA of dockhook's certificate, on the machine of EMQX")
    .option('--exhook-cert <path>', 'certificate that EMQX shows to dockhook, on the machine of EMQX')
    .option('--exhook-key <path>', 'its private key, on the machine of EMQX');
}

/** Rejects with `usage`. */
export async function providerFrom(options: ProviderOptions, command: Command): Promise<ProviderSettings> {
  const { name, exhook, exhookCa: ca, exhookCert: cert, exhookKey: key } = options;
  const { ownExhookUrl, providerSettings } = await import('../../emqx/provider.js');
  // Other faults of the settings do not concern these commands.
  const { config } = inspectConfigOf(command);
  const settings = providerSettings({
    name: name ?? config.emqxProvider,
    url: exhook ?? ownExhookUrl(config),
    tls: { ca, cert, key },
  });
  if (!settings.ssl && (ca ?? cert ?? key) !== undefined) {
    throw new DockhookError(
      'usage',
      '--exhook-ca, --exhook-cert and --exhook-key are for an --exhook with https://',
    );
  }
  return settings;
}

/** A provider as `--json` prints it, without user and password in its URL. */
export function summaryOf(provider: Provider): Record<string, unknown> {
  return {
    name: provider.name,
    url: printableUrl(provider.url),
    nodes: provider.node_status,
    hooks: provider.hooks.map(({ name, params, metrics }) => ({
      name,
      topics: params?.topics,
      succeeded: metrics?.succeed,
      failed: metrics?.failed,
    })),
  };
}
