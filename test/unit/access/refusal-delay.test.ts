import { expect } from 'chai';
import { createTicks, TICK_MS, type Ticks } from '../../../src/access/refusal-delay.js';

describe('the delay of a refusal', () => {
  let time: number;
  let timers: { at: number; work: () => void }[];
  let ticks: Ticks;
  let gone: string[];
  beforeEach(() => {
    time = 1000.25;
    timers = [];
    gone = [];
    ticks = createTicks(
      () => time,
      (work, milliseconds) => timers.push({ at: time + milliseconds, work }),
    );
  });

  /** Lets time pass, and all that follows from it happen. */
  async function passUntil(end: number): Promise<void> {
    for (;;) {
      const due = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      timers.splice(timers.indexOf(due), 1);
      time = Math.max(time, due.at);
      due.work();
      await new Promise(setImmediate);
    }
    time = end;
  }
  const note = (name: string, promise: Promise<void>) =>
    void promise.then(() => gone.push(`${name} ${Math.round(time)}`));

  it('lets all of a tick leave together, in the order in which they came', async () => {
    const [first, second, third] = [1501, 1549.9, 1550].map((at) => ticks.at(at));
    // Decided in another order.
    note('third', third!.reached());
    time = 1200;
    note('first', first!.reached());
    time = 1499;
    note('second', second!.reached());
    await passUntil(1549);
    expect(gone).to.deep.equal([]);
    await passUntil(2000);
    expect(gone).to.deep.equal(['first 1550', 'second 1550', 'third 1550']);
  });

  it('asks for decisions a tick before', async () => {
    const { before, reached } = ticks.at(1510);
    note('leaves', reached());
    note('decides', before());
    await passUntil(2000);
    expect(gone).to.deep.equal(['decides 1500', `leaves ${1500 + TICK_MS}`]);
  });

  it('lets who decides too late leave at a tick, too', async () => {
    const { reached } = ticks.at(1501);
    await passUntil(1573);
    note('late', reached());
    await passUntil(2000);
    expect(gone).to.deep.equal(['late 1600']);
  });

  it('sets one timer per tick, and keeps nothing of those that are over', async () => {
    for (let n = 0; n < 1000; n += 1) ticks.at(1501 + n / 100);
    expect(timers).to.have.length(1);
    await passUntil(1600);
    expect(timers).to.have.length(0);
    ticks.at(1700);
    expect(timers).to.have.length(1);
  });
});
