/** The hooks that dockhook asks a broker to mount. */
import type { Config } from '../config.js';
import type { MountedHook } from '../hooks.js';
import type { Hook } from './api-answers.js';
import { tellsPeerPort, type Version } from './versions.js';

/** Those without which dockhook does not work. */
const NEEDED_HOOKS: readonly Required<MountedHook>[] = [
  { name: 'client.authenticate', topics: [] },
  { name: 'client.authorize', topics: [] },
  { name: 'message.publish', topics: ['thing/product/+/requests'] },
];

/** Settings by which dockhook asks for more hooks and topics. */
export type AskedFor = Pick<Config, 'timeline' | 'answerForBackend'>;

/** Docks and remote controllers publish their `update_topo` on either, as DJI's pages have it. */
const STATUS_TOPICS = ['sys/product/+/status', 'thing/product/+/status'];

/**
 * The list that `OnProviderLoaded` answers. The broker applies the topic filter before any call, so telemetry costs
 * none. The timeline observes `status`.
 *
 * EMQX calls `client.connected` before it sends CONNACK, so each dock waits for it (seen on 5.8.9). Where `authenticate`
 * tells the port of the connection, the first topic of that connection shows the same later (`timeline/arrivals.ts`).
 * Without a port, a takeover told as "yes to the new connection, end of the old one" looks like an end.
 * @param version of the broker; with one that cannot be read, `client.connected` is asked for
 */
export function mountedHooks({
  timeline,
  answerForBackend: { updateTopo, events },
  version,
}: AskedFor & { version: Version | undefined }): Required<MountedHook>[] {
  const more = [
    ...(timeline || updateTopo ? STATUS_TOPICS : []),
    ...(events ? ['thing/product/+/events'] : []),
  ];
  const needed = NEEDED_HOOKS.map(({ name, topics }) => ({
    name,
    topics: name === 'message.publish' ? [...topics, ...more] : topics,
  }));
  if (!timeline) return needed;
  const connected = version && tellsPeerPort(version) ? [] : [{ name: 'client.connected', topics: [] }];
  return [...needed, ...connected, { name: 'client.disconnected', topics: [] }];
}

/** Which of these hooks and topics are not mounted; empty if all are. */
export function missingHooks(
  mounted: readonly Hook[],
  wanted: readonly Required<MountedHook>[] = NEEDED_HOOKS,
): string[] {
  return wanted.flatMap(({ name, topics }) => {
    const hook = mounted.find((one) => one.name === name);
    if (hook === undefined) return [name];
    const missing = topics.filter((topic) => !hook.params?.topics?.includes(topic));
    return missing.map((topic) => `${name} for ${topic}`);
  });
}

/** Which mounted hooks and topics are not among these; empty if none is too many. */
function unwantedHooks(mounted: readonly Hook[], wanted: readonly Required<MountedHook>[]): string[] {
  return mounted.flatMap(({ name, params }) => {
    const hook = wanted.find((one) => one.name === name);
    if (hook === undefined) return [name];
    const unwanted = (params?.topics ?? []).filter((topic) => !hook.topics.includes(topic));
    return unwanted.map((topic) => `${name} for ${topic}`);
  });
}

/** How mounted hooks differ from those that dockhook asks for: EMQX keeps what an earlier dockhook asked for. */
interface HookDifference {
  missing: string[];
  unwanted: string[];
}

/** Of a broker that does not say its version, either may be right. */
const ANY_VERSION: readonly (Version | undefined)[] = [undefined, [6, 0, 0]];

/**
 * Undefined if they are what dockhook asks one of these versions for: in an upgrade of EMQX, nobody knows which node
 * answered.
 */
export function hookDifference(
  mounted: readonly Hook[],
  { versions, ...asked }: AskedFor & { versions: readonly Version[] },
): HookDifference | undefined {
  const differences = (versions.length > 0 ? versions : ANY_VERSION).map((version) => {
    const wanted = mountedHooks({ ...asked, version });
    return { missing: missingHooks(mounted, wanted), unwanted: unwantedHooks(mounted, wanted) };
  });
  const fits = differences.some(({ missing, unwanted }) => missing.length + unwanted.length === 0);
  return fits ? undefined : differences[0];
}

/** In one line. */
export function differenceText({ missing, unwanted }: HookDifference): string {
  return [
    ...(missing.length > 0 ? [`not mounted: ${missing.join(', ')}`] : []),
    ...(unwanted.length > 0 ? [`no longer asked for: ${unwanted.join(', ')}`] : []),
  ].join('; ');
}
