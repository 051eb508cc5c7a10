import { expect } from 'chai';
import { setImmediate as turn } from 'node:timers/promises';
import { mergeReads } from '../../../src/stores/merged-reads.js';

interface Sent {
  keys: readonly string[];
  /** With this text for each key. */
  answer(text: string): void;
  fail(error: Error): void;
}

/** A store that answers when it is told to. */
function fakeStore() {
  const sent: Sent[] = [];
  const merged = mergeReads<string>(
    (keys) =>
      new Promise((resolve, fail) => {
        const answer = (text: string): void => {
          resolve(new Map(keys.map((key) => [key, text])));
        };
        sent.push({ keys, answer, fail });
      }),
  );
  /** The text of the first of these keys. */
  const read = async (keys: readonly string[]): Promise<string | undefined> =>
    (await merged(keys)).get(keys[0] ?? '');
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
    const ask = (): Promise<string | undefined> =>
      read(Array.from({ length: 1000 }, (_, index) => `key ${index}`));
    void ask();
    void ask();
    await turn();
    const waiting = Array.from({ length: 50 }, ask);
    expect(await failure(ask())).to.include('too many statements');
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

  describe('with a key that PostgreSQL refuses', () => {
    const sqlError = (code: string): Error => Object.assign(new Error(`refused with ${code}`), { code });

    /** A store that has a row for each key but those it refuses. */
    function refusingStore(refused: Readonly<Record<string, string>>) {
      const sent: string[][] = [];
      const read = mergeReads<string>(async (keys) => {
        sent.push([...keys]);
        const code = keys.map((key) => refused[key]).find(Boolean);
        if (code !== undefined) throw sqlError(code);
        return new Map(keys.map((key) => [key, `row of ${key}`]));
      });
      const one = async (key: string): Promise<string | undefined> => (await read([key])).get(key);
      return { sent, read, one };
    }

    for (const [name, code] of [
      ['北', '22P05'],
      ['Łódź', '22P05'],
      ['🚁', '22021'],
    ] as const) {
      it(`such as ${name}, which its encoding lacks, is absent, and the others are there`, async () => {
        const { one, sent } = refusingStore({ [name]: code });
        const reads = ['dock-1', name, 'dock-2', 'é'].map(one);
        expect(await Promise.all(reads)).to.deep.equal([
          'row of dock-1',
          undefined,
          'row of dock-2',
          'row of é',
        ]);
        expect(sent[1], 'ASCII goes at once').to.deep.equal(['dock-1', 'dock-2']);
      });
    }

    it('for another reason fails for its reader alone, and is never absent', async () => {
      for (const [key, code] of [
        ['dock-2', '22P05'],
        ['dock-2', '22P02'],
        ['北', '22P02'],
      ] as const) {
        const { read, one } = refusingStore({ [key]: code });
        const [good, bad, both] = [one('dock-1'), one(key), read(['dock-3', key])];
        expect(await failure(bad)).to.equal(`refused with ${code}`);
        expect(await failure(both)).to.equal(`refused with ${code}`);
        expect(await good).to.equal('row of dock-1');
      }
    });

    it('costs a bounded number of statements, whoever sends a thousand of them', async () => {
      const names = Array.from({ length: 900 }, (_, index) => `北${index}`);
      const { one, sent } = refusingStore(Object.fromEntries(names.map((name) => [name, '22P05'])));
      const strangers = names.map((name) => one(name).catch((error: unknown) => error));
      expect(await one('dock-1')).to.equal('row of dock-1');
      expect(await one('é')).to.equal('row of é');
      const answers = await Promise.all(strangers);
      expect(answers.filter((answer) => typeof answer === 'string')).to.deep.equal([]);
      expect(sent.length).to.be.lessThan(130);
    });

    it('such as hundreds at once, fails none that LATIN1 has', async () => {
      const odd = Array.from({ length: 900 }, (_, index) => (index % 2 === 0 ? `北${index}` : `ÿ${index}ő`));
      const { one, sent } = refusingStore(Object.fromEntries(odd.map((name) => [name, '22P05'])));
      const strangers = odd.slice(0, 450).map(one);
      const known = ['müller', 'dock-1', 'ÿÿÿ', 'Åse'];
      const reads = known.map(one);
      strangers.push(...odd.slice(450).map(one));
      const ended = Promise.allSettled(strangers);
      expect(await Promise.all(reads)).to.deep.equal(known.map((name) => `row of ${name}`));
      expect(
        (await ended).filter((end) => end.status === 'fulfilled' && end.value !== undefined),
      ).to.deep.equal([]);
      expect(sent.length).to.be.lessThan(130);
    });

    it('does not make a statement that fails for another reason be sent again', async () => {
      const { one, sent } = refusingStore({ 'dock-2': '42501' });
      const reads = ['dock-1', 'dock-2'].map((key) => failure(one(key)));
      expect(await Promise.all(reads)).to.deep.equal(['refused with 42501', 'refused with 42501']);
      expect(sent).to.have.length(1);
    });
  });
});
