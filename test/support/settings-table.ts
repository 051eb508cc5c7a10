/** The README's settings table, made from src/config.ts. `npm run docs` writes it; a test compares it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { settingList } from '../../src/config.js';

const README = fileURLToPath(new URL('../../README.md', import.meta.url));
const TABLE = /(<!-- settings -->\n)[^]*?(<!-- \/settings -->)/;

export function settingsTable(): string {
  const rows = settingList.map(({ environment, flag, description, default: fallback }) => {
    const option = flag === undefined ? '–' : `\`--${flag}\``;
    return `| \`${environment}\` | ${option} | ${fallback === '' ? '–' : `\`${fallback}\``} | ${description} |`;
  });
  return ['| environment | flag | default | meaning |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}

/** The table as it stands in the README. */
export function tableInReadme(): string {
  return TABLE.exec(readFileSync(README, 'utf8'))?.[0] ?? '';
}

export function wrapped(table: string): string {
  return `<!-- settings -->\n${table}<!-- /settings -->`;
}

if (process.argv.includes('--write')) {
  writeFileSync(
    README,
    readFileSync(README, 'utf8').replace(TABLE, () => wrapped(settingsTable())),
  );
}
