import { expect } from 'chai';
import { describeDatabaseUrl, readDatabaseUrl } from '../../../src/stores/database-url.js';
import { DockhookError } from '../../../src/errors.js';

/** Why a URL cannot be used. Wherever it stands, the password is not in it. */
function faultOf(url: string): string {
  expect(describeDatabaseUrl(url)).to.equal('PostgreSQL');
  try {
    readDatabaseUrl(url);
  } catch (error) {
    expect(error).to.be.instanceOf(DockhookError).with.property('code', 'usage');
    const { message, cause } = error as DockhookError;
    expect(`${message} ${JSON.stringify(error)} ${String(cause)}`).to.not.include('the-secret');
    return message;
  }
  throw new Error(`${url} was taken`);
}

describe('DATABASE_URL', () => {
  const places: [url: string, where: string][] = [
    ['postgres://u:the-secret@db.example:6432/dock', 'PostgreSQL at db.example:6432/dock'],
    ['postgresql://u:the-secret@db.example/dock?password=the-secret', 'PostgreSQL at db.example:5432/dock'],
    ['postgres://u:the%2Fsecret@[2001:db8::1]/dock', 'PostgreSQL at [2001:db8::1]:5432/dock'],
    ['postgres://u:the,secret@db.example/dock', 'PostgreSQL at db.example:5432/dock'],
    ['postgres://u:p@db.example', 'PostgreSQL at db.example:5432/u'],
    ['postgres:///dock?host=/run/postgresql', 'PostgreSQL in /run/postgresql, database dock'],
    ['postgres://u:the-secret@/dock?host=/run/postgresql', 'PostgreSQL in /run/postgresql, database dock'],
    ['postgres://u:the-secret@%2Frun%2Fpostgresql:5432/dock', 'PostgreSQL in /run/postgresql, database dock'],
    ['socket:///run/postgresql?db=dock', 'PostgreSQL in /run/postgresql, database dock'],
    ['socket://u:the-secret@/run/postgresql?db=dock', 'PostgreSQL in /run/postgresql, database dock'],
    ['/run/postgresql dock', 'PostgreSQL in /run/postgresql, database dock'],
  ];
  for (const [url, where] of places) {
    it(`${url} is told as “${where}”`, () => {
      expect(readDatabaseUrl(url).where).to.equal(where);
      expect(describeDatabaseUrl(url)).to.equal(where);
    });
  }

  it('of several hosts is refused in words that help', () => {
    for (const url of [
      'postgres://u:the-secret@h1:5432,h2:5432/d?target_session_attrs=read-write',
      'postgres://u:the-secret@h1,h2/d',
      'postgres://h1,h2,h3/d',
      'postgres://u:the-secret@/d?host=h1,h2',
      'postgres://u:the-secret@/d?host=/run/a,/run/b',
    ]) {
      expect(faultOf(url), url).to.match(/several hosts.*one: a DNS name .* primary, or a proxy/);
    }
  });

  it('that is none, or whose password is not escaped, tells nothing of itself', () => {
    for (const url of [
      '',
      'db.example:5432/dock',
      'mysql://u:the-secret@h/d',
      'postgres:u:the-secret@h/d',
      'postgres:the-secret',
      'postgres://u:the-secret@h:port/d',
      'postgres://u:the-secret@h:99999/d',
      'postgres://u:the/the-secret@h/d',
      'postgres://u:the#the-secret@h/d',
      'postgres://u:the?the-secret@h/d',
      'postgres://u:the-secret',
      'postgres://h/d?user=u&password=p@the-secret',
    ]) {
      expect(faultOf(url), url).to.include('postgres://USER:PASSWORD@HOST:5432/DATABASE');
    }
  });

  it('says which parameters it does not take, rather than to pass over them', () => {
    for (const [parameter, word] of [
      ['schema=app', 'schema public'],
      ['currentSchema=app', 'schema public'],
      ['hostaddr=192.0.2.1', 'hostaddr'],
      ['service=the-secret', 'service'],
      ['passfile=/x/the-secret', 'passfile'],
      ['sslcrl=/x', 'sslcrl'],
      ['sslpassword=the-secret', 'sslpassword'],
      ['uselibpqcompat=true', 'uselibpqcompat'],
      ['channel_binding=require', 'sslmode=verify-full'],
      ['target_session_attrs=standby', 'standby'],
      ['target_session_attrs=prefer-standby', 'standby'],
    ] as const) {
      expect(faultOf(`postgres://u:the-secret@h/d?${parameter}`), parameter).to.include(word);
    }
    expect(readDatabaseUrl('postgres://h/d?channel_binding=prefer').where).to.include('h:5432/d');
    expect(readDatabaseUrl('postgres://h/d?schema=public&target_session_attrs=read-write').where).to.include(
      'h:5432/d',
    );
  });

  describe('with TLS', () => {
    const ssl = (search: string) => readDatabaseUrl(`postgres://u:p@h/d?${search}`).settings.ssl;

    it('means by each sslmode what deploy/postgres says', () => {
      expect(ssl('')).to.equal(false);
      expect(ssl('sslmode=disable')).to.equal(false);
      for (const search of [
        'sslmode=require',
        'sslmode=verify-full',
        'ssl=true',
        'ssl=1',
        'sslrootcert=system',
      ]) {
        expect(ssl(search), search).to.deep.equal({ rejectUnauthorized: true });
      }
      for (const search of ['sslmode=no-verify', 'ssl=no-verify']) {
        expect(ssl(search), search).to.deep.equal({ rejectUnauthorized: false });
      }
      // The mode goes before pg's own word, as it did.
      expect(ssl('ssl=no-verify&sslmode=verify-full')).to.deep.equal({ rejectUnauthorized: true });
    });

    for (const search of [
      'sslmode=Require',
      'sslmode=bogus',
      'sslmode=',
      'sslmode=verify_full',
      'ssl=maybe',
      'sslmode=constructor',
      'sslmode=verify-full?password=the-secret',
    ]) {
      it(`refuses ${search.replace(/\?.*/, '?…')}, and does not repeat it`, () => {
        expect(faultOf(`postgres://h/d?${search}`)).to.include(
          'disable, no-verify, verify-ca, require, verify-full',
        );
      });
    }

    it('refuses what may do without TLS in silence, and what would believe any public CA', () => {
      for (const mode of ['prefer', 'allow']) {
        expect(faultOf(`postgres://h/d?sslmode=${mode}`)).to.include('without TLS in silence');
      }
      expect(faultOf('postgres://h/d?sslmode=verify-ca')).to.include('needs sslrootcert');
    });

    it('says which file cannot be read or used', () => {
      expect(faultOf('postgres://u:the-secret@h/d?sslmode=verify-full&sslrootcert=/nowhere/ca.pem')).to.match(
        /sslrootcert: cannot read the file: ENOENT.*\/nowhere\/ca\.pem/,
      );
      expect(faultOf('postgres://h/d?sslrootcert=/nowhere/ca.pem?password=the-secret')).to.include(
        'sslrootcert',
      );
      expect(faultOf('postgres://h/d?sslrootcert=/etc/hostname')).to.include('PEM');
      expect(faultOf('postgres://h/d?sslcert=/etc/hostname&sslkey=/etc/hostname')).to.include('sslcert');
    });

    it('hears PGSSLMODE where the URL says nothing', () => {
      process.env['PGSSLMODE'] = 'require';
      try {
        expect(ssl('')).to.deep.equal({ rejectUnauthorized: true });
        expect(ssl('sslmode=disable')).to.equal(false);
        process.env['PGSSLMODE'] = 'prefer';
        expect(faultOf('postgres://h/d')).to.include('without TLS in silence');
      } finally {
        delete process.env['PGSSLMODE'];
      }
    });
  });
});
