/** What a command prints, whatever there is to print. */
import { expect } from 'chai';
import { printTable, wrapped } from '../../../src/cli/output.js';

describe('a table', () => {
  it('may have more rows than a call may have arguments', () => {
    const written: string[] = [];
    const write = process.stdout.write.bind(process.stdout);
    process.stdout.write = (text) => written.push(String(text)) > 0;
    try {
      printTable(['NAME'], Array<string[]>(300_000).fill(['x']));
    } finally {
      process.stdout.write = write;
    }
    expect(written).to.have.length(300_001);
  });
});

describe('prose on a narrow terminal', () => {
  it('is broken between words, and its lines are filled again', () => {
    expect(wrapped('one two three\nfour five\n', 9)).to.equal('one two\nthree\nfour five\n');
    expect(wrapped('first part\n\nsecond', 6)).to.equal('first\npart\n\nsecond');
    expect(wrapped('averylongword b', 5)).to.equal('averylongword\nb');
  });
  it('stays as it is where it fits, where nobody looks, and where a command stands', () => {
    expect(wrapped('one two\nthree', 20)).to.equal('one two\nthree');
    expect(wrapped('one two three', undefined)).to.equal('one two three');
    expect(wrapped('Example:\n  dockhook dock list', 9)).to.equal('Example:\n  dockhook dock list');
  });
});
