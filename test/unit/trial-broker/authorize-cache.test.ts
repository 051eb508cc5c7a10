import { expect } from 'chai';
import { authorizeCache } from '../../../src/trial-broker/authorize-cache.js';

describe('authorize cache', () => {
  let now: number;
  let asked: string[];

  function cache(): (key: string, answer?: boolean) => Promise<boolean> {
    now = 0;
    asked = [];
    const askOnce = authorizeCache(() => now);
    return (key, answer = true) =>
      askOnce(key, async () => {
        asked.push(key);
        return answer;
      });
  }

  it('asks once and remembers a yes and a no', async () => {
    const ask = cache();
    expect([await ask('a', true), await ask('a', false)]).to.deep.equal([true, true]);
    expect([await ask('b', false), await ask('b', true)]).to.deep.equal([false, false]);
    expect(asked).to.deep.equal(['a', 'b']);
  });

  it('asks again after a minute', async () => {
    const ask = cache();
    await ask('a', true);
    now = 59_999;
    expect(await ask('a', false)).to.be.true;
    now = 60_000;
    expect(await ask('a', false)).to.be.false;
  });

  it('keeps the 32 newest answers', async () => {
    const ask = cache();
    for (let i = 0; i < 33; i++) await ask(`topic ${i}`);
    asked = [];
    for (let i = 32; i > 0; i--) await ask(`topic ${i}`);
    expect(asked).to.be.empty;
    await ask('topic 0');
    expect(asked).to.deep.equal(['topic 0']);
  });
});
