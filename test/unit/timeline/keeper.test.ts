/** The writer: what it does when the store is slower than what is told. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Timeline, TimelineEntry } from '../../../src/stores/types.js';
import { keepTimeline, type TimelineKeeper } from '../../../src/timeline/keeper.js';
import { openFakeStores } from '../../support/fake-stores.js';

describe('the timeline keeper', () => {
  let keeper: TimelineKeeper;
  let dropped: number;
  let errors: number;
  let batches: (readonly TimelineEntry[])[];
  let trimmed: (readonly string[])[];
  beforeEach(() => {
    dropped = 0;
    errors = 0;
    batches = [];
    trimmed = [];
  });

  function keep(store: Partial<Timeline>, sweepMs = 60_000): void {
    keeper = keepTimeline({
      store: {
        ...openFakeStores().timeline,
        async append(entries) {
          batches.push(entries);
          return 0;
        },
        trim: async (gateways) => void trimmed.push(gateways),
        ...store,
      },
      onDropped: (count) => (dropped += count),
      onError: () => (errors += 1),
      ...{ writeMs: 5, sweepMs },
    });
  }
  function tellOf(docks: number): void {
    for (let index = 0; index < docks; index += 1) {
      const sn = `DOCK${index}`;
      keeper.tell({ step: 'authenticate', outcome: 'ok', clientId: sn, account: 'fleet', gateway: sn });
    }
  }
  const written = (): number => batches.reduce((sum, { length }) => sum + length, 0);

  it('leaves to the next write what a slow store does not take in time, and drops nothing', async () => {
    keep({
      async append(entries) {
        await sleep(400);
        batches.push(entries);
        return 0;
      },
    });
    tellOf(4000);
    await sleep(100);
    // Of a later write, for the first one ends before it.
    keeper.tell({ step: 'connected', outcome: 'ok', clientId: 'late', account: 'fleet' });
    while (written() < 4001) await sleep(20);
    expect(batches.map(({ length }) => length)).to.deep.equal([...Array.from({ length: 8 }, () => 500), 1]);
    expect(batches.at(-1)?.[0]?.clientId).to.equal('late');
    expect([dropped, errors]).to.deep.equal([0, 0]);
    await keeper.stop();
  });

  it('drops what waited when a store failed, and writes what came after', async () => {
    let isAway = true;
    keep({
      async append(entries) {
        if (isAway) throw new Error('away');
        batches.push(entries);
        return 0;
      },
    });
    tellOf(1200);
    while (dropped === 0) await sleep(5);
    expect([dropped, errors]).to.deep.equal([1200, 1]);
    isAway = false;
    keeper.tell({ step: 'connected', outcome: 'ok', clientId: 'DOCK0', account: 'fleet' });
    await keeper.stop();
    expect(written()).to.equal(1);
  });

  it('counts what the store left out of a batch, and takes the rest for written', async () => {
    keep({
      async append(entries) {
        batches.push(entries);
        return 2;
      },
    });
    tellOf(5);
    await keeper.stop();
    expect([written(), dropped, errors]).to.deep.equal([5, 2, 0]);
  });

  it('writes between the parts of a sweep that takes long', async () => {
    const order: string[] = [];
    keep(
      {
        async append(entries) {
          batches.push(entries);
          order.push('write');
          return 0;
        },
        async trim(gateways) {
          await sleep(400);
          trimmed.push(gateways);
          order.push('trim');
          keeper.tell({ step: 'connected', outcome: 'ok', clientId: `c${order.length}`, account: 'fleet' });
        },
      },
      50,
    );
    tellOf(1200);
    while (new Set(trimmed.flat()).size < 1200) await sleep(20);
    expect(trimmed.slice(0, 6).map(({ length }) => length)).to.deep.equal(
      Array.from({ length: 6 }, () => 200),
    );
    expect(order.slice(order.indexOf('trim'), order.lastIndexOf('trim'))).to.include('write');
    expect([dropped, errors]).to.deep.equal([0, 0]);
    await keeper.stop();
  });

  it('trims gateways after a sweep that failed', async () => {
    let sweeps = 0;
    keep(
      {
        async sweep() {
          sweeps += 1;
          if (sweeps === 1) throw new Error('away');
        },
      },
      20,
    );
    tellOf(3);
    while (trimmed.length === 0) await sleep(5);
    expect([sweeps, errors, trimmed[0]?.length]).to.deep.equal([2, 1, 3]);
    await keeper.stop();
  });

  it('counts what a last write did not come to, and stops in three seconds', async () => {
    keep({ append: () => sleep(800, 0) });
    tellOf(3000);
    const start = performance.now();
    await keeper.stop();
    expect(performance.now() - start).to.be.lessThan(3000);
    // One batch of 500 was written, one was under way.
    expect(dropped).to.equal(2500);
  });
});
