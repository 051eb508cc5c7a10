import { expect } from 'chai';
import { createThrottle } from '../../src/throttle.js';

describe('throttle', () => {
  let now = 0;
  beforeEach(() => {
    now = 0;
  });
  const takes = (throttle: ReturnType<typeof createThrottle>, key: string): number => {
    let taken = 0;
    while (taken < 1000 && throttle.take(key)) taken += 1;
    return taken;
  };

  it('grants a burst, then one by one with time, and never more than the burst', () => {
    const throttle = createThrottle({ burst: 3, refillMs: 100 }, () => now);
    expect(takes(throttle, 'a')).to.equal(3);
    now += 99;
    expect(takes(throttle, 'a')).to.equal(0);
    now += 1;
    expect(takes(throttle, 'a')).to.equal(1);
    now += 1_000_000;
    expect(takes(throttle, 'a')).to.equal(3);
  });

  it('keeps keys apart', () => {
    const throttle = createThrottle({ burst: 2, refillMs: 100 }, () => now);
    expect(takes(throttle, 'a')).to.equal(2);
    expect(takes(throttle, 'b')).to.equal(2);
  });

  it('takes back what was no failure, up to the burst', () => {
    const throttle = createThrottle({ burst: 2, refillMs: 100 }, () => now);
    for (let i = 0; i < 100; i += 1) {
      expect(throttle.take('a')).to.equal(true);
      throttle.giveBack('a');
    }
    throttle.giveBack('a');
    expect(takes(throttle, 'a')).to.equal(2);
  });

  it('forgets the key untouched longest beyond 50,000, and not one in use', () => {
    const throttle = createThrottle({ burst: 1, refillMs: 1e12 }, () => now);
    throttle.take('quiet');
    throttle.take('other');
    for (let i = 0; i < 49_999; i += 1) throttle.take(`key ${i}`);
    expect(throttle.take('quiet'), 'forgotten').to.equal(true);
    expect(throttle.take('key 49998'), 'remembered').to.equal(false);
  });
});
