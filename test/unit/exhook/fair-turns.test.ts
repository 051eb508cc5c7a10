import { expect } from 'chai';
import fc from 'fast-check';
import { CALLS_PER_PASS, createTurns } from '../../../src/exhook/fair-turns.js';

/** Turns whose passes are made by hand, and the works that began. */
function turns() {
  const begun: string[] = [];
  const passes: (() => void)[] = [];
  const inTurn = createTurns((next) => passes.push(next));
  return {
    begun,
    ask: (owner: string, count = 1) => {
      for (let index = 0; index < count; index += 1) inTurn(owner, () => begun.push(owner));
    },
    pass: () => {
      passes.splice(0).forEach((next) => {
        next();
      });
    },
    isIdle: () => passes.length === 0,
  };
}

describe('turns', () => {
  it('begin at once as long as an account asks little', () => {
    const { begun, ask } = turns();
    ask('a', CALLS_PER_PASS);
    ask('b');
    expect(begun).to.deep.equal([...Array<string>(CALLS_PER_PASS).fill('a'), 'b']);
  });

  it('let others begin before what one account asks beyond its share', () => {
    const { begun, ask, pass } = turns();
    ask('a', 1000);
    ask('b');
    ask('c');
    expect(begun.slice(CALLS_PER_PASS)).to.deep.equal(['b', 'c']);
    pass();
    ask('d');
    expect(begun.filter((owner) => owner === 'a')).to.have.length(2 * CALLS_PER_PASS);
    expect(begun.at(-1)).to.equal('d');
  });

  it('are in the order in which an account asked, also of what it asks while it waits', () => {
    const order: number[] = [];
    const passes: (() => void)[] = [];
    const inTurn = createTurns((next) => passes.push(next));
    for (let index = 0; index < 100; index += 1) {
      inTurn('a', () => order.push(index));
      if (index % 7 === 0)
        passes.splice(0).forEach((next) => {
          next();
        });
    }
    while (passes.length > 0)
      passes.splice(0).forEach((next) => {
        next();
      });
    expect(order).to.deep.equal(Array.from({ length: 100 }, (_, index) => index));
  });

  it('lose no work and do none twice, and an idle server makes no passes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(40), fc.boolean())), (steps) => {
        const { begun, ask, pass, isIdle } = turns();
        const asked = new Map<string, number>();
        for (const [owner, count, makesPass] of steps) {
          ask(owner, count);
          asked.set(owner, (asked.get(owner) ?? 0) + count);
          if (makesPass) pass();
        }
        for (let passes = 0; !isIdle() && passes < 10_000; passes += 1) pass();
        expect(isIdle()).to.equal(true);
        for (const [owner, count] of asked) {
          expect(begun.filter((one) => one === owner)).to.have.length(count);
        }
      }),
    );
  });
});
