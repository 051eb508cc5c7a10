/** EMQX's versions: which ExHook dialect they speak, how their configuration differs, and which have known faults. */

/** Missing parts are infinite: `5.8` is the newest 5.8. */
export type Version = readonly [major: number, minor: number, patch: number];

/** The lines of versions that a configuration is made for. */
export type Line = '5.1-5.8' | '5.9-5.10' | '6';

/**
 * Before it, a listener that emqx.conf closes may open at boot: what REST has changed wins over emqx.conf (before
 * 5.0.23, #10156), or keeps the switch under another name, which wins (before 5.1.2, #11226). EMQX's change log.
 */
const OLDEST: Version = [5, 1, 2];

/** Reads `5.8.9`, `v5.8.9`, `5.8.9-rc.1`, `5.10` or `6`; undefined for what is no version. */
export function parseVersion(text: string): Version | undefined {
  const match = /^[ev]?(\d{1,4})(?:\.(\d{1,4}))?(?:\.(\d{1,4}))?(?:\.\d+)*(?:[-+].*)?$/.exec(text);
  if (!match) return undefined;
  const [major = 0, minor, patch] = match.slice(1).map((part) => (part ? Number(part) : Infinity));
  return [major, minor ?? Infinity, patch ?? Infinity];
}

/** One for each node that tells a version which can be read. */
export function versionsOf(nodes: readonly { version?: string }[]): Version[] {
  return nodes.map(({ version = '' }) => parseVersion(version)).filter((version) => version !== undefined);
}

function isBefore(a: Version, b: Version): boolean {
  const at = a.findIndex((part, index) => part !== b[index]);
  return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0);
}

/** Undefined for versions before 5.1.2, which cannot be closed, and after 6, of which nothing is known. */
export function lineOf(version: Version): Line | undefined {
  if (isBefore(version, OLDEST) || version[0] > 6) return undefined;
  if (version[0] === 6) return '6';
  return isBefore(version, [5, 9, 0]) ? '5.1-5.8' : '5.9-5.10';
}

/**
 * Whether it opens its listeners before its authenticators and hooks are there: who comes in then stays, with any
 * password (seen on 5.8.9; not on 5.10.4 and 6.2.2). Mosquitto's plugin tells versions, too, which are below 5.
 */
export function opensBeforeHooks(version: Version): boolean {
  return version[0] === 5 && isBefore(version, [5, 9, 0]);
}

/** The ExHook package that a version calls; dockhook serves both on one port. */
export function dialectOf(version: Version): 'v2' | 'v3' {
  return isBefore(version, [5, 9, 0]) ? 'v2' : 'v3';
}

/** First and last version of each range in which hooks are called twice, then lost (emqx/emqx#16890). */
const LOSES_HOOKS: readonly (readonly [Version, Version])[] = [
  [
    [5, 9, 0],
    [5, 10, 4],
  ],
  [
    [6, 0, 0],
    [6, 0, 2],
  ],
  [
    [6, 1, 0],
    [6, 1, 1],
  ],
];

/** After an outage of dockhook it calls hooks twice, and after the next it has none (seen on 5.10.4). */
export function losesHooks(version: Version): boolean {
  return isWithin(version, LOSES_HOOKS);
}

/** Hooks of WebSocket clients crash and are skipped (emqx/emqx#14543). */
export function skipsWebSocketHooks(version: Version): boolean {
  return isBefore(version, [5, 8, 5]);
}

/** Whether it verifies dockhook's certificate as it is told to (emqx/emqx#15683). */
export function verifiesExhook(version: Version): boolean {
  const [major, minor] = version;
  if (major !== 5) return major > 5;
  if (minor === 9) return !isBefore(version, [5, 9, 2]);
  if (minor === 10) return !isBefore(version, [5, 10, 1]);
  return !isBefore(version, [5, 8, 8]);
}

/** Ranges in which the built-in database refuses a client without a password (read in each tag). */
const NEEDS_PASSWORD: readonly (readonly [Version, Version])[] = [
  [
    [5, 0, 0],
    [5, 9, 2],
  ],
  [
    [5, 10, 0],
    [5, 10, 3],
  ],
  [
    [6, 0, 0],
    [6, 0, 2],
  ],
  [
    [6, 1, 0],
    [6, 1, 1],
  ],
  [
    [6, 2, 0],
    [6, 2, 0],
  ],
];

/**
 * With an empty built-in database it refuses a client without a password before it asks dockhook. Seen on 5.8.9 and
 * 6.2.0; seen to ask dockhook on 5.10.4.
 */
export function refusesWithoutPassword(version: Version): boolean {
  return isWithin(version, NEEDS_PASSWORD);
}

/** Whether every edition of it can change messages by configuration (read: `emqx_message_transformation`). */
export function hasTransformations(version: Version): boolean {
  return !isBefore(version, [5, 9, 0]);
}

/** Ranges in which the schema of each tag calls `retainer.enable` deprecated. */
const IGNORES_RETAINER_SWITCH: readonly (readonly [Version, Version])[] = [
  [
    [5, 9, 0],
    [5, 9, 2],
  ],
  [
    [5, 10, 0],
    [5, 10, 3],
  ],
  [
    [6, 0, 0],
    [6, 0, 2],
  ],
  [
    [6, 1, 0],
    [6, 1, 1],
  ],
  [
    [6, 2, 0],
    [6, 2, 0],
  ],
];

/** `retainer.enable` is taken and not heeded (read). */
export function ignoresRetainerSwitch(version: Version): boolean {
  return isWithin(version, IGNORES_RETAINER_SWITCH);
}

function isWithin(version: Version, ranges: readonly (readonly [Version, Version])[]): boolean {
  return ranges.some(([first, last]) => !isBefore(version, first) && !isBefore(last, version));
}

/** Whether it has `mqtt.clientid_override` (emqx/emqx#14195). */
export function overridesClientId(version: Version): boolean {
  return !isBefore(version, [5, 8, 3]);
}

/** Whether its rules have `direct_dispatch` (read in 5.7.2 and 5.8.0). */
export function dispatchesDirectly(version: Version): boolean {
  return !isBefore(version, [5, 8, 0]);
}

/**
 * Whether its calls tell the port of a client's connection (emqx/emqx#12114). Mosquitto's plugin tells versions below 5,
 * and no port.
 */
export function tellsPeerPort(version: Version): boolean {
  return !isBefore(version, [5, 4, 0]);
}
