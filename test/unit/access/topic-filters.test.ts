import { expect } from 'chai';
import fc from 'fast-check';
import { covers, filterFault } from '../../../src/access/topic-filters.js';

describe('covers: whether an allowed filter holds a requested one', () => {
  const table: [allowed: string, requested: string, answer: boolean][] = [
    ['#', 'a/b', true],
    ['#', '#', true],
    ['#', '+/b', true],
    ['#', '$SYS/brokers', false],
    ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS/brokers', true],
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['a/#', 'a/#', true],
    ['a/#', '+/b', false],
    ['a/#', '#', false],
    ['a/+', 'a/b', true],
    ['a/+', 'a/+', true],
    ['a/+', 'a/#', false],
    ['a/+', 'a', false],
    ['a/+', 'a/b/c', false],
    ['a/b', 'a/b', true],
    ['a/b', 'a/+', false],
    ['a/b', 'A/b', false],
    ['+/+', 'a/b', true],
    ['a/+/c', 'a/b/c', true],
    ['a/+/c', 'a/#', false],
    ['a/#', '$share/group/a/b', true],
    ['a/#', '$share/group/b', false],
    ['#', '$share/group/$SYS/x', false],
    ['#', '$delayed/5/a', false],
  ];
  for (const [allowed, requested, answer] of table) {
    it(`${allowed} ${answer ? 'holds' : 'does not hold'} ${requested}`, () => {
      expect(covers(allowed, requested)).to.equal(answer);
    });
  }

  it('never grants a filter that matches a topic outside the allowed one', () => {
    const level = fc.constantFrom('a', 'b', '');
    const topic = fc.array(level, { minLength: 1, maxLength: 4 });
    // A filter that matches the topic: some levels widened to +, or the rest to #.
    const filterOf = (levels: string[]) =>
      fc
        .tuple(
          fc.array(fc.boolean(), { minLength: levels.length, maxLength: levels.length }),
          fc.nat(levels.length * 2),
        )
        .map(([widen, cut]) => {
          const filter = levels.map((name, index) => (widen[index] ? '+' : name));
          return (cut < levels.length ? [...filter.slice(0, cut), '#'] : filter).join('/');
        });
    const case_ = topic.chain((levels) =>
      fc.tuple(
        fc.constant(levels.join('/')),
        filterOf(levels),
        topic.chain((other) => filterOf(other)),
      ),
    );
    fc.assert(
      fc.property(case_, ([name, requested, allowed]) => {
        expect(matches(requested, name)).to.equal(true);
        return !covers(allowed, requested) || matches(allowed, name);
      }),
      { numRuns: 3000 },
    );
  });
});

describe('filterFault', () => {
  it('accepts valid filters', () => {
    for (const filter of ['#', '+', 'a/+/b', 'a/#', '/', 'a//b'])
      expect(filterFault(filter), filter).to.equal(undefined);
  });
  it('names what is wrong with others', () => {
    for (const filter of ['', 'a/#/b', 'a#', 'a+/b', 'a\0b'])
      expect(filterFault(filter), filter).to.be.a('string');
  });
});

/** MQTT's matching of a topic name (MQTT 5.0, 4.7.1), level by level. */
function matches(filter: string, topic: string): boolean {
  const match = (filters: string[], levels: string[]): boolean => {
    const [want, ...filtersLeft] = filters;
    const [level, ...levelsLeft] = levels;
    if (want === '#') return true;
    if (want === undefined || level === undefined) return want === level;
    return (want === '+' || want === level) && match(filtersLeft, levelsLeft);
  };
  return match(filter.split('/'), topic.split('/'));
}
