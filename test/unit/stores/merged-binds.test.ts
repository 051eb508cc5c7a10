import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { mergeBinds } from '../../../src/stores/merged-binds.js';

const rowsOf = (...sns: string[]) => sns.map((key) => ({ key, text: `row of ${key}` }));

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

describe('mergeBinds', () => {
  /** SNs of each statement, and how it ends. */
  let statements: { sns: string[]; end: (outcome: Error | string[]) => void }[];
  let bind: ReturnType<typeof mergeBinds>;

  beforeEach(() => {
    statements = [];
    bind = mergeBinds(
      (rows) =>
        new Promise((resolve, reject) => {
          const end = (outcome: Error | string[]): void => {
            if (outcome instanceof Error) reject(outcome);
            else resolve(new Set(outcome));
          };
          statements.push({ sns: rows.map(({ key }) => key), end });
        }),
    );
  });

  const sent = (): string[][] => statements.map(({ sns }) => sns);

  it('sends what is asked in one turn as one statement, and tells all what was bound', async () => {
    const [one, other] = [bind(rowsOf('A', 'B')), bind(rowsOf('C'))];
    await turn();
    expect(sent()).to.deep.equal([['A', 'B', 'C']]);
    statements[0]?.end(['A', 'C']);
    expect([...(await one)]).to.deep.equal(['A', 'C']);
    expect([...(await other)]).to.deep.equal(['A', 'C']);
  });

  it('binds no device twice in one statement', async () => {
    void bind(rowsOf('A', 'B'));
    void bind(rowsOf('B', 'C'));
    await turn();
    expect(sent()).to.deep.equal([
      ['A', 'B'],
      ['B', 'C'],
    ]);
  });

  it('collects what is asked while two statements are under way', async () => {
    for (const sn of ['A', 'B', 'C', 'D']) {
      void bind(rowsOf(sn));
      await turn();
    }
    expect(sent()).to.deep.equal([['A'], ['B']]);
    statements[0]?.end(['A']);
    await turn();
    expect(sent()).to.deep.equal([['A'], ['B'], ['C', 'D']]);
  });

  for (const [why, code] of [
    ['refuses a text', '22021'],
    ['misses an organization', '23503'],
    ['waits too long for a locked row', '55P03'],
    ['has a trigger of the site that refuses one', 'P0001'],
  ] as const) {
    it(`sends one request after the other if PostgreSQL ${why}, and fails only the one that it is about`, async () => {
      const [bad, good] = [bind(rowsOf('B', 'C')), bind(rowsOf('A'))];
      await turn();
      statements[0]?.end(failure(code));
      await turn();
      expect(sent().slice(1)).to.deep.equal([['B', 'C']]);
      statements[1]?.end(failure(code));
      expect(await bad.catch((error: unknown) => error)).to.have.property('code', code);
      await turn();
      expect(sent().slice(2)).to.deep.equal([['A']]);
      statements[2]?.end(['A']);
      expect([...(await good)]).to.deep.equal(['A']);
    });
  }

  it('gives up when a second request alone waits too long for a lock', async () => {
    const all = ['A', 'B', 'C'].map((sn) => bind(rowsOf(sn)).catch((error: unknown) => error));
    await turn();
    statements[0]?.end(failure('55P03'));
    for (const index of [1, 2]) {
      await turn();
      statements[index]?.end(failure('55P03'));
    }
    for (const one of await Promise.all(all)) expect(one).to.have.property('code', '55P03');
    expect(sent()).to.deep.equal([['A', 'B', 'C'], ['A'], ['B']]);
  });

  it('fails all if it cannot be known what was bound', async () => {
    const all = [bind(rowsOf('A')), bind(rowsOf('B'))];
    await turn();
    statements[0]?.end(failure('ECONNRESET'));
    for (const one of all)
      expect(await one.catch((error: unknown) => error)).to.have.property('code', 'ECONNRESET');
    expect(statements).to.have.length(1);
  });
});
