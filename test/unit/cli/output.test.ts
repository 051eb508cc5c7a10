/** What a command prints, whatever there is to print. */
import { expect } from 'chai';
import { printTable } from '../../../src/cli/output.js';

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
