/** MQTT topic filters (MQTT 5.0, section 4.7). Pure. */

/** Prefix of a shared subscription (MQTT 5.0, 4.8.2): `$share/{group}/{filter}`. */
const SHARE = /^\$share\/[^/]+\//;

/** What a shared subscription asks for; of any other filter, the filter itself. */
export function withoutShare(filter: string): string {
  return filter.replace(SHARE, '');
}

/**
 * Whether every topic that `requested` (a topic or a filter) can match is matched by `allowed` too.
 * As in MQTT, a leading wildcard does not reach topics that begin with `$`.
 */
export function covers(allowed: string, requested: string): boolean {
  const want = withoutShare(requested).split('/');
  const have = allowed.split('/');
  if (want[0]?.startsWith('$') && (have[0] === '#' || have[0] === '+')) return false;
  for (const [index, level] of have.entries()) {
    if (level === '#') return true;
    const wanted = want[index];
    if (wanted === undefined || wanted === '#') return false;
    if (level !== '+' && level !== wanted) return false;
  }
  return want.length === have.length;
}

/** Why a text is no valid MQTT topic filter, or `undefined` if it is one. */
export function filterFault(filter: string): string | undefined {
  const levels = filter.split('/');
  if (filter === '') return 'is empty';
  if (filter.includes('\0')) return 'holds a NUL character';
  if (levels.slice(0, -1).some((level) => level.includes('#'))) return 'has a # before its last level';
  if (levels.some((level) => level.length > 1 && /[+#]/.test(level))) return 'has a + or # inside a level';
  return undefined;
}
