import { expect } from 'chai';
import { setImmediate as turn } from 'node:timers/promises';
import type { Database, Row } from '../../../src/stores/database.js';
import { hiddenRowsIn, withWholeRows } from '../../../src/stores/soundness.js';

const HIDDEN = { name: 'dockhook_accounts', kind: 'r', owned: false, role: 'dockhook' };

/** A database of which it is told what a look finds, and a clock that is moved. */
function world() {
  const state = { looks: 0, now: 0, find: async (): Promise<Row[]> => [] };
  const bare: Database = {
    async query(sql) {
      if (sql !== hiddenRowsIn('public')) return [{ answer: 42 }];
      state.looks += 1;
      return state.find();
    },
    transaction: async () => undefined,
    close: async () => undefined,
  };
  const database = withWholeRows(bare, 'public', () => state.now);
  const ask = async (): Promise<unknown> =>
    database.query('SELECT').catch((error: unknown) => (error as { code: string }).code);
  return Object.assign(state, { database, ask, answer: [{ answer: 42 }] });
}

describe('whole rows', () => {
  it('are looked for before the first query, once for many that come together, and once a second', async () => {
    const looked = world();
    expect(
      await Promise.all([looked.ask(), looked.ask(), looked.database.transaction(async () => 'commit')]),
    ).to.deep.equal([looked.answer, looked.answer, undefined]);
    expect(looked.looks).to.equal(1);
    for (const [now, looks] of [
      [1000, 2],
      [1999, 2],
      [2000, 3],
    ] as const) {
      looked.now = now;
      await Promise.all([looked.ask(), looked.ask()]);
      expect(looked.looks, `at ${now}`).to.equal(looks);
    }
  });

  it('that may be hidden are an error for all, until they are seen again', async () => {
    const looked = world();
    await looked.ask();
    looked.find = async () => [HIDDEN];
    expect(await looked.ask(), 'within a second').to.deep.equal(looked.answer);
    looked.now = 1000;
    expect(await Promise.all([looked.ask(), looked.ask()])).to.include('DH003');
    expect(await Promise.all([looked.ask(), looked.ask()])).to.deep.equal(['DH003', 'DH003']);
    const refused: unknown = await looked.database
      .transaction(async () => 'commit')
      .catch((error: unknown) => error);
    expect(refused).to.have.property('code', 'DH003');
    looked.find = async () => [];
    expect(await looked.ask()).to.deep.equal(looked.answer);
  });

  it('are no answer of before if the first look fails, and the next query looks again', async () => {
    const looked = world();
    looked.find = () => Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNREFUSED' }));
    expect(await looked.ask()).to.equal('ECONNREFUSED');
    looked.find = async () => [];
    expect(await looked.ask()).to.deep.equal(looked.answer);
  });

  it('are still taken for whole when a later look is lost: what it was for is asked all the same', async () => {
    const looked = world();
    await looked.ask();
    looked.now = 1000;
    looked.find = () => Promise.reject(Object.assign(new Error('gone'), { code: 'ECONNRESET' }));
    expect(await looked.ask()).to.deep.equal(looked.answer);
    looked.now = 2000;
    looked.find = () => new Promise<never>(() => undefined);
    const held = looked.ask();
    await turn();
    expect(await looked.ask(), 'beside it').to.deep.equal(looked.answer);
    expect(await held).to.deep.equal(looked.answer);
  });

  it('are waited for, and nothing is asked, once the last good look is ten seconds old', async () => {
    const looked = world();
    await looked.ask();
    looked.find = () => Promise.reject(Object.assign(new Error('gone'), { code: '57014' }));
    for (const now of [1000, 5000, 9999]) {
      looked.now = now;
      expect(await looked.ask(), `at ${now}`).to.deep.equal(looked.answer);
    }
    looked.now = 10_000;
    expect(await Promise.all([looked.ask(), looked.ask()])).to.deep.equal(['57014', '57014']);
    looked.find = async () => [];
    expect(await looked.ask()).to.deep.equal(looked.answer);
  });

  it('are looked for first after a quiet time, and a transaction waits for it, too', async () => {
    const looked = world();
    await looked.ask();
    looked.now = 60_000;
    let found!: (rows: Row[]) => void;
    looked.find = () => new Promise((resolve) => (found = resolve));
    const held = Promise.all([looked.ask(), looked.database.transaction(async () => 'commit').catch(String)]);
    await turn();
    found([HIDDEN]);
    expect(await held).to.satisfy(
      ([one, other]: unknown[]) => one === 'DH003' && String(other).includes('row level'),
    );
    expect(looked.looks).to.equal(2);
  });
});
