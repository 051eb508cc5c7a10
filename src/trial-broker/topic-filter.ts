/** MQTT topic filters, [MQTT-4.7]. Written apart from the server's own, which this broker is to test. */

/** Whether a topic matches a filter with `+` and `#`. A leading wildcard does not match a `$` topic. */
export function matches(filter: string, topic: string): boolean {
  const wanted = filter.split('/');
  const levels = topic.split('/');
  if (topic.startsWith('$') && (wanted[0] === '+' || wanted[0] === '#')) return false;
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true;
    if (levels[index] === undefined || (level !== '+' && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}
