/** Generated parts of Markdown files: what stands between `<!-- NAME -->` and `<!-- /NAME -->`. */
import { readFileSync, writeFileSync } from 'node:fs';

/** The file with these blocks in the place of those it has. */
export function withBlocks(path: string, blocks: Readonly<Record<string, string>>): string {
  let text = readFileSync(path, 'utf8');
  for (const [name, content] of Object.entries(blocks)) {
    const block = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
    if (!block.test(text)) throw new Error(`${path} has no <!-- ${name} --> … <!-- /${name} --> to write to`);
    text = text.replace(block, (_, begin: string, end: string) => `${begin}${content}${end}`);
  }
  return text;
}

export function writeBlocks(path: string, blocks: Readonly<Record<string, string>>): void {
  writeFileSync(path, withBlocks(path, blocks));
}

/** A Markdown table. A `|` inside a cell would end it, so it is escaped. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''].join('\n');
}
