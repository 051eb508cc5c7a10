import { expect } from 'chai';
import { sqlState, type Database, type Query, type Row } from '../../../src/stores/database.js';
import { withTables } from '../../../src/stores/migrate.js';
import { until } from '../../support/until.js';

describe('withTables', () => {
  let statements: string[];
  let answer: (sql: string) => Error | undefined;
  /** What it says was applied. */
  let applied: Row[];
  /** What the role may do in the schema, and whether the tables there are its own. */
  let found: Row;
  const query: Query = async (sql) => {
    const name = sql.includes('CREATE TABLE')
      ? 'migrate'
      : sql.includes('FROM public.dockhook_migrations')
        ? 'look'
        : sql;
    if (name.includes('set_config')) return [];
    if (name.includes('current_user')) return [{ role: 'dock', database: 'fleet', ...found }];
    statements.push(name);
    const error = answer(name);
    if (error !== undefined) throw error;
    return name === 'look' ? applied : [];
  };
  const bare: Database = {
    query,
    transaction: async (work) => {
      await work(query);
    },
    close: async () => undefined,
  };
  const open = (refusedMs?: number): Database => withTables(bare, 'public', undefined, refusedMs);
  beforeEach(() => {
    statements = [];
    answer = () => undefined;
    applied = [];
    found = { may_create: false, others_own: false };
  });

  it('migrates once before the first of many queries', async () => {
    const database = open();
    await Promise.all([database.query('a'), database.query('b')]);
    await database.query('c');
    expect(statements).to.deep.equal(['look', 'migrate', 'a', 'b', 'c']);
  });

  it('rejects all queries that wait for a failed attempt, and tries again with the next', async () => {
    const database = open();
    answer = (name) => (name === 'look' ? new Error('no database') : undefined);
    const waiting = await Promise.allSettled([database.query('a'), database.query('b')]);
    expect(waiting.map((one) => one.status)).to.deep.equal(['rejected', 'rejected']);
    answer = () => undefined;
    await database.query('c');
    expect(statements).to.deep.equal(['look', 'look', 'migrate', 'c']);
  });

  it('repeats the error of a refused migration for a while, and then tries again', async () => {
    const stateOf = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'worked', sqlState);
    answer = (name) =>
      name === 'migrate' ? Object.assign(new Error('locked'), { code: '55P03' }) : undefined;
    const waiting = open();
    expect(await stateOf(waiting.query('a'))).to.equal('55P03');
    expect(await stateOf(waiting.query('b'))).to.equal('55P03');
    expect(statements).to.deep.equal(['look', 'migrate']);
    const hasty = open(0);
    expect(await stateOf(hasty.query('a'))).to.equal('55P03');
    answer = () => undefined;
    await until(async () => (await stateOf(hasty.query('b'))) === 'worked');
  });

  it('does not wait after a migration that got no answer', async () => {
    const database = open();
    answer = (name) => (name === 'migrate' ? new Error('connection lost') : undefined);
    await database.query('a').catch(() => undefined);
    answer = () => undefined;
    await database.query('b');
    expect(statements).to.deep.equal(['look', 'migrate', 'look', 'migrate', 'b']);
  });

  it('does not try again because a query fails for another reason', async () => {
    const database = open();
    answer = (name) => (name === 'a' ? Object.assign(new Error('no'), { code: '23505' }) : undefined);
    await database.query('a').catch(() => undefined);
    await database.query('b');
    expect(statements).to.deep.equal(['look', 'migrate', 'a', 'b']);
  });

  it('asks one query of a database that is up to date', async () => {
    applied = [{ number: 1, breaking: false }];
    await open().query('a');
    expect(statements).to.deep.equal(['look', 'a']);
  });

  it('looks again once a table is found to be gone', async () => {
    const database = open();
    answer = (name) => (name === 'a' ? Object.assign(new Error('gone'), { code: '42P01' }) : undefined);
    await database.query('a').catch(() => undefined);
    await database.query('b');
    expect(statements).to.deep.equal(['look', 'migrate', 'a', 'look', 'migrate', 'b']);
  });

  describe('tells a role that may not migrate', () => {
    async function told(message: string): Promise<string> {
      answer = (name) =>
        name === 'migrate' ? Object.assign(new Error(message), { code: '42501' }) : undefined;
      const error: unknown = await open()
        .query('a')
        .catch((reason: unknown) => reason);
      expect(error).to.have.property('code', 'DH004');
      return String(error);
    }

    for (const message of ['permission denied for schema public', 'keine Berechtigung für Schema public']) {
      it(`the command for the owner of the tables, and the right that it lacks: ${message}`, async () => {
        expect(await told(message))
          .to.include(message)
          .and.include("psql -v ON_ERROR_STOP=1 -d 'fleet' -f deploy/postgres/schema.sql")
          .and.include('GRANT USAGE, CREATE ON SCHEMA public TO dock');
      });
    }

    it('nothing of a right that would not help, since the tables belong to another', async () => {
      found = { may_create: false, others_own: true };
      expect(await told('must be owner of table dockhook_accounts'))
        .to.include('deploy/postgres/schema.sql')
        .and.not.include('GRANT');
    });

    it('to make the schema if there is none', async () => {
      found = { may_create: null, others_own: false };
      expect(await told('permission denied for database fleet')).to.include(
        'CREATE SCHEMA public AUTHORIZATION dock',
      );
    });
  });
});
