/** Reads mosquitto.conf as Mosquitto does: line by line, with the files of `include_dir` where that line stands. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** `key value`, and where that stands. */
export interface Line {
  key: string;
  value: string;
  /** `FILE:NUMBER` */
  where: string;
}

/** A line that loads a plugin, and the options under it. */
export interface Plugin {
  path: string;
  where: string;
  options: Line[];
}

/** What stands between one `listener` line and the next. */
export interface Listener {
  port: string;
  /** Empty for all addresses. */
  host: string;
  where: string;
  lines: Line[];
  plugins: Plugin[];
}

export interface Configuration {
  /** All lines, in the order in which Mosquitto reads them. */
  lines: Line[];
  /** All plugins, in that order: the first that decides wins. */
  plugins: Plugin[];
  listeners: Listener[];
  /** With true, each listener has the security settings and plugins that stand under it, and no other. */
  perListener: boolean;
}

/** @throws Node's error if the file, or one that it includes, cannot be read */
export function readConfiguration(path: string): Configuration {
  const lines = linesOf(path, true);
  const all: Plugin[] = [];
  const named = new Map<string, Plugin>();
  const listeners: Listener[] = [];
  let plugin: Plugin | undefined;
  let listener: Listener | undefined;
  const begin = (port: string, host: string, where: string): void => {
    listener = { port, host, where, lines: [], plugins: [] };
    listeners.push(listener);
  };
  const load = (line: Line, file: string): Plugin => {
    plugin = { path: file, where: line.where, options: [] };
    all.push(plugin);
    return plugin;
  };

  for (const line of lines) {
    const { key, value, where } = line;
    const [first = '', ...rest] = value.split(/\s+/);
    switch (key) {
      case 'listener':
        begin(first, rest[0] ?? '', where);
        break;
      // The listener that has no such line.
      case 'port':
        begin(first, '', where);
        break;
      case 'plugin':
      case 'auth_plugin':
      case 'global_plugin': {
        const loaded = load(line, value);
        if (key !== 'global_plugin') listener?.plugins.push(loaded);
        break;
      }
      case 'plugin_load':
        named.set(first, load(line, rest.join(' ')));
        break;
      case 'plugin_use': {
        const used = named.get(first);
        if (used) listener?.plugins.push(used);
        break;
      }
      default:
        if (/^(plugin|auth)_opt_./.test(key))
          plugin?.options.push({ ...line, key: key.replace(/^\w+?_opt_/, '') });
        else listener?.lines.push(line);
    }
  }
  return {
    ...{ lines, plugins: all, listeners },
    perListener: lastOf(lines, 'per_listener_settings') === 'true',
  };
}

/** The value that holds; undefined if the key is not there. */
export function lastOf(lines: readonly Line[], key: string): string | undefined {
  return lines.findLast((line) => line.key === key)?.value;
}

function linesOf(path: string, mayInclude: boolean): Line[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((text, index) => {
      // Only a line that begins with it is a comment.
      if (text.startsWith('#') || text.trim() === '') return [];
      const [, key = '', value = ''] = /^\s*(\S+)\s*(.*?)\s*$/.exec(text) ?? [];
      if (key === 'include_dir' && mayInclude) return included(value);
      return [{ key, value, where: `${path}:${index + 1}` }];
    });
}

/** An included file includes no others. */
function included(directory: string): Line[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.conf'))
    .sort()
    .flatMap((name) => linesOf(join(directory, name), false));
}
