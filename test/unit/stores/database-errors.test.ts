import { inspect } from 'node:util';
import { expect } from 'chai';
import type { DockhookError } from '../../../src/errors.js';
import type { Database } from '../../../src/stores/database.js';
import { adviceFor } from '../../../src/stores/database-errors.js';
import { openStores } from '../../../src/stores/stores.js';
import { anAccount, anOrganization, rejection } from '../../contract/store-suite.js';

/** A database on which the tables exist and every other statement fails as told. */
function failing(error: Error): Database {
  return {
    query: (sql) => (sql.includes('DO $$') ? Promise.resolve([]) : Promise.reject(error)),
    transaction: () => Promise.reject(error),
    close: async () => undefined,
  };
}

function sqlError(code: string, message: string): Error {
  return Object.assign(new Error(message), {
    code,
    detail: 'Failing row contains (alice, the-secret).',
    params: ['the-secret'],
    client: { password: 'the-secret' },
  });
}

describe('a store operation', () => {
  const failures = [
    ['store_unavailable', 'silence', ['57P01', '57P03', '08006', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT']],
    [
      'store_refused',
      'an answer',
      ['42501', '40001', '22P02', '23502', '23514', '25006', '53300', '53100', '55P03', '57014', 'XX000'],
    ],
  ] as const;
  for (const [fault, what, codes] of failures) {
    it(`tells ${what} as ${fault}, with the driver’s message and nothing else of it`, async () => {
      for (const code of codes) {
        const stores = openStores(failing(sqlError(code, 'what happened')));
        for (const work of [
          () => stores.accounts.get('alice'),
          () => stores.accounts.add(anAccount('alice')),
        ]) {
          const error = await rejection(work(), fault);
          expect(error.message).to.include('"alice"').and.include('what happened');
          expect(error.message).to.match(/^the database (refuses|cannot be reached) \(/);
          expect(error.cause).to.have.property('code', code);
          expect(inspect(error, { depth: 10 })).to.not.include('the-secret');
        }
      }
    });
  }

  it('sends again what PostgreSQL means to be sent again, a few times, and nothing else', async () => {
    for (const [code, times] of [
      ['40001', 12],
      ['40P01', 12],
      ['57014', 1],
      ['53300', 1],
      ['ECONNRESET', 1],
    ] as const) {
      let sent = 0;
      const database: Database = {
        ...failing(sqlError(code, 'x')),
        async query(sql) {
          if (sql.includes('dockhook_migrations')) return [{ number: 1, breaking: false }];
          if (!sql.startsWith('INSERT')) return [];
          sent += 1;
          throw sqlError(code, 'x');
        },
      };
      await openStores(database)
        .accounts.add(anAccount('alice'))
        .catch(() => undefined);
      expect(sent, code).to.equal(times);
    }
  });

  it('says that DATABASE_URL names no user', () => {
    expect(adviceFor(sqlError('28000', 'no PostgreSQL user name specified in startup packet'))).to.equal(
      'DATABASE_URL names no user: postgres://USER:PASSWORD@HOST:5432/DATABASE',
    );
  });

  it('advises to create the database that was named, and no other', () => {
    const advice = (message: string): string | undefined => adviceFor(sqlError('3D000', message));
    expect(advice('database "nope" does not exist'))
      .to.include('DATABASE "nope" OWNER')
      .and.include('check its name');
    expect(advice('database "a"b" does not exist')).to.include('DATABASE "a""b" OWNER');
    expect(advice('Datenbank »nope« existiert nicht'))
      .to.include('create it')
      .and.not.include('CREATE DATABASE');
  });

  it('says who may do what when the role lacks a right', async () => {
    const stores = openStores(failing(sqlError('42501', 'permission denied for table dockhook_accounts')));
    const error = await rejection(stores.accounts.add(anAccount('alice')), 'store_refused');
    expect(error.message)
      .to.include('dockhook_server is for dockhook serve alone')
      .and.include('dockhook_operator');
  });

  it('takes only a violated constraint for a conflict', async () => {
    const stores = openStores(failing(sqlError('23505', 'duplicate key')));
    await rejection(stores.organizations.add(anOrganization('one')), 'conflict');
    await rejection(stores.organizations.get('one'), 'store_refused');
  });

  it('is told with its table, name, time and failure', async () => {
    const told: unknown[][] = [];
    const onQuery = (...told_: unknown[]) => told.push(told_);
    await rejection(
      openStores(failing(new Error('gone')), { onQuery }).accounts.get('alice'),
      'store_unavailable',
    );
    const empty: Database = {
      query: async () => [],
      transaction: async () => undefined,
      close: async () => undefined,
    };
    const stores = openStores(empty, { onQuery });
    await stores.bindings.getMany(['SN1']);
    await rejection(stores.accounts.remove('alice'), 'not_found');
    expect(
      told.map(([table, operation, , failure]) => [
        table,
        operation,
        (failure as DockhookError | undefined)?.code,
      ]),
    ).to.deep.equal([
      ['dockhook_accounts', 'get', 'store_unavailable'],
      ['dockhook_bindings', 'getMany', undefined],
      ['dockhook_accounts', 'remove', undefined],
    ]);
    for (const [, , milliseconds] of told) expect(milliseconds).to.be.a('number').and.at.least(0);
  });
});
