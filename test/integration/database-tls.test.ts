/** What commands say of a PostgreSQL that wants TLS, and whether what they advise helps. */
import { expect } from 'chai';
import { join } from 'node:path';
import { certificateDirectories } from '../support/certificates.js';
import { run, type Result } from '../support/cli.js';
import { setAccess, setTls } from '../support/postgres-access.js';
import { describeWithOwnPostgres, startPostgres, type TestPostgres } from '../support/postgres.js';

describeWithOwnPostgres('commands and a PostgreSQL with TLS', function () {
  this.timeout(60_000);
  const { make } = certificateDirectories();
  let postgres: TestPostgres;
  let files: string;

  before(async () => {
    files = make('--host', 'db.example');
    postgres = await startPostgres();
    await postgres.query("CREATE ROLE dockhook LOGIN PASSWORD 'the-secret'");
    await postgres.query('GRANT CREATE ON SCHEMA public TO dockhook');
    await setAccess(postgres, 'hostssl all dockhook 127.0.0.1/32 scram-sha-256');
    const pair = { cert: join(files, 'grpc/dockhook.pem'), key: join(files, 'grpc/dockhook.key') };
    await setTls(postgres, { ...pair, clientCa: join(files, 'grpc/ca.pem') });
  });
  after(() => postgres.stop());

  const list = (search: string, host = '127.0.0.1'): Promise<Result> => {
    const { port } = new URL(postgres.url);
    const url = `postgres://dockhook:the-secret@${host}:${port}/postgres${search}`;
    return run(['--json', 'organization', 'list'], { environment: { DATABASE_URL: url } });
  };

  it('say nothing but JSON, whatever sslmode is', async () => {
    for (const search of [
      '?sslmode=require',
      '?sslmode=verify-full',
      '?ssl=true',
      '?sslmode=no-verify',
      '',
    ]) {
      const { stderr, stdout } = await list(search);
      expect(() => void JSON.parse(stderr || stdout), `${search}: ${stderr}`).to.not.throw();
      expect(stderr).to.not.include('the-secret');
    }
    const ca = `sslrootcert=${join(files, 'grpc/ca.pem')}`;
    for (const search of [`?sslmode=require&${ca}`, `?sslmode=verify-ca&${ca}`, `?${ca}`]) {
      expect(await list(search), search).to.deep.include({ code: 0, stderr: '' });
    }
  });

  it('are told what to add, step by step, until they work', async () => {
    const first = await list('');
    expect(first.code).to.equal(1);
    expect(first.stderr).to.include('add sslmode=verify-full to DATABASE_URL');
    const second = await list('?sslmode=verify-full');
    expect(second.code).to.equal(1);
    expect(second.stderr).to.include('add sslrootcert=/path/to/ca.pem');
    const third = await list(`?sslmode=verify-full&sslrootcert=${join(files, 'grpc/ca.pem')}`);
    expect(third).to.deep.include({ code: 0, stderr: '' });
  });

  it('refuse what is misspelt, is not taken, or is not there, as wrong usage', async () => {
    for (const [search, words] of [
      ['?sslmode=Require', 'must be one of disable, no-verify, verify-ca, require, verify-full'],
      ['?sslmode=prefer', 'without TLS in silence'],
      ['?sslmode=verify-ca', 'needs sslrootcert'],
      ['?sslrootcert=/nowhere/ca.pem', 'cannot read the file'],
    ] as const) {
      const { code, stderr } = await list(search);
      expect(code, search).to.equal(2);
      expect(JSON.parse(stderr), search).to.have.property('message').that.includes(words);
    }
    const several = await list('', 'h1,h2');
    expect(several.code).to.equal(2);
    expect(several.stderr).to.include('several hosts').and.not.include('the-secret').and.not.include('h1');
  });

  it('are helped by doctor as well', async () => {
    const { port } = new URL(postgres.url);
    for (const [url, words] of [
      [`postgres://dockhook:the-secret@127.0.0.1:${port}/postgres?sslmode=require`, 'sslrootcert'],
      [`postgres://dockhook:the-secret@h1,h2/postgres`, 'several hosts'],
      [`postgres:///postgres?host=/nowhere&port=${port}`, 'in /nowhere, database postgres'],
    ] as const) {
      const { code, stdout, stderr } = await run(['--json', 'doctor'], {
        environment: { DATABASE_URL: url },
      });
      expect(code).to.equal(1);
      expect(stderr).to.equal('');
      const findings = JSON.parse(stdout) as { code: string; what: string; fix?: string[] }[];
      const finding = findings.find((one) => one.code === 'database_unreachable');
      expect(`${finding?.what ?? ''} ${finding?.fix?.join() ?? ''}`).to.include(words);
    }
  });
});
