import { expect } from 'chai';
import { printable, printableLines } from '../../../src/cli/output.js';

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
