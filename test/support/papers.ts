/** The Markdown files of the repository: their sections, commands, links and anchors. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesBelow } from './mentions.js';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Paths from the root: those in the root itself, and those below docs/ and deploy/. */
export function papers(): string[] {
  const top = readdirSync(ROOT).filter((name) => name.endsWith('.md'));
  const below = ['docs', 'deploy'].flatMap((folder) => filesBelow(join(ROOT, folder), '.md'));
  return [...top, ...below.map((path) => relative(ROOT, path))];
}

export function readPaper(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** From a heading to the next one, by title. A comment of a shell is no heading: it stands in a block of code. */
export function sectionsOf(path: string): Map<string, string> {
  const sections = new Map<string, string>();
  for (const part of readPaper(path).split(/(?<=^\n)(?=#{1,3} .*\n\n)/m)) {
    const title = /^#+ (.*)$/m.exec(part)?.[1];
    if (title !== undefined) sections.set(title, part);
  }
  return sections;
}

export function section(path: string, title: string): string {
  const found = sectionsOf(path).get(title);
  if (found === undefined) throw new Error(`${path} has no section "${title}"`);
  return found;
}

/** The commands of each block of a text; a backslash at the end of a line joins it with the next. */
export function commandBlocks(text: string, language = 'sh'): string[][] {
  const blocks = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))];
  return blocks.map(([, block = '']) =>
    block
      .replaceAll('\\\n', ' ')
      .split('\n')
      .filter((line) => line !== ''),
  );
}

/** What a file links to, as it stands there; links to other sites left out. */
export function linksIn(path: string): string[] {
  return [...withoutCode(readPaper(path)).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

/** The file that a link names, from the root, and the anchor in it, `''` for none. */
export function targetOf(path: string, link: string): { file: string; anchor: string } {
  const [target = '', anchor = ''] = link.split('#');
  return { file: target === '' ? path : join(dirname(path), target), anchor };
}

/** The anchors that GitHub gives to the headings of a file. */
export function anchorsOf(path: string): Set<string> {
  const headings = [...withoutCode(readPaper(path)).matchAll(/^#+ (.*)$/gm)];
  return new Set(headings.map(([, title = '']) => slugOf(title)));
}

function slugOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```.*\n[^]*?^```$/gm, '');
}
