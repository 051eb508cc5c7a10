import { expect } from 'chai';
import { DockhookError } from '../../../src/errors.js';
import { connectPostgres } from '../../../src/stores/connect-postgres.js';

describe('connectPostgres', () => {
  const unusable = [
    '',
    'localhost:5432/dockhook',
    'mysql://user:the-password@localhost/dockhook',
    'postgres://user:the-password@host:port/dockhook',
    'postgres://user:the-password@localhost/dockhook?sslmode=verify-full&sslrootcert=/nowhere/ca.pem',
  ];
  for (const url of unusable) {
    it(`refuses ${JSON.stringify(url)} without showing the password`, () => {
      let error: unknown;
      try {
        connectPostgres(url);
      } catch (thrown) {
        error = thrown;
      }
      if (!(error instanceof DockhookError)) throw new Error('did not throw', { cause: error });
      expect(error.code).to.equal('usage');
      expect(`${error.message} ${JSON.stringify(error)} ${String(error.cause)}`).to.not.include(
        'the-password',
      );
    });
  }

  it('does not connect at once: an unreachable server is no error yet', async () => {
    const database = connectPostgres('postgres://user:the-password@127.0.0.1:1/dockhook?sslmode=disable');
    await database.close();
  });
});
