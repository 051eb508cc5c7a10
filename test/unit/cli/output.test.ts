/** What a command prints, whatever there is to print. */
import { expect } from 'chai';
import { printable, printableLines, printTable } from '../../../src/cli/output.js';

describe('what comes from outside, on a terminal', () => {
  it('steers it in no way, and hides nothing', () => {
    expect(printable('a\u001b[31m\n\u009b')).to.equal('a\\u001b[31m\\u000a\\u009b');
    expect(printable('ops\u202etes\u200b\u2028')).to.equal('ops\\u202etes\\u200b\\u2028');
    expect(printable('pl\u00e4ne \u4e2d')).to.equal('pl\u00e4ne \u4e2d');
  });

  it('keeps the lines of a text', () => {
    expect(printableLines('one\ntwo\u001b')).to.equal('one\ntwo\\u001b');
  });
});

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
