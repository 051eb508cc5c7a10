/** The papers: what is generated is up to date, links lead somewhere, and commands are typed by a test. */
import { expect } from 'chai';
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { withBlocks } from '../support/generated.js';
import { LOG_LINES } from '../support/log-lines.js';
import { filesBelow, stringsIn } from '../support/mentions.js';
import {
  anchorsOf,
  commandBlocks,
  linksIn,
  papers,
  readPaper,
  ROOT,
  sectionsOf,
  targetOf,
} from '../support/papers.js';
import { REFERENCE, referenceBlocks } from '../support/reference.js';
import { logLineNames } from '../support/source-words.js';
import { TYPED, UNTYPED } from '../support/typed-commands.js';
import { Story, UNBOUND } from '../support/story.js';

describe('README.md', () => {
  it('is read in one sitting: at most 230 lines of at most 120 characters', () => {
    const lines = readPaper('README.md').split('\n');
    expect(lines).to.have.length.below(231);
    expect(lines.filter((line) => line.length > 120)).to.deep.equal([]);
  });

  it('links to every page of docs/, and to every folder of deploy/ that has a page', () => {
    const linked = linksIn('README.md').map((link) => targetOf('README.md', link).file);
    const pages = papers().filter((path) => path !== 'README.md');
    expect(pages.filter((path) => !linked.includes(path))).to.deep.equal([]);
  });
});

describe('docs/reference.md', () => {
  it('has the tables that follow from src/ (npm run docs writes them)', () => {
    expect(readFileSync(REFERENCE, 'utf8')).to.equal(withBlocks(REFERENCE, referenceBlocks()));
  });

  it('explains each word that stands in a log line or a metric', () => {
    const blocks = Object.entries(referenceBlocks()).filter(([name]) => name !== 'commands');
    for (const [name, table] of blocks) {
      expect(table.split('\n').length, name).to.be.greaterThan(5);
      expect(table, name).to.not.match(/\|\s*\|$/m);
    }
  });

  it('names the log lines that dockhook writes, and no other', () => {
    // Named by the error that they are about.
    const byCode = ['store_unavailable', 'bad_row'];
    expect([...logLineNames(), ...byCode]).to.have.members(Object.keys(LOG_LINES));
  });
});

describe('docs/architecture.md', () => {
  it('has a row for each folder of src/', () => {
    const text = readPaper('docs/architecture.md');
    const folders = filesBelow(join(ROOT, 'src'), '.ts')
      .map((path) => relative(join(ROOT, 'src'), path).split('/'))
      .filter((parts) => parts.length > 1)
      .map(([folder = '']) => folder);
    expect([...new Set(folders)].filter((folder) => !text.includes(`| \`src/${folder}/\` |`))).to.deep.equal(
      [],
    );
    const named = [...text.matchAll(/^\| `(\w+\/[\w./-]*)` \|/gm)].map(([, path = '']) => path);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).to.deep.equal([]);
  });
});

describe('docs/why-is-my-dock-not-online.md', () => {
  it('shows advice that dock show gives', () => {
    const sample = /^```text\n([^]*?)^```$/m.exec(readPaper('docs/why-is-my-dock-not-online.md'))?.[1] ?? '';
    const shown = [...sample.matchAll(/^ +→ (.*)$/gm)].map(([, step = '']) => step);
    const story = new Story().connect().subscribe().request('config').disconnect();
    const [given] = story.diagnose(UNBOUND).findings;
    expect(shown).to.deep.equal(given?.fix);
    expect(sample).to.include(given?.what);
  });
});

describe('the papers', () => {
  for (const path of papers()) {
    it(`have no dead link and no dead anchor: ${path}`, () => {
      const dead = linksIn(path).filter((link) => {
        const { file, anchor } = targetOf(path, link);
        if (!existsSync(join(ROOT, file))) return true;
        return anchor !== '' && !(file.endsWith('.md') && anchorsOf(file).has(anchor));
      });
      expect(dead).to.deep.equal([]);
    });
  }

  it('are there where a text of dockhook names them', () => {
    const texts = filesBelow(join(ROOT, 'src'), '.ts').flatMap((path) => stringsIn(path));
    const named = texts.flatMap((text) => text.match(/\b(docs|deploy)\/[\w./-]+\.md\b/g) ?? []);
    expect(named).to.have.length.above(5);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).to.deep.equal([]);
  });

  it('have no command that no test types, but for those that are named with a reason', () => {
    const written = papers()
      .filter((path) => !path.startsWith('deploy/'))
      .flatMap((path) =>
        [...sectionsOf(path)]
          .filter(([, text]) => commandBlocks(text).length > 0)
          .map(([title]) => `${path}: ${title}`),
      );
    const known = [
      ...TYPED.flatMap(({ file, titles }) => titles.map((title) => `${file}: ${title}`)),
      ...UNTYPED.map(({ file, title }) => `${file}: ${title}`),
    ];
    expect(known).to.have.members(written);
  });
});
