import { expect } from 'chai';
import { setImmediate as turn } from 'node:timers/promises';
import { mergeReads } from '../../../src/stores/merged-reads.js';

interface Sent {
  keys: readonly string[];
  answer(text: string): void;
  fail(error: Error): void;
}

/** A store that answers when it is told to. */
function fakeStore() {
  const sent: Sent[] = [];
  const read = mergeReads<string>(
    (keys) => new Promise((answer, fail) => void sent.push({ keys, answer, fail })),
  );
  return { sent, read, sentKeys: () => sent.map(({ keys }) => keys) };
}

async function failure(reading: Promise<unknown>): Promise<string> {
  return reading.then(
    () => expect.fail('should have rejected'),
    (error: unknown) => (error as Error).message,
  );
}

describe('merged reads', () => {
  it('are one statement if asked in the same turn of the event loop, with each key once', async () => {
    const { sent, read, sentKeys } = fakeStore();
    const reads = [read(['a']), Promise.resolve().then(() => read(['b', 'c'])), read(['a'])];
    await turn();
    expect(sentKeys()).to.deep.equal([['a', 'b', 'c']]);
    sent[0]?.answer('all of them');
    expect(await Promise.all(reads)).to.deep.equal(['all of them', 'all of them', 'all of them']);
  });

  it('never join a statement that was sent before they were asked', async () => {
    const { sent, read, sentKeys } = fakeStore();
    const before = read(['a']);
    await turn();
    const after = read(['a']);
    await turn();
    expect(sentKeys()).to.deep.equal([['a'], ['a']]);
    sent[1]?.answer('committed meanwhile');
    sent[0]?.answer('old');
    expect([await before, await after]).to.deep.equal(['old', 'committed meanwhile']);
  });

  it('wait, and merge, while two statements are under way', async () => {
    const { sent, read, sentKeys } = fakeStore();
    const reads = [];
    for (const key of ['a', 'b', 'c', 'd']) {
      reads.push(read([key]));
      await turn();
    }
    expect(sentKeys()).to.deep.equal([['a'], ['b']]);
    sent[1]?.answer('second');
    await turn();
    expect(sentKeys()).to.deep.equal([['a'], ['b'], ['c', 'd']]);
    sent[2]?.answer('third');
    sent[0]?.answer('first');
    expect(await Promise.all(reads)).to.deep.equal(['first', 'second', 'third', 'third']);
  });

  it('do not wait for statements that are late, and these make room only once', async () => {
    const { sent, read, sentKeys } = fakeStore();
    const lost = [];
    for (const key of ['a', 'b']) {
      lost.push(read([key]));
      await turn();
    }
    const next = read(['c']);
    while (sent.length < 3) await turn();
    sent[2]?.answer('there');
    expect(await next).to.equal('there');
    for (const late of sent) late.answer('late');
    expect(await Promise.all(lost)).to.deep.equal(['late', 'late']);
    for (const key of ['d', 'e', 'f']) {
      void read([key]);
      await turn();
    }
    expect(sentKeys().slice(3)).to.deep.equal([['d'], ['e']]);
  });

  it('fail with their statement, and no others do', async () => {
    const { sent, read } = fakeStore();
    const [one, another] = [read(['a']), read(['b'])];
    await turn();
    const later = read(['a']);
    await turn();
    sent[0]?.fail(new Error('lost'));
    expect([await failure(one), await failure(another)]).to.deep.equal(['lost', 'lost']);
    sent[1]?.answer('there');
    expect(await later).to.equal('there');
  });

  it('go on after failures', async () => {
    const { sent, read } = fakeStore();
    for (let index = 0; index < 3; index += 1) {
      const lost = read(['a']);
      await turn();
      sent[index]?.fail(new Error('lost'));
      expect(await failure(lost)).to.equal('lost');
    }
    const next = read(['a']);
    await turn();
    sent[3]?.answer('there');
    expect(await next).to.equal('there');
  });

  it('have at most 1000 keys in a statement, and all keys of one read in the same', async () => {
    const { read, sentKeys } = fakeStore();
    const keys = Array.from({ length: 999 }, (_, index) => `key ${index}`);
    for (const key of keys) void read([key]);
    void read(['a', 'b']);
    await turn();
    expect(sentKeys()).to.deep.equal([keys, ['a', 'b']]);
  });

  it('are refused while too many wait, so that a database which is stuck does not fill the memory', async () => {
    const { sent, read, sentKeys } = fakeStore();
    const ask = (): Promise<string> => read(Array.from({ length: 1000 }, (_, index) => `key ${index}`));
    void ask();
    void ask();
    await turn();
    const waiting = Array.from({ length: 50 }, ask);
    expect(await failure(ask())).to.include('too many reads');
    sent[0]?.answer('');
    await turn();
    waiting.push(ask());
    for (let index = 1; index <= waiting.length + 1; index += 1) {
      sent[index]?.answer('');
      await turn();
    }
    await Promise.all(waiting);
    expect(sentKeys()).to.have.length(2 + 51);
  });
});
