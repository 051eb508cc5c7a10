/** How connections to a PostgreSQL server are made, refused, and given up. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DockhookError } from '../../src/errors.js';
import type { Database } from '../../src/stores/database.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { adviceFor } from '../../src/stores/database-errors.js';
import { openServerStores } from '../../src/stores/stores.js';
import { certificateDirectories } from '../support/certificates.js';
import { startDockhook } from '../support/dockhook.js';
import { setAccess, setTls, strangers, strangersGone } from '../support/postgres-access.js';
import { describeWithOwnPostgres, startPostgres, type TestPostgres } from '../support/postgres.js';

const PASSWORD = 'password-of-the-role';

describeWithOwnPostgres('a PostgreSQL server that lets not everybody in', function () {
  this.timeout(60_000);
  const { make, empty } = certificateDirectories();
  let postgres: TestPostgres;
  let database: Database | undefined;

  before(async () => {
    postgres = await startPostgres();
    await postgres.query(`CREATE ROLE role LOGIN PASSWORD '${PASSWORD}'`);
  });
  after(() => postgres.stop());
  const close = async (): Promise<void> => {
    await database?.close();
    database = undefined;
  };
  afterEach(close);

  function urlOf({
    user = 'role',
    password = PASSWORD,
    host = '127.0.0.1',
    search = '',
    name = 'postgres',
  } = {}): string {
    return `postgres://${user}${password && `:${password}`}@${host}:${new URL(postgres.url).port}/${name}${search}`;
  }

  /** How a statement fails there, with the advice; undefined if it does not. */
  async function fault(url: string): Promise<{ code: unknown; message: string; advice: string } | undefined> {
    let opened: Database | undefined;
    try {
      opened = connectPostgres(url);
      await opened.query('SELECT 1');
      return undefined;
    } catch (error) {
      const { message, code } = error as Error & { code?: unknown };
      return { code, message, advice: adviceFor(error) ?? '' };
    } finally {
      await opened?.close();
    }
  }

  describe('with passwords', () => {
    before(() => setAccess(postgres, 'host all all 127.0.0.1/32 scram-sha-256'));

    for (const password of ['', ':']) {
      it(`keeps no connection of those who ${password ? 'write an empty' : 'have no'} password`, async () => {
        const url = urlOf({ password: '' }).replace('@', `${password}@`);
        const opened = (database = connectPostgres(url));
        for (let round = 0; round < 10; round += 1) {
          const work = Array.from({ length: 10 }, () => opened.query('SELECT 1'));
          const outcomes = await Promise.allSettled(work);
          expect(outcomes.map(({ status }) => status)).to.deep.equal(Array(10).fill('rejected'));
        }
        await strangersGone(postgres);
        const told = await fault(url);
        expect(told).to.include({ code: '28P01' });
        expect(told?.message).to.include('DATABASE_URL has none');
        expect(told?.advice).to.include('postgres://USER:PASSWORD@HOST');
        expect(await fault(urlOf())).to.equal(undefined);
      });
    }

    it('says who is wrong', async () => {
      expect((await fault(urlOf({ password: 'wrong' })))?.advice).to.include('user and password');
      expect((await fault(urlOf({ user: 'nobody' })))?.advice).to.include('user and password');
      expect((await fault(urlOf({ name: 'none' })))?.advice).to.include('CREATE DATABASE "none"');
    });

    it('is told apart from one that wants what cannot be done, which ends no process', async () => {
      await setAccess(postgres, 'host all all 127.0.0.1/32 reject');
      expect((await fault(urlOf()))?.message).to.include('reject');
      await setAccess(postgres, 'host all other 127.0.0.1/32 trust');
      expect((await fault(urlOf()))?.code).to.equal('28000');
      await setAccess(postgres, 'host all all 127.0.0.1/32 scram-sha-256');
      expect(await fault(urlOf())).to.equal(undefined);
    });
  });

  describe('with a limit of connections', () => {
    before(() => setAccess(postgres, 'host all all 127.0.0.1/32 trust'));
    afterEach(async () => {
      await close();
      await postgres.query('ALTER ROLE role CONNECTION LIMIT -1');
      await strangersGone(postgres);
    });

    /** Statements that each take a while, many at once. */
    async function rush(): Promise<void> {
      const work = Array.from({ length: 80 }, async () => {
        await database?.query('SELECT pg_sleep(0.001)');
      });
      await Promise.all(work);
    }

    for (const limit of [1, 3, 9]) {
      it(`makes do with ${limit}`, async () => {
        await postgres.query(`ALTER ROLE role CONNECTION LIMIT ${limit}`);
        database = connectPostgres(urlOf());
        await rush();
        expect(strangers(postgres)).to.equal(limit);
      });
    }

    it('gives the session that hears of changes one of its own', async () => {
      await postgres.query('ALTER ROLE role CONNECTION LIMIT 3');
      database = connectPostgres(urlOf());
      await rush();
      const session = await database.openSession!({ notified: () => undefined, ended: () => undefined });
      expect(await session.query('SELECT 1 AS one')).to.deep.equal([{ one: 1 }]);
      await rush();
      expect(strangers(postgres)).to.equal(3);
      session.close();
    });

    it('keeps its last connection for statements', async () => {
      await postgres.query('ALTER ROLE role CONNECTION LIMIT 1');
      database = connectPostgres(urlOf());
      await rush();
      const session = database.openSession!({ notified: () => undefined, ended: () => undefined });
      expect(await session.catch((error: unknown) => error)).to.have.property('code', '53300');
      await rush();
    });

    it('waits for a moment where others have them all, and says so if they keep them', async () => {
      await postgres.query('ALTER ROLE role CONNECTION LIMIT 1');
      const other = connectPostgres(urlOf());
      await other.query('SELECT 1');
      database = connectPostgres(urlOf());
      const error: unknown = await database.query('SELECT 1').catch((reason: unknown) => reason);
      expect(error).to.have.property('code', '53300');
      expect(adviceFor(error)).to.include('DOCKHOOK_DATABASE_CONNECTIONS');
      const waiting = database.query('SELECT 1 AS one');
      await other.close();
      expect(await waiting).to.deep.equal([{ one: 1 }]);
    });

    it('goes on with the connection of a statement that it refused', async () => {
      database = connectPostgres(urlOf(), { connections: 1 });
      const pid = async () => (await database?.query('SELECT pg_backend_pid() AS pid'))?.[0]?.['pid'];
      const before = await pid();
      await database.query('SELECT 1/0').catch(() => undefined);
      expect(await pid()).to.equal(before);
      await database.query('SELECT pg_terminate_backend(pg_backend_pid())').catch(() => undefined);
      expect(await pid()).to.not.equal(before);
    });
  });

  describe('with TLS', () => {
    let files: string;
    const path = (name: string): string => join(files, name);
    const tls = (host: string, parameters: Record<string, string>): string =>
      urlOf({ host, search: `?${new URLSearchParams(parameters).toString()}` });

    /** A certificate for this name by the CA of the server, for so many days; 0 is over at once. */
    function signed(name: string, days: number): { cert: string; key: string } {
      const directory = empty();
      const [csr, cert] = [join(directory, 'csr'), join(directory, 'cert')];
      const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { stdio: 'pipe' });
      const key = path('grpc/dockhook.key');
      openssl('req', '-new', '-key', key, '-subj', `/CN=${name}`, '-out', csr);
      const signer = ['-CA', path('grpc/ca.pem'), '-CAkey', path('grpc/ca.key'), '-set_serial', '7'];
      openssl('x509', '-req', '-in', csr, ...signer, '-days', String(days), '-out', cert);
      return { cert, key };
    }

    const served = () => ({
      cert: path('grpc/dockhook.pem'),
      key: path('grpc/dockhook.key'),
      clientCa: path('grpc/ca.pem'),
    });

    before(async () => {
      files = make('--host', 'db.example');
      await setAccess(
        postgres,
        'hostssl all role 127.0.0.1/32 scram-sha-256',
        'hostssl all role ::1/128 scram-sha-256',
        'hostssl all emqx 127.0.0.1/32 cert',
      );
      await postgres.query('CREATE ROLE emqx LOGIN');
    });

    it('says so where there is none', async () => {
      const told = await fault(tls('127.0.0.1', { sslmode: 'require' }));
      expect(told?.message).to.include('does not support SSL');
      expect(told?.advice).to.include('ssl = on').and.include('sslmode=disable');
    });

    describe('that is on', () => {
      before(() => setTls(postgres, served()));

      it('is not spoken unless it is asked for, and then says that the server wants it', async () => {
        const told = await fault(urlOf());
        expect(told?.message).to.include('no encryption');
        expect(told?.advice).to.include('add sslmode=verify-full');
      });

      for (const search of ['sslmode=require', 'sslmode=verify-full', 'ssl=true', 'sslrootcert=system']) {
        it(`is not trusted with ${search} alone, if the CA is a private one`, async () => {
          const told = await fault(urlOf({ search: `?${search}` }));
          expect(told?.code).to.be.oneOf(['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'SELF_SIGNED_CERT_IN_CHAIN']);
          expect(told?.advice).to.include('add sslrootcert=');
          // What was advised.
          const advised = `?${search}&sslmode=verify-full&sslrootcert=${path('grpc/ca.pem')}`;
          expect(await fault(urlOf({ search: advised.replace('sslrootcert=system&', '') }))).to.equal(
            undefined,
          );
        });
      }

      it('is trusted with the CA in sslrootcert, or without looking', async () => {
        const sslrootcert = path('grpc/ca.pem');
        for (const parameters of [
          { sslmode: 'verify-full', sslrootcert },
          { sslmode: 'require', sslrootcert },
          { sslmode: 'verify-ca', sslrootcert },
          { sslrootcert },
          { sslmode: 'no-verify' },
          { ssl: 'no-verify' },
        ]) {
          expect(await fault(tls('127.0.0.1', parameters)), JSON.stringify(parameters)).to.equal(undefined);
          expect(await fault(tls('localhost', parameters)), JSON.stringify(parameters)).to.equal(undefined);
        }
      });

      it('is for Unix sockets no matter', async () => {
        const host = encodeURIComponent(postgres.socketDirectory);
        expect(await fault(tls(host, { sslmode: 'verify-full' }))).to.equal(undefined);
      });

      it('compares the name, except with verify-ca', async () => {
        await setTls(postgres, { ...served(), ...signed('elsewhere.example', 9) });
        const sslrootcert = path('grpc/ca.pem');
        const told = await fault(tls('127.0.0.1', { sslmode: 'require', sslrootcert }));
        expect(told?.code).to.equal('ERR_TLS_CERT_ALTNAME_INVALID');
        expect(told?.advice).to.include('sslmode=verify-ca with sslrootcert');
        expect(await fault(tls('127.0.0.1', { sslmode: 'verify-ca', sslrootcert }))).to.equal(undefined);
        await setTls(postgres, served());
      });

      it('says so when the certificate has expired', async () => {
        await setTls(postgres, { ...served(), ...signed('localhost', 0) });
        const told = await fault(tls('localhost', { sslrootcert: path('grpc/ca.pem') }));
        expect(told?.code).to.equal('CERT_HAS_EXPIRED');
        expect(told?.advice).to.include('renew it there');
        await setTls(postgres, served());
      });

      it('shows a client certificate, and says so where one is wanted or not believed', async () => {
        const sslrootcert = path('grpc/ca.pem');
        const url = (more: Record<string, string>): string => {
          const search = `?${new URLSearchParams({ sslrootcert, ...more }).toString()}`;
          return urlOf({ user: 'emqx', password: '', search });
        };
        const none = await fault(url({}));
        expect(none?.message).to.include('requires a valid client certificate');
        expect(none?.advice).to.include('sslcert=').and.include('sslkey=');
        const own = { sslcert: path('grpc/emqx.pem'), sslkey: path('grpc/emqx.key') };
        expect(await fault(url(own))).to.equal(undefined);
        const foreign = make();
        const others = { sslcert: join(foreign, 'grpc/emqx.pem'), sslkey: join(foreign, 'grpc/emqx.key') };
        expect((await fault(url(others)))?.advice).to.include('ssl_ca_file');
        const mixed = await fault(url({ ...own, sslkey: path('grpc/dockhook.key') }));
        expect(mixed?.message).to.include('does not belong to the certificate');
        expect((await fault(url({ sslcert: own.sslcert })))?.message).to.include('go together');
      });

      it('follows a CA file that is replaced', async () => {
        const ca = join(empty(), 'ca.pem');
        writeFileSync(ca, execFileSync('cat', [join(make(), 'grpc/ca.pem')]));
        chmodSync(ca, 0o644);
        const changes: string[] = [];
        database = connectPostgres(tls('localhost', { sslrootcert: ca }), {
          onChange: () => changes.push('changed'),
        });
        await database.query('SELECT 1').catch((error: unknown) => expect(error).to.be.instanceOf(Error));
        writeFileSync(ca, execFileSync('cat', [path('grpc/ca.pem')]));
        expect(await database.query('SELECT 1 AS one')).to.deep.equal([{ one: 1 }]);
        expect(changes).to.deep.equal(['changed']);
      });
    });
  });

  describe('with a URL in a file', () => {
    let file: string;
    let changes: number;
    const faults: string[] = [];
    const open = (lookMs?: number): void => {
      changes = 0;
      database = connectPostgres(urlOf({ password: 'first' }), {
        file,
        lookMs,
        onChange: () => (changes += 1),
        onUnusable: ({ message }) => faults.push(message),
      });
    };

    before(() => setAccess(postgres, 'host all all 127.0.0.1/32 scram-sha-256'));
    beforeEach(async () => {
      file = join(empty(), 'database-url');
      writeFileSync(file, `${urlOf({ password: 'first' })}\n`);
      await postgres.query("ALTER ROLE role PASSWORD 'first'");
      faults.length = 0;
    });

    const disconnect = () =>
      postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'role'");

    it('reads it again when the password is refused, in the same statement', async () => {
      open();
      expect(await database?.query('SELECT 1 AS one')).to.deep.equal([{ one: 1 }]);
      await postgres.query("ALTER ROLE role PASSWORD 'second'");
      writeFileSync(file, urlOf({ password: 'second' }));
      await disconnect();
      await strangersGone(postgres);
      const work = Array.from({ length: 30 }, async () => database?.query('SELECT 1 AS one'));
      for (const rows of await Promise.all(work)) expect(rows).to.deep.equal([{ one: 1 }]);
      expect(changes).to.equal(1);
      expect(database?.refusal?.()).to.equal(undefined);
    });

    it('says that the password is refused until it is right again', async () => {
      open();
      await database?.query('SELECT 1');
      expect(database?.refusal?.()).to.equal(undefined);
      await postgres.query("ALTER ROLE role PASSWORD 'second'");
      // Who is in stays in.
      await database?.query('SELECT 1');
      expect(database?.refusal?.()).to.equal(undefined);
      await disconnect();
      await strangersGone(postgres);
      const error: unknown = await database?.query('SELECT 1').catch((reason: unknown) => reason);
      expect(error).to.have.property('code', '28P01');
      const refusal = database?.refusal?.();
      expect(refusal?.why).to.include('password authentication failed');
      await database?.query('SELECT 1').catch(() => undefined);
      expect(database?.refusal?.()?.since).to.equal(refusal?.since);
      writeFileSync(file, urlOf({ password: 'second' }));
      await database?.query('SELECT 1');
      expect(database?.refusal?.()).to.equal(undefined);
    });

    it('makes a server unready that nobody calls, and ready once its password is right again', async () => {
      await postgres.query('GRANT CREATE ON SCHEMA public TO role');
      open();
      const opened = database!;
      const heard: string[] = [];
      let wake = (): void => undefined;
      const stores = openServerStores(opened, {
        onHeard: (isHeard, why = '') => {
          heard.push(isHeard ? 'heard' : why);
          wake();
        },
      });
      const told = async (condition: () => boolean): Promise<void> => {
        while (!condition()) await new Promise<void>((resolve) => (wake = resolve));
      };
      const app = await startDockhook({
        stores,
        refusal: opened.refusal,
        refusedMs: 0,
        environment: { DOCKHOOK_TIMELINE: 'off' },
      });
      const readyz = async (): Promise<[number, string]> => {
        const response = await fetch(`http://${app.http}/readyz`);
        return [response.status, await response.text()];
      };
      try {
        await app.ready;
        await told(() => heard.includes('heard'));
        await postgres.query("ALTER ROLE role PASSWORD 'second'");
        await disconnect();
        await told(() => heard.at(-1)?.includes('password authentication failed') === true);
        expect(heard.at(-1)).to.include('check user and password in DATABASE_URL');
        const [status, why] = await readyz();
        expect(status).to.equal(503);
        expect(why)
          .to.include('has refused the user or password')
          .and.include('password authentication failed');
        await postgres.query("ALTER ROLE role PASSWORD 'first'");
        await told(() => heard.at(-1) === 'heard');
        expect(await readyz()).to.deep.equal([200, 'ready\n']);
      } finally {
        await app.stop();
        database = undefined;
      }
    });

    it('is no refusal while the server is away', async () => {
      const { port } = new URL(postgres.url);
      database = connectPostgres(urlOf().replace(port, '1'));
      await database.query('SELECT 1').catch(() => undefined);
      expect(database.refusal?.()).to.equal(undefined);
    });

    it('follows it while all is well, also to another database, and ends what hears of changes', async () => {
      await postgres.query('CREATE DATABASE elsewhere');
      open(20);
      const ended = new Promise<void>((resolve) => {
        void database?.openSession?.({ notified: () => undefined, ended: resolve });
      });
      await database?.query('SELECT 1');
      writeFileSync(file, urlOf({ password: 'first', name: 'elsewhere' }));
      await ended;
      expect(await database?.query('SELECT current_database()::text AS name')).to.deep.equal([
        { name: 'elsewhere' },
      ]);
      const left = (): Promise<unknown> =>
        postgres.query("SELECT FROM pg_stat_activity WHERE usename = 'role' AND datname = 'postgres'");
      while (((await left()) as unknown[]).length > 0);
    });

    it('keeps what it had while the file is away or cannot be used, and tells once', async () => {
      open(5);
      for (const text of [
        '',
        'postgres://u:the-secret@h1,h2/d',
        `${urlOf({ password: 'the-secret' })}?sslmode=bogus`,
      ]) {
        const before = faults.length;
        writeFileSync(file, text);
        while (faults.length === before) await database?.query('SELECT 1');
      }
      for (let round = 0; round < 10; round += 1) await database?.query('SELECT pg_sleep(0.005)');
      expect(faults).to.have.length(3);
      expect(faults.join()).to.not.include('the-secret');
      expect(changes).to.equal(0);
    });
  });

  it('tells no URL that cannot be used', () => {
    expect(() => connectPostgres(urlOf().replace('127.0.0.1', 'a,b'))).to.throw(
      DockhookError,
      'several hosts',
    );
  });
});
