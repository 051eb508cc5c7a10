import { expect } from 'chai';
import { DockhookError } from '../../../src/errors.js';
import { bucketOf, type Changes } from '../../../src/stores/changes.js';
import { createMemories, createMemory, type Memory } from '../../../src/stores/remembered-reads.js';

const down = () => Promise.reject(new DockhookError('store_unavailable', 'down'));

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it did not reject');
}

async function expectUnavailable(promise: Promise<unknown>): Promise<void> {
  expect(await rejection(promise)).to.have.property('code', 'store_unavailable');
}

function changesOf(areHeard: () => boolean, count: () => number): Changes {
  return { areHeard, count, changed: () => undefined };
}

describe('memory, while the database can be read', () => {
  let reads: number;
  let heard: boolean;
  let count: number;
  let stored: string | undefined;
  /** Runs while a read is under way. */
  let meanwhile: () => void;
  let memory: Memory<string>;

  beforeEach(() => {
    reads = 0;
    heard = true;
    count = 0;
    stored = 'first';
    meanwhile = () => undefined;
    memory = createMemory({
      kind: 'account',
      changes: changesOf(
        () => heard,
        () => count,
      ),
    });
  });

  function get(): Promise<string | undefined> {
    return memory.get('key', () => {
      reads += 1;
      const found = stored;
      return new Promise((resolve) => {
        setImmediate(() => {
          meanwhile();
          resolve(found);
        });
      });
    });
  }

  function change(value: string): void {
    stored = value;
    count += 1;
  }

  it('reads a value once', async () => {
    expect(await get()).to.equal('first');
    expect(await get()).to.equal('first');
    expect(reads).to.equal(1);
  });

  it('reads again after a change', async () => {
    await get();
    change('second');
    expect(await get()).to.equal('second');
  });

  it('does not keep what it asked for before a change', async () => {
    meanwhile = () => {
      change('second');
      meanwhile = () => undefined;
    };
    expect(await get(), 'as it was when it was read').to.equal('first');
    expect(await get()).to.equal('second');
  });

  it('reads each time while changes are not heard, and has nothing fresh from it', async () => {
    heard = false;
    await get();
    await get();
    heard = true;
    await get();
    expect(reads).to.equal(3);
  });

  it('has nothing fresh of what it asked for before changes were heard', async () => {
    heard = false;
    meanwhile = () => {
      heard = true;
    };
    await get();
    await get();
    expect(reads).to.equal(2);
  });

  it('has what it read before when changes are heard again, for none was missed', async () => {
    await get();
    heard = false;
    await get();
    heard = true;
    await get();
    expect(reads).to.equal(2);
  });

  it('has the newest of it then', async () => {
    await get();
    heard = false;
    stored = 'second';
    await get();
    heard = true;
    expect(await get()).to.equal('second');
  });

  it('looks for an absent value once, until the next change', async () => {
    stored = undefined;
    expect(await get()).to.equal(undefined);
    expect(await get()).to.equal(undefined);
    expect(reads).to.equal(1);
    count += 1;
    stored = 'new';
    expect(await get()).to.equal('new');
    expect(reads).to.equal(2);
  });

  it('looks for a value that was removed once, until the next change', async () => {
    await get();
    count += 1;
    stored = undefined;
    expect(await get()).to.equal(undefined);
    expect(await get()).to.equal(undefined);
    expect(reads).to.equal(2);
  });

  it('looks for an absent value each time while changes are not heard', async () => {
    heard = false;
    stored = undefined;
    await get();
    await get();
    expect(reads).to.equal(2);
  });

  it('keeps a value when another bucket changes', async () => {
    const counts = new Map<number, number>();
    memory = createMemory({
      kind: 'account',
      changes: {
        ...changesOf(
          () => true,
          () => 0,
        ),
        count: (bucket) => counts.get(bucket) ?? 0,
      },
    });
    await get();
    counts.set(bucketOf('account', 'another key'), 1);
    await get();
    expect(reads, 'another key').to.equal(1);
    counts.set(bucketOf('account', 'key'), 1);
    await get();
    expect(reads, 'this key').to.equal(2);
  });

  it('reads of many only those that are not fresh, and looks for what is absent unless it is trusted', async () => {
    const asked: (readonly string[])[] = [];
    const load = async (keys: readonly string[]) => {
      asked.push(keys);
      return new Map(keys.filter((key) => key !== 'absent').map((key) => [key, `value of ${key}`]));
    };
    await memory.getMany(['one', 'absent'], load, false);
    expect([...(await memory.getMany(['one', 'two', 'absent'], load, false))]).to.deep.equal([
      ['one', 'value of one'],
      ['two', 'value of two'],
    ]);
    expect(asked).to.deep.equal([
      ['one', 'absent'],
      ['two', 'absent'],
    ]);
    await memory.getMany(['one', 'two'], load, false);
    expect([...(await memory.getMany(['one', 'absent'], load, true)).keys()]).to.deep.equal(['one']);
    expect(asked).to.have.length(2);
  });

  it('reads each time without anybody who hears of changes', async () => {
    memory = createMemory();
    await get();
    await get();
    expect(reads).to.equal(2);
  });
});

