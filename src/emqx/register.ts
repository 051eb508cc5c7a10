/** Makes dockhook a provider of a running EMQX, and waits until EMQX has reached it. */
import { setTimeout as pause } from 'node:timers/promises';
import { DockhookError } from '../errors.js';
import { printableUrl } from '../text.js';
import { answers, type Provider } from './api-answers.js';
import type { EmqxApi } from './api.js';
import { differenceText, hookDifference, type AskedFor } from './mounted-hooks.js';
import { isSameAddress, unconnectedNodes, whatIsWrong, type ProviderSettings } from './provider.js';
import { versionsOf } from './versions.js';

/** Between two looks at how far EMQX is, in milliseconds. */
const LOOK_MS = 500;

interface Registration {
  /** `renewed`: EMQX was made to ask for the hooks again. */
  action: 'created' | 'updated' | 'renewed' | 'unchanged';
  /** Whether it was put before other providers. */
  moved: boolean;
  provider: Provider;
  /** How its hooks differ from those that this dockhook asks for, in one line; undefined if they do not. */
  outdated: string | undefined;
}

interface RegisterOptions {
  keepsAddress: boolean;
  waitMs: number;
  asked: AskedFor;
  onWait: (missing: string) => void;
}

/**
 * Creates or updates the provider, puts it first, and waits until every node is connected and has our hooks.
 * Run again it changes nothing: an update makes EMQX drop its hooks for a moment, and ask for them again.
 * @param keepsAddress leaves URL and TLS of a provider that is there as they are: only who knows how EMQX reaches dockhook
 * can name another address
 * @param waitMs how long EMQX may take to reach dockhook
 * @param asked settings by which dockhook asks for more hooks
 * @param onWait told what is still missing, whenever that changes
 * @throws DockhookError `conflict` if another provider has dockhook's address, `failed` if EMQX does not get there
 */
export async function register(
  api: EmqxApi,
  given: ProviderSettings,
  { keepsAddress, waitMs, asked, onWait }: RegisterOptions,
): Promise<Registration> {
  const versions = versionsOf(await api.get('/nodes', answers.nodes));
  const outdatedText = ({ hooks }: Provider): string | undefined => {
    const difference = hookDifference(hooks, { ...asked, versions });
    return difference && differenceText(difference);
  };
  const before = await api.get('/exhooks', answers.providers);
  const old = before.find(({ name }) => name === given.name);
  const wanted = keepsAddress && old !== undefined ? withAddressOf(old, given) : given;
  const twin = before.find(({ name, url }) => name !== wanted.name && isSameAddress(url, wanted.url));
  if (twin) {
    throw new DockhookError(
      'conflict',
      `EMQX has a provider "${twin.name}" at ${printableUrl(twin.url)} already, and would ask dockhook twice. Update that one with ` +
        `--name ${twin.name}, or delete it (dashboard, ExHook)`,
    );
  }
  const path = `/exhooks/${wanted.name}`;
  let action: Registration['action'] =
    old === undefined ? 'created' : isAsWanted(old, wanted) ? 'unchanged' : 'updated';
  // EMQX loads a provider again with each update, also one that changes nothing (seen on 5.8.9).
  const update = (provider: Provider): Promise<void> =>
    api.send('PUT', path, { ...settingsOf(provider), ...wanted, enable: true });
  if (action === 'created') await api.send('POST', '/exhooks', { ...wanted, enable: true });
  if (old && action === 'updated') await update(old);
  // A provider before ours may decide, and then dockhook is not asked.
  const moved = old === undefined ? before.length > 0 : before[0] !== old;
  if (moved) await api.send('POST', `${path}/move`, { position: 'front' });

  const deadline = performance.now() + waitMs;
  let said: string | undefined;
  for (;;) {
    const provider = await api.get(path, answers.provider);
    const outdated = outdatedText(provider);
    if (action === 'unchanged' && outdated !== undefined && unconnectedNodes(provider).length === 0) {
      action = 'renewed';
      await update(provider);
      continue;
    }
    const missing = whatIsWrong(provider);
    if (missing === undefined) return { action, moved, provider, outdated };
    if (performance.now() >= deadline) {
      throw new DockhookError(
        'failed',
        `provider "${wanted.name}" is registered, but after ${waitMs / 1000} s ${missing}. Check that dockhook runs, and ` +
          `that EMQX's machine reaches it at ${wanted.url}; EMQX goes on trying, and its log says why it fails`,
      );
    }
    if (missing !== said) onWait(missing);
    said = missing;
    await pause(LOOK_MS);
  }
}

function withAddressOf({ url, ssl }: Provider, { ssl: _ssl, ...given }: ProviderSettings): ProviderSettings {
  return { ...given, url, ...(ssl == null ? {} : { ssl: ssl as ProviderSettings['ssl'] & object }) };
}

function isAsWanted(old: Provider, { ssl, ...rest }: ProviderSettings): boolean {
  const has = (object: unknown, values: object): boolean =>
    Object.entries(values).every(([key, value]) => (object as Record<string, unknown>)[key] === value);
  return old.enable !== false && has(old, rest) && (ssl === undefined || has(old.ssl ?? {}, ssl));
}

/** What an operator may have set beside, such as socket options; not what EMQX reports, nor TLS of before. */
function settingsOf(provider: Provider): Record<string, unknown> {
  const { hooks: _hooks, node_status: _status, metrics: _metrics, ssl: _ssl, ...rest } = provider;
  const { node_metrics: _node, ...settings } = rest as Record<string, unknown>;
  return settings;
}
