/** The hooks that dockhook asks a broker to mount. */
import type { MountedHook } from './hooks.js';

/** Those without which dockhook does not work. */
export const NEEDED_HOOKS: readonly Required<MountedHook>[] = [
  { name: 'client.authenticate', topics: [] },
  { name: 'client.authorize', topics: [] },
  { name: 'message.publish', topics: ['thing/product/+/requests'] },
];

/**
 * The list that `OnProviderLoaded` answers. The broker applies the topic filter before any call, so telemetry costs
 * none. The timeline only observes `status`; it is not answered.
 */
export function mountedHooks({ timeline }: { timeline: boolean }): MountedHook[] {
  if (!timeline) return [...NEEDED_HOOKS];
  const needed = NEEDED_HOOKS.map(({ name, topics }) => ({
    name,
    topics: name === 'message.publish' ? [...topics, 'sys/product/+/status'] : topics,
  }));
  return [...needed, { name: 'client.connected' }, { name: 'client.disconnected' }];
}
