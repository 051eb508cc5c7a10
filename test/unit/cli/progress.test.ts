import { expect } from 'chai';
import { startProgress } from '../../../src/cli/progress.js';

/** Moves to the begin of the line and empties it. */
const WIPE = '\r\u001b[2K';

/** What a bar writes to a stream that is a terminal, or is not. */
function written(isTTY: boolean): { stream: NodeJS.WriteStream; texts: string[] } {
  const texts: string[] = [];
  const stream = { isTTY, write: (text: string) => texts.push(text) > 0 } as unknown as NodeJS.WriteStream;
  return { stream, texts };
}

describe('progress', () => {
  it('is drawn on a terminal over itself, and wiped away', () => {
    const { stream, texts } = written(true);
    const progress = startProgress('accounts', stream);
    progress.at(1234, 0.5);
    progress.clear();
    expect(texts[0]?.startsWith(WIPE)).to.equal(true);
    expect(texts[0]?.slice(WIPE.length)).to.match(/^█{12}░{12} 50 % {2}1,234 accounts, [\d,]+ a second$/);
    expect(texts.slice(1)).to.deep.equal([WIPE]);
  });

  it('ends with a remark', () => {
    const { stream, texts } = written(true);
    startProgress('docks online', stream).at(3, 0.1, '2 failed');
    expect(texts[0]).to.match(/ 3 docks online, [\d,]+ a second, 2 failed$/);
  });

  it('has no bar where the whole is not known', () => {
    const { stream, texts } = written(true);
    startProgress('accounts', stream).at(5, undefined);
    expect(texts[0]?.startsWith(`${WIPE}5 accounts`)).to.equal(true);
  });

  it('writes nothing where nobody watches', () => {
    const { stream, texts } = written(false);
    const progress = startProgress('accounts', stream);
    progress.at(1, 0.5);
    progress.clear();
    expect(texts).to.deep.equal([]);
  });
});
