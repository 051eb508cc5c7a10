/** A line of the log for a person at a terminal: time, level, event, and the rest as `name=value`. */

import { printable } from '../text.js';

/** @param json one line, as the log has it; any other text stays as it is */
export function readableLine(json: string): string {
  let line: Record<string, unknown>;
  try {
    line = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return json;
  }
  const { time, level, event, ...rest } = line;
  const fields = Object.entries(rest).map(([name, value]) => `${name}=${valueText(value)}`);
  const words = [textOf(time).slice(11, 19), textOf(level).padEnd(5), textOf(event), ...fields];
  // Names come from outside, and JSON no longer hides what is in them.
  return `${printable(words.join(' ').trimEnd())}\n`;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Texts that would be taken for two are in quotes. */
function valueText(value: unknown): string {
  return typeof value === 'string' && /^[^\s="]+$/.test(value) ? value : JSON.stringify(value);
}
