import { expect } from 'chai';
import type { Database } from '../../../src/stores/database.js';
import { withTables } from '../../../src/stores/tables.js';

describe('withTables', () => {
  let statements: string[];
  let answer: (sql: string) => Error | undefined;
  const bare: Database = {
    async query(sql) {
      const name = sql.includes('CREATE TABLE') ? 'create' : sql;
      statements.push(name);
      const error = answer(name);
      if (error !== undefined) throw error;
      return [];
    },
    transaction: async () => undefined,
    close: async () => undefined,
  };
  beforeEach(() => {
    statements = [];
    answer = () => undefined;
  });

  it('creates the tables once before the first of many queries', async () => {
    const database = withTables(bare);
    await Promise.all([database.query('a'), database.query('b')]);
    await database.query('c');
    expect(statements).to.deep.equal(['create', 'a', 'b', 'c']);
  });

  it('rejects all queries that wait for a failed attempt, and tries again with the next', async () => {
    const database = withTables(bare);
    answer = (name) => (name === 'create' ? new Error('no database') : undefined);
    const waiting = await Promise.allSettled([database.query('a'), database.query('b')]);
    expect(waiting.map((one) => one.status)).to.deep.equal(['rejected', 'rejected']);
    answer = () => undefined;
    await database.query('c');
    expect(statements).to.deep.equal(['create', 'create', 'c']);
  });

  it('does not try again because a query fails for another reason', async () => {
    const database = withTables(bare);
    answer = (name) => (name === 'a' ? Object.assign(new Error('no'), { code: '23505' }) : undefined);
    await database.query('a').catch(() => undefined);
    await database.query('b');
    expect(statements).to.deep.equal(['create', 'a', 'b']);
  });
});
