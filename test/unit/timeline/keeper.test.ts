/** The writer: what it does when the store is slower than what is told. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Timeline, TimelineEntry } from '../../../src/stores/types.js';
import { keepTimeline, type TimelineKeeper } from '../../../src/timeline/keeper.js';
import { openFakeStores } from '../../support/fake-stores.js';
import { until } from '../../support/until.js';

describe('the timeline keeper', () => {
  let keeper: TimelineKeeper;
  let dropped: number;
  let errors: number;
  let batches: (readonly TimelineEntry[])[];
  let trimmed: (readonly string[])[];
  let ping: () => Promise<void>;
  beforeEach(() => {
    ping = async () => undefined;
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
      ping,
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

  it('writes what waited when a store failed, in its order, as soon as the store is back', async () => {
    let isAway = true;
    let pings = 0;
    ping = async () => {
      pings += 1;
      if (isAway) throw new Error('away');
    };
    let appends = 0;
    keep({
      async append(entries) {
        appends += 1;
        if (isAway) throw new Error('away');
        batches.push(entries);
        return 0;
      },
    });
    tellOf(1200);
    await until(() => pings > 2);
    keeper.tell({ step: 'connected', outcome: 'ok', clientId: 'late', account: 'fleet' });
    expect([appends, errors, dropped], 'nothing is written to a store that is away').to.deep.equal([1, 1, 0]);
    isAway = false;
    await until(() => written() === 1201);
    const clientIds = batches.flat().map(({ clientId }) => clientId);
    expect(clientIds).to.deep.equal([...Array.from({ length: 1200 }, (_, index) => `DOCK${index}`), 'late']);
    await keeper.stop();
    expect([written(), errors, dropped]).to.deep.equal([1201, 1, 0]);
  });

  it('gives fewer entries at once to a store that answers, but never in time for many', async () => {
    keep({
      async append(entries) {
        if (entries.length > 100) throw new Error('too slow');
        batches.push(entries);
        return 0;
      },
    });
    tellOf(1200);
    await until(() => written() === 1200);
    expect(dropped).to.equal(0);
    await keeper.stop();
  });

  it('says how many entries are missing of an outage, and from when to when', async () => {
    let isAway = true;
    ping = async () => {
      if (isAway) throw new Error('away');
    };
    keep({
      async append(entries) {
        if (isAway) throw new Error('away');
        batches.push(entries);
        return 0;
      },
    });
    keeper.tell({ step: 'connected', outcome: 'ok', clientId: 'DOCK0', account: 'fleet' });
    await until(() => errors === 1);
    const before = Date.now();
    // More strangers than one turn takes.
    for (let index = 0; index < 150; index += 1) {
      keeper.tell({ step: 'authenticate', outcome: 'refused', clientId: `c${index}`, account: 'nobody' });
    }
    expect(dropped).to.equal(50);
    isAway = false;
    await until(() => batches.length === 2);
    expect(batches[0]).to.have.length(101);
    const [gap] = batches[1] ?? [];
    expect(gap).to.include({ step: 'missing', count: 50, own: false });
    expect(gap?.at).to.be.within(before, gap?.lastAt ?? 0);
    await keeper.stop();
    expect(batches, 'it is said once').to.have.length(2);
  });

  it('says nothing of a flood that is cut short while the store is there', async () => {
    keep({});
    for (let index = 0; index < 150; index += 1) {
      keeper.tell({ step: 'authenticate', outcome: 'refused', clientId: `c${index}`, account: 'nobody' });
    }
    await keeper.stop();
    expect(dropped).to.equal(50);
    expect(batches.flat().map(({ step }) => step)).to.not.include('missing');
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

  it('keeps what a broker calls itself with its start, which is when it says', async () => {
    keep({});
    const before = Date.now();
    const broker = { node: 'emqx@a', product: 'EMQX Enterprise', version: '5.10.4' };
    keeper.booted({ ...broker, uptimeMs: 60_000 });
    keeper.booted({ ...broker, uptimeMs: undefined });
    await keeper.stop();
    const [entry, ...more] = batches.flat();
    expect(more).to.deep.equal([]);
    expect(entry).to.include({ step: 'booted', gateway: '', clientId: 'emqx@a' });
    expect(entry?.details.broker).to.equal('EMQX Enterprise 5.10.4');
    expect(entry?.at).to.be.within(before - 61_000, Date.now() - 59_000);
  });

  it('counts what a last write did not come to, and stops in three seconds', async () => {
    keep({ append: () => sleep(800, 0) });
    tellOf(3000);
    const start = performance.now();
    await keeper.stop();
    expect(performance.now() - start).to.be.lessThan(3000);
    // One batch of 500 was written.
    expect([dropped, errors]).to.deep.equal([2500, 2]);
  });
});
