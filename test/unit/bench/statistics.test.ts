import { expect } from 'chai';
import { interleave, median, quantile, ratioOf } from '../../bench/statistics.js';

describe('the statistics of the benchmark', () => {
  it('measure the sides in turn, and each first in every other round', async () => {
    const order: string[] = [];
    const measured = await interleave(['a', 'b'], 3, async (side) => order.push(side));
    expect(order.join('')).to.equal('abbaab');
    expect(measured).to.deep.equal({ a: [1, 4, 5], b: [2, 3, 6] });
  });

  it('compare what was measured in the same round, and say how far the rounds lie apart', () => {
    expect(ratioOf([10, 90, 400], [100, 100, 1000])).to.deep.equal({ ratio: 0.4, least: 0.1, most: 0.9 });
  });

  it('take the smallest value that so many of all do not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([median(hundred), quantile(hundred, 0.99), quantile([7], 0.99)]).to.deep.equal([50, 99, 7]);
  });
});
