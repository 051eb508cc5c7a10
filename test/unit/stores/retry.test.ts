import { expect } from 'chai';
import type { Database } from '../../../src/stores/database.js';
import { withRetries } from '../../../src/stores/retry.js';

/** A database that refuses a statement with this SQLSTATE, so many times. */
function refusing(code: string, times: number) {
  let sent = 0;
  const database: Database = {
    query: () => {
      sent += 1;
      return sent <= times
        ? Promise.reject(Object.assign(new Error(`refused with ${code}`), { code }))
        : Promise.resolve([]);
    },
    transaction: () => Promise.reject(new Error('not asked')),
    close: () => Promise.resolve(),
  };
  return { query: withRetries(database).query, sent: () => sent };
}

async function outcome(query: Promise<unknown>): Promise<string> {
  return query.then(
    () => 'done',
    (error: unknown) => (error as Error).message,
  );
}

describe('a statement that PostgreSQL took back', () => {
  for (const code of ['40001', '40P01'])
    it(`is sent again after ${code}, though seven others went first`, async () => {
      const { query, sent } = refusing(code, 7);
      expect(await outcome(query('UPDATE', []))).to.equal('done');
      expect(sent()).to.equal(8);
    });
});