describe('memory, while the database is away', () => {
  it('recalls what was last read, for ten minutes', async () => {
    let now = 0;
    const memory = createMemory<string>({ now: () => now });
    expect(await memory.recall('k', async () => 'one')).to.deep.equal({ value: 'one' });
    expect(await memory.recall('k', async () => 'two')).to.deep.equal({ value: 'two' });
    now = 10 * 60_000;
    expect(await memory.recall('k', down)).to.deep.equal({ value: 'two', fault: 'store_unavailable' });
    now += 1;
    await expectUnavailable(memory.recall('k', down));
  });

  it('counts the ten minutes from when the value was last known to be fresh', async () => {
    let now = 0;
    let heard = true;
    const changes = changesOf(
      () => heard,
      () => 0,
    );
    const memory = createMemory<string>({ changes, now: () => now });
    await memory.get('k', async () => 'one');
    now = 9 * 60_000;
    await memory.get('k', down);
    heard = false;
    now = 19 * 60_000;
    expect((await memory.recall('k', down)).value).to.equal('one');
    now += 1;
    await expectUnavailable(memory.recall('k', down));
  });

  it('recalls what was changed since, too', async () => {
    let count = 0;
    const memory = createMemory<string>({
      changes: changesOf(
        () => true,
        () => count,
      ),
    });
    await memory.get('k', async () => 'one');
    count += 1;
    expect((await memory.recall('k', down)).value).to.equal('one');
    await expectUnavailable(memory.get('k', down));
  });

  it('recalls what was there before a bad row, but does not get it', async () => {
    const memory = createMemory<string>();
    await memory.get('k', async () => 'good');
    const badRow = () => Promise.reject(new DockhookError('bad_row', 'bad'));
    expect(await memory.recall('k', badRow)).to.deep.equal({ value: 'good', fault: 'bad_row' });
    expect(await rejection(memory.get('k', badRow))).to.have.property('code', 'bad_row');
  });

  it('recalls nothing that was never read', async () => {
    await expectUnavailable(createMemory<string>().recall('k', down));
  });

  it('does not hide an error that is not the database', async () => {
    const memory = createMemory<string>();
    await memory.get('k', async () => 'good');
    const bug = new TypeError('bug');
    expect(await rejection(memory.recall('k', () => Promise.reject(bug)))).to.equal(bug);
  });

  it('remembers that what was there is gone', async () => {
    const memory = createMemory<string>();
    await memory.get('k', async () => 'good');
    await memory.get('k', async () => undefined);
    expect((await memory.recall('k', down)).value).to.equal(undefined);
  });

  it('is not filled, nor emptied, by names that never existed', async () => {
    const memory = createMemory<string>();
    await memory.get('real', async () => 'good');
    for (let i = 0; i < 60_000; i += 1) await memory.get(`made up ${i}`, async () => undefined);
    expect((await memory.recall('real', down)).value).to.equal('good');
    await expectUnavailable(memory.recall('made up 59999', down));
  });

  it('forgets what was read longest ago beyond 50,000', async () => {
    const memory = createMemory<string>();
    for (let i = 0; i <= 50_000; i += 1) await memory.get(`k${i}`, async () => 'good');
    await expectUnavailable(memory.recall('k0', down));
    expect((await memory.recall('k1', down)).value).to.equal('good');
  });

  it('keeps the newer truth when an older read ends last', async () => {
    let now = 0;
    const memory = createMemory<string>({ now: () => ++now });
    await memory.get('k', async () => 'enabled');
    let finish: (value: string) => void = () => undefined;
    const older = memory.get('k', () => new Promise((resolve) => (finish = resolve)));
    await memory.get('k', async () => 'disabled');
    finish('enabled');
    await older;
    expect((await memory.recall('k', down)).value).to.equal('disabled');
  });
});

describe('memories', () => {
  it('keep the values of each owner that were read last, whatever others read', async () => {
    const memories = createMemories<string>(3);
    await memories('quiet').get('drone', async () => 'good');
    for (let i = 0; i < 1000; i += 1) await memories('busy').get(`k${i}`, async () => 'good');
    expect((await memories('quiet').recall('drone', down)).value).to.equal('good');
    expect((await memories('busy').recall('k997', down)).value).to.equal('good');
    await expectUnavailable(memories('busy').recall('k996', down));
  });

  it('keep apart what has the same key', async () => {
    const memories = createMemories<string>(3);
    await memories('one').get('k', async () => 'of one');
    await expectUnavailable(memories('other').recall('k', down));
  });
});
