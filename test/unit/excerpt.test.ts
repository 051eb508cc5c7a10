import { expect } from 'chai';
import { excerpt } from '../../src/excerpt.js';
import { heapUsed } from '../support/heap.js';

describe('an excerpt', () => {
  it('is the beginning of a text, code unit by code unit', () => {
    expect(excerpt('short', 5)).to.equal('short');
    expect(excerpt('longer', 5)).to.equal('longe');
    expect(excerpt('ab\u{1F600}cd', 3)).to.equal('ab\uD83D');
  });

  it('does not hold on to the rest', () => {
    const before = heapUsed();
    const kept = Array.from({ length: 50 }, (_, index) =>
      excerpt(`${index}`.padEnd(1_000_000, `${index}`), 64),
    );
    expect(heapUsed() - before).to.be.below(10e6);
    expect(kept).to.have.length(50);
  });
});
