import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { newestResults } from '../../bench/docs-table.js';
import { PICTURES, picturesOf } from '../../bench/plots.js';
import { readPaper } from '../../support/papers.js';

describe('the pictures of docs/benchmarks.md', () => {
  const pictures = picturesOf(newestResults()!);

  it('are those of the newest results (npm run docs writes them), and no other is there', () => {
    expect(readdirSync(PICTURES)).to.have.members(Object.keys(pictures));
    for (const [name, text] of Object.entries(pictures))
      expect(readFileSync(`${PICTURES}${name}`, 'utf8') === text, name).to.be.true;
  });

  it('are on the page, each with words for those who do not see it', () => {
    const shown = [
      ...readPaper('docs/benchmarks.md').matchAll(/!\[([^\]]{20,})\]\(benchmarks\/([\w-]+\.svg)\)/g),
    ];
    expect(shown.map(([, , name]) => name)).to.have.members(Object.keys(pictures));
  });

  it('are the same at each call', () => {
    expect(picturesOf(newestResults()!)).to.deep.equal(pictures);
  });
});
