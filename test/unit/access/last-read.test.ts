import { expect } from 'chai';
import { createLastRead } from '../../../src/access/last-read.js';
import { DockhookError } from '../../../src/errors.js';

const down = () => Promise.reject(new DockhookError('store_unavailable', 'down'));

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it did not reject');
}

describe('last read', () => {
  it('answers what was last loaded while the store is away, for ten minutes', async () => {
    let now = 0;
    const last = createLastRead<string>(() => now);
    expect(await last.read('k', async () => 'one')).to.equal('one');
    expect(await last.read('k', async () => 'two')).to.equal('two');
    now = 10 * 60_000;
    expect(await last.read('k', down)).to.equal('two');
    now += 1;
    expect(await rejection(last.read('k', down))).to.have.property('code', 'store_unavailable');
  });

  it('stands in for a bad row too', async () => {
    const last = createLastRead<string>();
    last.note('k', 'good');
    expect(await last.read('k', () => Promise.reject(new DockhookError('bad_row', 'bad')))).to.equal('good');
  });

  it('answers nothing for what was never loaded', async () => {
    expect(await rejection(createLastRead<string>().read('k', down))).to.have.property(
      'code',
      'store_unavailable',
    );
  });

  it('does not hide an error that is not the store', async () => {
    const last = createLastRead<string>();
    last.note('k', 'good');
    const bug = new TypeError('bug');
    expect(await rejection(last.read('k', () => Promise.reject(bug)))).to.equal(bug);
  });

  it('remembers that there was none', async () => {
    const last = createLastRead<string | undefined>();
    await last.read('k', async () => undefined);
    expect(await last.read('k', down)).to.equal(undefined);
  });
});
