/** The hooks that dockhook asks a broker to mount. */
import type { MountedHook } from '../hooks.js';
import { parseVersion, tellsPeerPort } from './versions.js';

/** Those without which dockhook does not work. */
export const NEEDED_HOOKS: readonly Required<MountedHook>[] = [
  { name: 'client.authenticate', topics: [] },
  { name: 'client.authorize', topics: [] },
  { name: 'message.publish', topics: ['thing/product/+/requests'] },
];

/**
 * The list that `OnProviderLoaded` answers. The broker applies the topic filter before any call, so telemetry costs
 * none. The timeline only observes `status`; it is not answered.
 *
 * EMQX calls `client.connected` before it sends CONNACK, so each dock waits for it (seen on 5.8.9). Where `authenticate`
 * tells the port of the connection, the first topic of that connection shows the same later (`timeline/arrivals.ts`).
 * Without a port, a takeover told as "yes to the new connection, end of the old one" looks like an end.
 * @param version of the broker, as it tells it; with one that cannot be read, `client.connected` is wanted
 */
export function mountedHooks({ timeline, version }: { timeline: boolean; version: string }): MountedHook[] {
  if (!timeline) return [...NEEDED_HOOKS];
  const needed = NEEDED_HOOKS.map(({ name, topics }) => ({
    name,
    topics: name === 'message.publish' ? [...topics, 'sys/product/+/status'] : topics,
  }));
  const parsed = parseVersion(version);
  const connected = parsed && tellsPeerPort(parsed) ? [] : [{ name: 'client.connected' }];
  return [...needed, ...connected, { name: 'client.disconnected' }];
}
