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
    const last = createLastRead<string>(undefined, () => now);
    expect(await last.read('k', async () => 'one')).to.equal('one');
    expect(await last.read('k', async () => 'two')).to.equal('two');
    now = 10 * 60_000;
    expect(await last.read('k', down)).to.equal('two');
    now += 1;
    expect(await rejection(last.read('k', down))).to.have.property('code', 'store_unavailable');
  });

  it('stands in for a bad row too', async () => {
    const last = createLastRead<string>();
    await last.read('k', async () => 'good');
    const badRow = () => Promise.reject(new DockhookError('bad_row', 'bad'));
    expect(await last.read('k', badRow)).to.equal('good');
    expect(await rejection(last.load('k', badRow)), 'load has no fallback').to.have.property(
      'code',
      'bad_row',
    );
  });

  it('answers nothing for what was never loaded', async () => {
    expect(await rejection(createLastRead<string>().read('k', down))).to.have.property(
      'code',
      'store_unavailable',
    );
  });

  it('does not hide an error that is not the store', async () => {
    const last = createLastRead<string>();
    await last.read('k', async () => 'good');
    const bug = new TypeError('bug');
    expect(await rejection(last.read('k', () => Promise.reject(bug)))).to.equal(bug);
  });

  it('remembers that what was there is gone', async () => {
    const last = createLastRead<string>();
    await last.load('k', async () => 'good');
    await last.load('k', async () => undefined);
    expect(await last.read('k', down)).to.equal(undefined);
  });

  it('is not filled, nor emptied, by names that never existed', async () => {
    const last = createLastRead<string>();
    await last.load('real', async () => 'good');
    for (let i = 0; i < 60_000; i += 1) await last.load(`made up ${i}`, async () => undefined);
    expect(await last.read('real', down)).to.equal('good');
    expect(await rejection(last.read('made up 59999', down))).to.have.property('code', 'store_unavailable');
  });

  it('forgets what was read longest ago beyond 50,000', async () => {
    const last = createLastRead<string>();
    for (let i = 0; i <= 50_000; i += 1) await last.load(`k${i}`, async () => 'good');
    expect(await rejection(last.read('k0', down))).to.have.property('code', 'store_unavailable');
    expect(await last.read('k1', down)).to.equal('good');
  });

  it('keeps the newer truth when an older read ends last', async () => {
    let now = 0;
    const last = createLastRead<string>(undefined, () => ++now);
    await last.load('k', async () => 'enabled');
    let finish: (value: string) => void = () => undefined;
    const older = last.load('k', () => new Promise((resolve) => (finish = resolve)));
    await last.load('k', async () => 'disabled');
    finish('enabled');
    await older;
    expect(await last.read('k', down)).to.equal('disabled');
  });
});
