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

export function isBefore(a: Version, b: Version): boolean {
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
  return LOSES_HOOKS.some(([first, last]) => !isBefore(version, first) && !isBefore(last, version));
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

/** With an empty built-in database it refuses a client without a password before it asks dockhook (seen on 5.8.9). */
export function refusesWithoutPassword(version: Version): boolean {
  return isBefore(version, [5, 9, 0]);
}
