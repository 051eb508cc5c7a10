/**
 * The configurations in deploy/emqx, as `dockhook emqx config` prints them. `npm run docs` writes them; a test
 * compares them.
 */
import { writeFileSync } from 'node:fs';
import { BROKER_FILES, configuration, LISTENERS } from '../../src/emqx/configuration.js';
import { providerSettings } from '../../src/emqx/provider.js';
import { RULES, rulesConfiguration } from '../../src/emqx/rules.js';
import type { Line } from '../../src/emqx/versions.js';

/** By line: a version of it, as an operator would name it. */
export const VERSION_OF = { '5.1-5.8': '5.8', '5.9-5.10': '5.10.4', '6': '6' } satisfies Record<Line, string>;

/** By file name in deploy/emqx. */
export function configurations(): Record<string, string> {
  const files = Object.keys(VERSION_OF).map((line) => [
    `emqx-${line}.conf`,
    configuration({
      line: line as Line,
      server: providerSettings({}),
      listeners: new Set(LISTENERS),
      files: BROKER_FILES,
    }),
  ]);
  return {
    ...(Object.fromEntries(files) as Record<string, string>),
    'rules.conf': rulesConfiguration(new Set(RULES)),
  };
}

if (process.argv.includes('--write')) {
  for (const [name, text] of Object.entries(configurations())) {
    writeFileSync(new URL(`../../deploy/emqx/${name}`, import.meta.url), text);
  }
}
