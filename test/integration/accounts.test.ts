/** Accounts at fleet size: `account set`, `import`, `export` and `hash`, as processes on PostgreSQL. */
import { expect } from 'chai';
import { openSync, closeSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyPassword } from '../../src/password-hashes/index.js';
import { run, startCommand, type Result } from '../support/cli.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';

describeWithPostgres('accounts at fleet size', function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let directory: string;
  before(async () => {
    database = await freshDatabase();
    directory = mkdtempSync(join(tmpdir(), 'dockhook-accounts-'));
    expect((await dockhook(['account', 'list'])).code).to.equal(0);
  });
  beforeEach(() => database.query('TRUNCATE dockhook_accounts, dockhook_bindings'));
  after(async () => {
    rmSync(directory, { recursive: true });
    await database.drop();
  });

  const dockhook = (args: string[], input = ''): Promise<Result> =>
    run(args, { environment: { DATABASE_URL: database.url }, input });

  async function ok(args: string[], input = ''): Promise<Result> {
    const result = await dockhook(args, input);
    expect(result.code, result.stderr).to.equal(0);
    return result;
  }

  const add = (name: string, ...more: string[]): Promise<Result> =>
    ok(['account', 'add', name, ...(more.length > 0 ? more : ['--gateway', 'SN1']), '--generate']);

  const show = async (name: string): Promise<Record<string, unknown>> =>
    JSON.parse((await ok(['--json', 'account', 'show', name])).stdout) as Record<string, unknown>;

  const hashOf = async (name: string): Promise<string> => {
    const [row] = await database.query(
      `SELECT value::jsonb #>> '{value,passwordHash}' AS hash FROM dockhook_accounts WHERE key = $1`,
      [name],
    );
    return String(row?.['hash']);
  };

  const names = async (): Promise<unknown[]> =>
    (await database.query('SELECT key FROM dockhook_accounts ORDER BY key')).map(({ key }) => key);

  const file = (name: string, text: string | Buffer): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };

  describe('account set', () => {
    it('changes what is named and nothing else, and says what', async () => {
      await add('dock', '--gateway', 'SN1', '--cert-cn', 'cn', '--expires', '90d', '--note', 'old');
      const [before, hash] = [await show('dock'), await hashOf('dock')];
      const { stdout } = await ok(['account', 'set', 'dock', '--gateway', 'SN1', 'SN2']);
      expect(stdout)
        .to.match(/^acts for +SN1 → SN1 SN2$/m)
        .and.include('stays until it reconnects');
      expect(stdout).to.not.match(/expires|note|password/);
      const scope = { kind: 'gateways', gateways: ['SN1', 'SN2'] };
      expect(await show('dock')).to.deep.equal({ ...before, scope });
      expect(await hashOf('dock')).to.equal(hash);

      await ok(['account', 'set', 'dock', '--never-expires', '--no-cert-cn', '--note', '']);
      const { certificateCn: _cn, expiresAt: _expiry, note: _note, ...rest } = before;
      expect(await show('dock')).to.deep.equal({ ...rest, scope });
      expect((await ok(['account', 'set', 'dock', '--never-expires'])).stdout).to.include('already');
    });

    it('gives a new password, shown once', async () => {
      await add('dock');
      const { stdout } = await ok(['account', 'set', 'dock', '--generate']);
      const password = /^password: (\S+)$/m.exec(stdout)?.[1] ?? '';
      expect(await verifyPassword(await hashOf('dock'), password)).to.equal(true);
      const json = await ok(['--json', 'account', 'set', 'dock', '--generate']);
      const again = JSON.parse(json.stdout) as { password: string; passwordHash?: string };
      expect(again).to.not.have.property('passwordHash');
      expect(await verifyPassword(await hashOf('dock'), again.password)).to.equal(true);
      await ok(['account', 'set', 'dock', '--password-stdin'], 'chosen-password\n');
      expect(await verifyPassword(await hashOf('dock'), 'chosen-password')).to.equal(true);
    });

    it('keeps the filters of a service that are not named', async () => {
      await add('backend', '--service', '--publish', 'a/#', '--subscribe', 'b/#');
      await ok(['account', 'set', 'backend', '--subscribe', 'c/#', 'd/#']);
      const scope = { kind: 'service', publish: ['a/#'], subscribe: ['c/#', 'd/#'] };
      expect((await show('backend'))['scope']).to.deep.equal(scope);
      await ok(['account', 'set', 'backend', '--service']);
      expect((await show('backend'))['scope']).to.deep.equal(scope);
    });

    it('keeps client ids for a service until it is told otherwise', async () => {
      await add('backend', '--service', '--client-id', 'b-1', 'b-2');
      expect(await show('backend'))
        .to.have.nested.property('scope.clientIds')
        .deep.equal(['b-1', 'b-2']);
      await ok(['account', 'set', 'backend', '--subscribe', 'c/#']);
      expect(await show('backend'))
        .to.have.nested.property('scope.clientIds')
        .deep.equal(['b-1', 'b-2']);
      await add('other', '--service');
      const { stderr, stdout } = await ok(['account', 'set', 'other', '--client-id', 'b-2', 'b-3']);
      expect(stderr).to.include('the client id b-2, too').and.not.include('b-3');
      expect(stdout).to.include('client ids b-2 b-3');
      await ok(['account', 'set', 'backend', '--client-id', '']);
      expect(await show('backend')).to.not.have.nested.property('scope.clientIds');
    });

    it('warns of a gateway that another account has, but not of its own', async () => {
      await add('one', '--gateway', 'SN1');
      await add('two', '--gateway', 'SN2');
      const { stderr } = await ok(['account', 'set', 'two', '--gateway', 'SN1', 'SN2']);
      expect(stderr).to.include('gateway SN1, too').and.not.include('SN2');
    });

    it('takes what a spreadsheet writes where commas are in numbers', async () => {
      await ok(['account', 'import', '-'], '\uFEFFname;gateways;note\r\na;SN1 SN2;1,5 m\r\n');
      expect(await show('a')).to.deep.include({ note: '1,5 m' });
    });

    const unusable: [string, number, string[]][] = [
      ['an account that is not there', 3, ['nobody', '--generate']],
      ['nothing to change', 2, ['dock']],
      ['two expiries', 2, ['dock', '--expires', '1d', '--never-expires']],
      ['two scopes', 2, ['dock', '--any-gateway', '--service']],
      ['filters of a dock', 2, ['dock', '--publish', '#']],
      ['client ids of a dock', 2, ['dock', '--client-id', 'dock-1']],
      ['a client id that can never connect', 2, ['dock', '--service', '--client-id', 'a|b']],
      ['two passwords', 2, ['dock', '--generate', '--password-stdin']],
      ['a bad SN beside a good note', 2, ['dock', '--gateway', 'SN/1', '--note', 'new']],
    ];
    for (const [title, code, args] of unusable) {
      it(`refuses ${title} with exit code ${code} and changes nothing`, async () => {
        await add('dock');
        const before = await database.query('SELECT * FROM dockhook_accounts');
        expect((await dockhook(['account', 'set', ...args])).code).to.equal(code);
        expect(await database.query('SELECT * FROM dockhook_accounts')).to.deep.equal(before);
      });
    }
  });

  describe('the organization of an account', () => {
    const RC = '9N9CNTEST00RC2';
    before(async () => {
      for (const id of ['north', 'south']) await ok(['organization', 'add', id, '--name', id]);
    });
    after(() => database.query('TRUNCATE dockhook_accounts, dockhook_bindings, dockhook_organizations'));

    it('is given, changed, shown and taken away', async () => {
      await add('rc', '--gateway', RC, '--organization', 'north');
      expect(await show('rc')).to.include({ organizationId: 'north' });
      expect((await ok(['account', 'show', 'rc'])).stdout).to.match(/^organization +north$/m);
      expect((await ok(['account', 'list'])).stdout).to.match(/^rc +enabled +9N9CNTEST00RC2 +north /m);
      const { stdout } = await ok(['account', 'set', 'rc', '--organization', 'south']);
      expect(stdout).to.match(/^organization +north → south$/m);
      await ok(['account', 'set', 'rc', '--note', 'x']);
      expect(await show('rc')).to.include({ organizationId: 'south' });
      await ok(['account', 'set', 'rc', '--no-organization']);
      expect(await show('rc')).to.not.have.property('organizationId');
      expect((await ok(['account', 'set', 'rc', '--no-organization'])).stdout).to.include('already');
    });

    it('keeps the organization from being removed, and says who does', async () => {
      await ok(['organization', 'add', 'west', '--name', 'West']);
      await add('rc', '--gateway', RC, '--organization', 'west');
      const refused = await dockhook(['organization', 'remove', 'west']);
      expect(refused.code).to.equal(4);
      expect(refused.stderr).to.include('account "rc"');
      await ok(['account', 'remove', 'rc']);
      await ok(['organization', 'remove', 'west']);
    });

    it('goes through export and import', async () => {
      await add('rc', '--gateway', RC, '--organization', 'north');
      const { stdout } = await ok(['account', 'export', '--with-hashes']);
      await ok(['account', 'remove', 'rc']);
      await ok(['account', 'import', '-'], stdout);
      expect(await show('rc')).to.include({ organizationId: 'north' });
    });

    const refused: [title: string, code: number, args: string[], told: string][] = [
      [
        'one that is not there',
        3,
        ['--gateway', RC, '--organization', 'nord'],
        'there is no organization "nord"',
      ],
      ['one without a name', 3, ['--gateway', RC, '--organization', ''], 'there is no organization ""'],
      ['one of a backend', 2, ['--service', '--organization', 'north'], 'topic filters'],
      ['one of any gateway', 2, ['--any-gateway', '--organization', 'north'], 'any drone'],
    ];
    for (const [title, code, args, told] of refused) {
      it(`is refused: ${title}`, async () => {
        const added = await dockhook(['account', 'add', 'rc', ...args, '--generate']);
        expect([added.code, added.stderr.includes(told)], added.stderr).to.deep.equal([code, true]);
        expect(await names()).to.deep.equal([]);
        await add('rc');
        const before = await show('rc');
        const set = await dockhook(['account', 'set', 'rc', ...args]);
        expect([set.code, set.stderr.includes(told)], set.stderr).to.deep.equal([code, true]);
        expect(await show('rc')).to.deep.equal(before);
      });
    }

    it('is not kept by an account that becomes a backend, before it is taken away', async () => {
      await add('rc', '--gateway', RC, '--organization', 'north');
      const refused = await dockhook(['account', 'set', 'rc', '--service']);
      expect(refused.code).to.equal(2);
      expect(refused.stderr).to.include('--no-organization');
      await ok(['account', 'set', 'rc', '--service', '--no-organization']);
    });

    it('is refused line by line at an import', async () => {
      const lines = `name,gateways,organization\ngood,${RC},north\nbad,SN1,nord\n`;
      for (const more of [[], ['--dry-run']]) {
        const { code, stderr } = await dockhook(['account', 'import', '-', ...more], lines);
        expect(code).to.equal(2);
        expect(stderr)
          .to.include('standard input:3: there is no organization "nord"')
          .and.include('1 of 2 accounts cannot be imported; nothing was changed');
      }
      expect(await names()).to.deep.equal([]);
      const left = await dockhook(['account', 'import', '-', '--continue'], lines);
      expect(left.code).to.equal(1);
      expect(left.stderr).to.include('1 were imported');
      expect(await names()).to.deep.equal(['good']);
    });
  });

  describe('an SN that was bound through another gateway', () => {
    const [DOCK, DRONE] = ['7CTDTEST00000A', '1581FTEST000000000AA'];
    const told = `${DRONE} was bound through gateway ${DOCK}`;
    before(async () => {
      await ok(['organization', 'add', 'north', '--name', 'north']);
    });
    after(() => database.query('TRUNCATE dockhook_accounts, dockhook_bindings, dockhook_organizations'));
    beforeEach(async () => {
      for (const sn of [DOCK, DRONE]) {
        const value = {
          organizationId: 'north',
          callsign: '',
          modelKey: '',
          gateway: DOCK,
          boundAt: '2026-01-01T00:00:00Z',
        };
        await database.query('INSERT INTO dockhook_bindings (key, value) VALUES ($1, $2)', [
          sn,
          JSON.stringify({ value }),
        ]);
      }
    });

    it('is listed as a gateway by no new account, and by no old one', async () => {
      const added = await dockhook(['account', 'add', 'drone', '--gateway', 'SN1', DRONE, '--generate']);
      expect([added.code, added.stderr.includes(told)], added.stderr).to.deep.equal([4, true]);
      await add('dock', '--gateway', DOCK);
      const set = await dockhook(['account', 'set', 'dock', '--gateway', DOCK, DRONE]);
      expect([set.code, set.stderr.includes(told)], set.stderr).to.deep.equal([4, true]);
      expect(await show('dock'))
        .to.have.nested.property('scope.gateways')
        .deep.equal([DOCK]);
      expect(await names()).to.deep.equal(['dock']);
    });

    it('is listed by no line of an import, which does not take that for a name that exists', async () => {
      const lines = `name,gateways\ndock,${DOCK}\ndrone,${DRONE}\n`;
      const { code, stderr } = await dockhook(['account', 'import', '-'], lines);
      expect(code).to.equal(2);
      expect(stderr).to.include(`standard input:3: ${told}`);
      expect(await names()).to.deep.equal([]);
    });

    it('can be listed after the command in the refusal has unbound it', async () => {
      const { stderr } = await dockhook(['account', 'add', 'drone', '--gateway', DRONE, '--generate']);
      const command = /dockhook (binding remove \S+)/.exec(stderr)?.[1] ?? '';
      await ok(command.split(' '));
      await add('drone', '--gateway', DRONE);
    });

    it('stays with the account that lists it already, by SQL', async () => {
      await add('drone', '--gateway', 'SN1');
      await database.query(`UPDATE dockhook_accounts SET value = replace(value, 'SN1', '${DRONE}')`);
      await ok(['account', 'set', 'drone', '--note', 'x']);
      await ok(['account', 'set', 'drone', '--gateway', DRONE, 'SN2']);
    });
  });

  describe('account hash', () => {
    it('makes hashes of both kinds, without a database', async () => {
      const made = await run(['--json', 'account', 'hash', '--generate']);
      const { passwordHash, password } = JSON.parse(made.stdout) as Record<string, string>;
      expect(await verifyPassword(passwordHash ?? '', password ?? '')).to.equal(true);
      const chosen = await run(['account', 'hash', '--password-stdin'], { input: 'chosen-password' });
      expect(await verifyPassword(chosen.stdout.trim(), 'chosen-password')).to.equal(true);
      expect((await run(['account', 'hash'])).code).to.equal(2);
    });
  });

  describe('account import', () => {
    it('adds all, and prints the passwords it made as CSV that holds what is in force', async () => {
      const path = file(
        'fleet.csv',
        '\uFEFFname,scope,gateways,password,note\r\n' +
          'dock-1,,SN1 SN2,,"Roof, ""north"""\r\n' +
          'dock-2,client-id,,chosen-password,\r\n' +
          '"dock ""3"", 密",any-gateway,,,\r\n',
      );
      const { stdout, stderr } = await ok(['account', 'import', path]);
      const printed = stdout.split('\n');
      expect(printed[0]).to.equal('name,password');
      const [, first = ''] = /^dock-1,(\S+)$/m.exec(stdout) ?? [];
      const [, third = ''] = /^"dock ""3"", 密",(\S+)$/m.exec(stdout) ?? [];
      expect(printed).to.have.length(4);
      expect(await verifyPassword(await hashOf('dock-1'), first)).to.equal(true);
      expect(await verifyPassword(await hashOf('dock "3", 密'), third)).to.equal(true);
      expect(await verifyPassword(await hashOf('dock-2'), 'chosen-password')).to.equal(true);
      expect(await show('dock-1')).to.include({ note: 'Roof, "north"' });
      expect(stderr).to.equal('3 accounts imported\n');
    });

    it('prints one JSON value with --json', async () => {
      const { stdout, stderr } = await ok(
        ['--json', 'account', 'import', '-'],
        'name,gateways\na,SN1\nb,SN2\n',
      );
      const { imported, passwords } = JSON.parse(stdout) as { imported: number; passwords: unknown[] };
      expect(imported).to.equal(2);
      expect(passwords.map((one) => (one as { name: string }).name)).to.deep.equal(['a', 'b']);
      expect(stderr).to.equal('');
      await database.query('TRUNCATE dockhook_accounts');
      const chosen = await ok(
        ['--json', 'account', 'import', '-'],
        'name,gateways,password\na,SN1,long-password\n',
      );
      expect(JSON.parse(chosen.stdout)).to.deep.equal({ imported: 1, passwords: [] });
    });

    const BAD =
      'name,gateways,password\n' +
      'good,SN1,\n' +
      'a+b,SN2,the-secret-1\n' +
      'bad-sn,SN/3,the-secret-2\n' +
      'good,SN4,\n' +
      'short\n' +
      'taken,SN5,the-secret-3\n' +
      'fine,SN1,\n';

    it('names each bad line with its reason, never a password, and then adds none', async () => {
      await add('taken', '--gateway', 'SN9');
      const result = await dockhook(['account', 'import', '-'], BAD);
      expect(result.code).to.equal(2);
      expect(result.stdout).to.equal('');
      for (const expected of [
        'standard input:3: the name has one of + # /',
        'standard input:4: gateway SN/3',
        'standard input:5: has the same name as line 2',
        'standard input:6: columns: 1 here, 3 in the first line',
        'standard input:7: account "taken" exists already',
        'line 8: gateway SN1 is in line 2, too',
        '5 of 7 accounts cannot be imported; nothing was changed',
      ]) {
        expect(result.stderr).to.include(expected);
      }
      expect(result.stderr).to.not.include('the-secret');
      expect(await names()).to.deep.equal(['taken']);
    });

    it('--continue adds the good lines, prints only their passwords, and fails with 1', async () => {
      await add('taken', '--gateway', 'SN9');
      const hash = await hashOf('taken');
      const result = await dockhook(['--json', 'account', 'import', '-', '--continue'], BAD);
      expect(result.code).to.equal(1);
      const { imported, passwords } = JSON.parse(result.stdout) as {
        imported: number;
        passwords: { name: string; password: string }[];
      };
      expect(imported).to.equal(2);
      expect(passwords.map(({ name }) => name)).to.deep.equal(['good', 'fine']);
      for (const { name, password } of passwords) {
        expect(await verifyPassword(await hashOf(name), password), name).to.equal(true);
      }
      expect(await names()).to.deep.equal(['fine', 'good', 'taken']);
      expect(await hashOf('taken')).to.equal(hash);
      const said = result.stderr
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(said.find(({ line }) => line === 7)).to.include({ code: 'conflict' });
      expect(said.at(-1)).to.include({ code: 'failed' });
    });

    it('fails with 4 if the only fault is that names exist', async () => {
      await add('taken', '--gateway', 'SN9');
      const result = await dockhook(['account', 'import', '-'], 'name,gateways\nnew,SN1\ntaken,SN5\n');
      expect(result.code).to.equal(4);
      expect(await names()).to.deep.equal(['taken']);
    });

    it('--dry-run finds what an import would find, and changes nothing', async () => {
      await add('taken', '--gateway', 'SN9');
      const bad = await dockhook(['account', 'import', '-', '--dry-run'], BAD);
      expect(bad.code).to.equal(2);
      expect(bad.stderr).to.include(':7: account "taken" exists already').and.include(':4: gateway SN/3');
      const left = await dockhook(['account', 'import', '-', '--dry-run', '--continue'], BAD);
      expect(left.code).to.equal(1);
      expect(left.stderr)
        .to.include('without --dry-run 2 would be imported')
        .and.not.include('leave them out');
      const good = await ok(['account', 'import', '-', '--dry-run'], 'name,gateways\nnew,SN1\n');
      expect(good.stdout).to.equal('');
      expect(good.stderr).to.include('1 account can be imported; nothing was changed');
      expect(await names()).to.deep.equal(['taken']);
    });

    const unusable: [string, string | Buffer][] = [
      ['an empty file', ''],
      ['a header alone', 'name,gateways\n'],
      ['an unknown column', 'name,sn\na,SN1\n'],
      ['semicolons where the first line has commas', 'name,gateways\na;SN1\n'],
      ['a quote that is not closed', 'name,gateways\na,SN1\nb,"SN2\nc,SN3\n'],
      ['Latin-1', Buffer.from('name,gateways\nd\xF6ck,SN1\n', 'latin1')],
      ['a binary file', Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * 7919) % 256))],
    ];
    for (const [title, text] of unusable) {
      it(`refuses ${title}, also with --continue, and adds nothing`, async () => {
        const path = file('unusable.csv', text);
        expect((await dockhook(['account', 'import', path])).code).to.equal(2);
        expect((await dockhook(['account', 'import', path, '--continue'])).code).to.be.oneOf([1, 2]);
        expect(await names()).to.deep.equal([]);
      });
    }

    it('names a file that cannot be read, before it looks for a database', async () => {
      const environment = { DATABASE_URL: 'postgres://127.0.0.1:1/none' };
      const result = await run(['account', 'import', '/does/not/exist.csv'], { environment });
      expect(result.code).to.equal(2);
      expect(result.stderr).to.include('/does/not/exist.csv');
    });

    it('adds nothing if the passwords cannot be written', async () => {
      const full = openSync('/dev/full', 'w');
      try {
        const result = await run(['account', 'import', '-'], {
          environment: { DATABASE_URL: database.url },
          input: 'name,gateways\na,SN1\n',
          stdout: full,
        });
        expect(result.code).to.equal(1);
        expect(result.stderr).to.include('nothing was imported').and.not.include('    at ');
      } finally {
        closeSync(full);
      }
      expect(await names()).to.deep.equal([]);
    });

    it('adds nothing if it is interrupted, or loses its connection, in the middle', async () => {
      // Many batches in one transaction; the last name is taken by somebody who has not committed.
      const rows = Array.from({ length: 25_000 }, (_, i) => `dock-${i},SN${i}\n`).join('');
      const path = file('long.csv', `name,gateways\n${rows}`);
      const { Client } = (await import('pg')).default;
      const blocker = new Client({ connectionString: database.url });
      await blocker.connect();
      await blocker.query('BEGIN');
      await blocker.query(
        `INSERT INTO dockhook_accounts (key, value) VALUES ('dock-24999', '{"value":{"scope":{}}}')`,
      );
      const waiting = async (): Promise<number> => {
        for (;;) {
          const [row] = await database.query(
            `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          );
          if (row) return Number(row['pid']);
        }
      };
      const begin = () =>
        startCommand(['account', 'import', path], { environment: { DATABASE_URL: database.url } });
      const interrupted = begin();
      const first = await waiting();
      expect(await interrupted.stop('SIGINT')).to.not.equal(0);
      await database.query('SELECT pg_terminate_backend($1)', [first]);
      const cut = begin();
      await database.query('SELECT pg_terminate_backend($1)', [await waiting()]);
      expect(await cut.stop('SIGCONT')).to.equal(1);
      expect(cut.stderr()).to.include('nothing was imported');
      expect(cut.lines).to.deep.equal([]);
      await blocker.query('ROLLBACK');
      await blocker.end();
      expect(await names()).to.deep.equal([]);
    });

    it('takes the hashes of EMQX’s authenticator', async () => {
      await ok(
        ['account', 'import', '-', '--password-hash-algorithm', 'sha256', '--salt-position', 'suffix'],
        'name,scope,salt,password_hash\n' +
          'emqx_u,client-id,slat_foo123,44edc2d57cde8d79c98145003e105b90a14f1460b79186ea9cfe83942fc5abb5\n',
      );
      expect(await verifyPassword(await hashOf('emqx_u'), 'public')).to.equal(true);
      expect(await show('emqx_u')).to.include({ passwordKind: 'imported' });
      const refused = await dockhook(
        ['account', 'import', '-', '--password-hash-algorithm', 'md5'],
        'name,scope,password_hash\nother,client-id,5ebe2294ecd0e0f08eab7690d2a6ee69\n',
      );
      expect(refused.code).to.equal(2);
      expect(refused.stderr).to.include('uses md5');
    });
  });

  describe('account export', () => {
    it('has hashes only on demand, and brings all accounts back', async () => {
      await add('dock-1', '--gateway', 'SN1', '--note', '=1, "x"');
      await add('backend', '--service', '--publish', 'a b/#', '--cert-cn', 'cn', '--expires', '9d');
      await ok(['account', 'disable', 'dock-1']);
      const before = await database.query('SELECT key, value::jsonb FROM dockhook_accounts ORDER BY key');
      expect((await ok(['account', 'export'])).stdout).to.not.include('$dockhook');
      expect((await ok(['--json', 'account', 'export'])).stdout).to.not.include('$dockhook');
      const backup = (await ok(['account', 'export', '--with-hashes'])).stdout;
      await database.query('TRUNCATE dockhook_accounts');
      const { stdout } = await ok(['account', 'import', '-'], backup);
      expect(stdout).to.equal('');
      expect(
        await database.query('SELECT key, value::jsonb FROM dockhook_accounts ORDER BY key'),
      ).to.deep.equal(before);
    });
  });

  describe('on a database that cannot be used', () => {
    const commands: [string[], string?][] = [
      [['account', 'add', 'new', '--gateway', 'SN1', '--generate']],
      [['account', 'set', 'dock', '--note', 'new']],
      [['account', 'disable', 'dock']],
      [['account', 'remove', 'dock']],
      [['account', 'import', '-'], 'name,gateways\nnew,SN1\n'],
      [['organization', 'add', 'new', '--name', 'New']],
      [['license', 'set', '-'], '{"app_id":"1","app_key":"k","app_license":"l"}'],
    ];

    const rows = async (): Promise<unknown[]> => [
      ...(await database.query('SELECT * FROM dockhook_accounts ORDER BY key')),
      ...(await database.query('SELECT * FROM dockhook_organizations ORDER BY key')),
      ...(await database.query('SELECT * FROM dockhook_settings ORDER BY key')),
    ];

    async function eachFails(url: string, expected: string): Promise<void> {
      const before = await rows();
      for (const [args, input = ''] of commands) {
        const { code, stdout, stderr } = await run(args, { environment: { DATABASE_URL: url }, input });
        expect(code, args.join(' ')).to.equal(1);
        expect(stdout, args.join(' ')).to.equal('');
        expect(stderr, args.join(' ')).to.include(expected).and.include('nothing was changed');
      }
      expect(await rows()).to.deep.equal(before);
    }

    it('because it is read-only, each writing command says so and changes nothing', async () => {
      await add('dock');
      const url = new URL(database.url);
      url.searchParams.set('options', '-c default_transaction_read_only=on');
      await eachFails(url.href, 'read-only');
      const { stdout } = await run(['account', 'list'], { environment: { DATABASE_URL: url.href } });
      expect(stdout).to.include('dock');
    });

    it('because a newer dockhook made its tables, each command says so and changes nothing', async () => {
      await add('dock');
      await database.query(
        `INSERT INTO dockhook_migrations (number, name, breaking) VALUES (99, 'another', true)`,
      );
      try {
        await eachFails(database.url, '0099 another');
        expect((await dockhook(['account', 'list'])).code).to.equal(1);
      } finally {
        await database.query('DELETE FROM dockhook_migrations WHERE number = 99');
      }
    });
  });

  describe('organization set', () => {
    it('changes name and code, and refuses the code of another', async () => {
      await ok(['organization', 'add', 'north', '--name', 'North', '--binding-code', 'code-of-north']);
      await ok(['organization', 'add', 'south', '--name', 'South']);
      await ok(['organization', 'set', 'north', '--name', 'New north']);
      const shown = async (): Promise<unknown> =>
        JSON.parse((await ok(['--json', 'organization', 'show', 'north'])).stdout);
      expect(await shown()).to.deep.equal({ id: 'north', name: 'New north', bindingCode: 'code-of-north' });
      const clash = await dockhook(['organization', 'set', 'south', '--binding-code', 'code-of-north']);
      expect(clash.code).to.equal(4);
      expect(clash.stderr).to.not.include('code-of-north');
      const { stdout } = await ok(['organization', 'set', 'north', '--generate-binding-code']);
      const code = /^device binding code +(\S+)$/m.exec(stdout)?.[1];
      expect(await shown()).to.deep.equal({ id: 'north', name: 'New north', bindingCode: code });
      expect(code).to.not.equal('code-of-north');
      expect((await dockhook(['organization', 'set', 'nowhere', '--name', 'x'])).code).to.equal(3);
      expect((await dockhook(['organization', 'set', 'north'])).code).to.equal(2);
      expect((await dockhook(['organization', 'set', 'north', '--binding-code', ''])).code).to.equal(2);
    });
  });

  it('shows the help of a command, with an example at its end', async () => {
    const { stdout, code } = await run(['account', 'set', '--help']);
    expect(code).to.equal(0);
    expect(stdout).to.match(
      /^Usage: dockhook account set [^]*\nExamples:\n {2}dockhook account set dock-north /,
    );
  });
});
