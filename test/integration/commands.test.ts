/** The commands, as processes, on an embedded database and on PostgreSQL. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, type Result } from '../support/cli.js';
import { describeWithPostgres, freshDatabase, type TestDatabase } from '../support/postgres.js';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const LICENSE = { app_id: 166400, app_key: 'key-in-the-test', app_license: 'license-in-the-test' };

describeWithPostgres('commands on PostgreSQL', function () {
  this.timeout(60_000);
  let database: TestDatabase;
  let directory: string;

  before(async () => {
    database = await freshDatabase();
    directory = mkdtempSync(join(tmpdir(), 'dockhook-commands-'));
  });
  after(async () => {
    rmSync(directory, { recursive: true });
    await database.drop();
  });

  const dockhook = (args: string[], input = ''): Promise<Result> =>
    run(args, { environment: { DATABASE_URL: database.url }, input });

  const json = async (args: string[], input = ''): Promise<unknown> => {
    const result = await dockhook(['--json', ...args], input);
    expect(result.code, result.stderr).to.equal(0);
    expect(result.stdout.trimEnd().split('\n')).to.have.length(1);
    return JSON.parse(result.stdout);
  };

  const failure = async (
    code: number,
    args: string[],
    input = '',
  ): Promise<{ code: string; message: string }> => {
    const result = await dockhook(['--json', ...args], input);
    expect(result.code, result.stdout + result.stderr).to.equal(code);
    expect(result.stdout).to.equal('');
    return JSON.parse(result.stderr) as { code: string; message: string };
  };

  describe('account', () => {
    it('add --generate prints the password once and stores only its hash', async () => {
      const added = (await json([
        'account',
        'add',
        'dock-1',
        '--gateway',
        '7CTDTEST00000A',
        '--generate',
      ])) as Record<string, string>;
      expect(added['password']).to.match(/^[a-z2-9-]{35}$/);
      const rows = JSON.stringify(await database.query('SELECT * FROM dockhook_accounts'));
      expect(rows).to.include('dock-1').and.to.not.include(added['password']);
      const shown = await json(['account', 'show', 'dock-1']);
      expect(shown).to.deep.include({
        name: 'dock-1',
        scope: { kind: 'gateways', gateways: ['7CTDTEST00000A'] },
      });
      expect(JSON.stringify(shown)).to.not.include('$dockhook-sha256$');
    });

    it('add --password-stdin removes one trailing line end and nothing else', async () => {
      const { verifyPassword } = await import('../../src/password-hashes/index.js');
      for (const [name, input, password] of [
        ['lf', ' pass word \n', ' pass word '],
        ['crlf', 'passwörd-密码\r\n', 'passwörd-密码'],
        ['two', 'password\n\n', 'password\n'],
        ['none', 'password\t', 'password\t'],
      ] as const) {
        await json(['account', 'add', name, '--any-gateway', '--password-stdin'], input);
        const [row] = await database.query('SELECT value FROM dockhook_accounts WHERE key = $1', [name]);
        const { value } = JSON.parse(String(row?.['value'])) as { value: { passwordHash: string } };
        expect(await verifyPassword(value.passwordHash, password), name).to.equal(true);
      }
    });

    it('warns about a short password and takes it', async () => {
      const result = await dockhook(
        ['account', 'add', 'short', '--any-gateway', '--password-stdin'],
        'pilot',
      );
      expect(result.code).to.equal(0);
      expect(result.stderr).to.include('fewer than 12 characters').and.to.not.include('pilot');
    });

    it('list, disable, enable and remove do what they say', async () => {
      await json(['account', 'add', 'cycle', '--client-id-is-gateway', '--generate', '--note', 'spare']);
      expect(await json(['account', 'disable', 'cycle'])).to.include({ disabled: true });
      expect((await dockhook(['account', 'list'])).stdout).to.match(
        /^cycle +disabled +the gateway in its client id/m,
      );
      expect(await json(['account', 'enable', 'cycle'])).to.include({ disabled: false });
      await json(['account', 'remove', 'cycle']);
      expect((await failure(3, ['account', 'show', 'cycle'])).code).to.equal('not_found');
      expect((await failure(3, ['account', 'remove', 'cycle'])).code).to.equal('not_found');
      expect((await failure(3, ['account', 'disable', 'cycle'])).code).to.equal('not_found');
    });

    it('add warns of what was probably mistyped', async () => {
      const warned = async (...args: string[]): Promise<string> => {
        const { code, stderr } = await dockhook(['--json', 'account', 'add', ...args, '--generate']);
        expect(code, stderr).to.equal(0);
        return (JSON.parse(stderr.split('\n')[0] ?? '') as { warning: string }).warning;
      };
      expect(await warned(' spaced', '--any-gateway')).to.include('begins or ends with a space');
      expect(await warned('lower', '--gateway', '7ctdtest0000zz')).to.include('lower-case');
      await json(['account', 'add', 'first', '--gateway', 'SHARED1', '--generate']);
      expect(await warned('second', '--gateway', 'SHARED1')).to.include('another account');
    });

    it('refuses a name that is taken, and leaves the first as it was', async () => {
      await json(['account', 'add', 'once', '--any-gateway', '--generate']);
      const error = await failure(4, ['account', 'add', 'once', '--service', '--generate']);
      expect(error.code).to.equal('conflict');
      expect(error.message).to.include('once');
      expect(await json(['account', 'show', 'once'])).to.deep.include({ scope: { kind: 'any-gateway' } });
    });

    const unusable: [string, string[]][] = [
      ['no scope', ['a', '--generate']],
      ['two scopes', ['a', '--any-gateway', '--service', '--generate']],
      ['no password source', ['a', '--any-gateway']],
      ['two password sources', ['a', '--any-gateway', '--generate', '--password-stdin']],
      ['an empty password', ['a', '--any-gateway', '--password-stdin']],
      ['a + in the name', ['a+b', '--any-gateway', '--generate']],
      ['an empty name', ['', '--any-gateway', '--generate']],
      ['a name of 256 characters', ['n'.repeat(256), '--any-gateway', '--generate']],
      ['an SN with /', ['a', '--gateway', '7CT/A', '--generate']],
      ['filters without --service', ['a', '--any-gateway', '--publish', '#', '--generate']],
      ['a wrong filter', ['a', '--service', '--publish', 'a/#/b', '--generate']],
      ['an expiry in the past', ['a', '--any-gateway', '--generate', '--expires', '2020-01-01']],
      ['an expiry that is none', ['a', '--any-gateway', '--generate', '--expires', 'soon']],
    ];
    for (const [title, args] of unusable) {
      it(`add refuses ${title} and adds nothing`, async () => {
        expect((await failure(2, ['account', 'add', ...args])).code).to.equal('usage');
        expect((await dockhook(['--json', 'account', 'show', args[0] ?? ''])).code).to.equal(3);
      });
    }
  });

  describe('organization and binding', () => {
    it('generates a code, keeps codes unique, and keeps an organization that has devices', async () => {
      const north = (await json(['organization', 'add', 'north', '--name', 'North yard'])) as Record<
        string,
        string
      >;
      expect(north['bindingCode']).to.have.length.greaterThan(8);
      expect((await failure(4, ['organization', 'add', 'north', '--name', 'x'])).code).to.equal('conflict');
      const code = north['bindingCode'] ?? '';
      const clash = await failure(4, ['organization', 'add', 'south', '--name', 'x', '--binding-code', code]);
      expect(clash.code).to.equal('conflict');
      expect(clash.message).to.not.include(code);
      await json(['organization', 'add', 'south', '--name', 'South']);

      await database.query(
        `INSERT INTO dockhook_bindings (key, value) VALUES ('SN1', '{"value":{"organizationId":"north",
         "callsign":"A","modelKey":"3-3-0","gateway":"SN1","boundAt":"2026-01-01T00:00:00Z"}}')`,
      );
      expect((await failure(4, ['organization', 'remove', 'north'])).message).to.include('1');
      expect((await dockhook(['binding', 'list'])).stdout).to.match(/^SN1 +north +A +3-3-0 +SN1 /m);
      expect((await failure(3, ['binding', 'move', 'SN1', '--organization', 'nowhere'])).code).to.equal(
        'not_found',
      );
      expect((await failure(3, ['binding', 'move', 'SN2', '--organization', 'south'])).code).to.equal(
        'not_found',
      );
      expect(await json(['binding', 'move', 'SN1', '--organization', 'south'])).to.include({
        organizationId: 'south',
      });
      await json(['organization', 'remove', 'north']);
      expect(await json(['binding', 'show', 'SN1'])).to.include({ organizationId: 'south', callsign: 'A' });
      await json(['binding', 'remove', 'SN1']);
      expect((await failure(3, ['binding', 'show', 'SN1'])).code).to.equal('not_found');
      expect(await json(['binding', 'list'])).to.deep.equal([]);
    });

    it('does not let a callsign from outside steer the terminal', async () => {
      await json(['organization', 'add', 'esc', '--name', 'esc']);
      await database.query(
        `INSERT INTO dockhook_bindings (key, value) VALUES ('SN3', '{"value":{"organizationId":"esc",
         "callsign":"\\u001b[2J","modelKey":"","gateway":"SN3","boundAt":"2026-01-01T00:00:00Z"}}')`,
      );
      expect((await dockhook(['binding', 'list'])).stdout).to.not.include('\u001b');
      expect((await dockhook(['binding', 'show', 'SN3'])).stdout).to.not.include('\u001b');
      await json(['binding', 'remove', 'SN3']);
    });
  });

  describe('license', () => {
    const file = (name: string, text: string): string => {
      const path = join(directory, name);
      writeFileSync(path, text);
      return path;
    };

    it('set takes a file or standard input; show never prints the secrets', async () => {
      expect((await failure(3, ['license', 'show'])).code).to.equal('not_found');
      await json(['license', 'set', file('license.json', `\uFEFF${JSON.stringify(LICENSE)}`)]);
      await json(
        ['license', 'set', '-'],
        JSON.stringify({ ...LICENSE, ntp_host: 'ntp.example', ntp_port: 1123 }),
      );
      const shown = await json(['license', 'show']);
      expect(shown).to.include({ app_id: '166400', ntp_host: 'ntp.example', ntp_port: 1123 });
      const human = (await dockhook(['license', 'show'])).stdout;
      for (const text of [JSON.stringify(shown), human]) {
        expect(text).to.not.include('key-in-the-test').and.to.not.include('license-in-the-test');
      }
      await json(['license', 'clear']);
      expect((await failure(3, ['license', 'show'])).code).to.equal('not_found');
    });

    const unusable: [string, string][] = [
      ['no JSON', 'app_key=key-in-the-test'],
      ['an array', '["key-in-the-test"]'],
      ['a missing field', '{"app_id":"1","app_key":"key-in-the-test"}'],
      ['an empty field', '{"app_id":"1","app_key":"key-in-the-test","app_license":""}'],
      ['an unknown field', '{"app_id":"1","app_key":"key-in-the-test","app_license":"l","apLicense":"x"}'],
      ['a wrong port', '{"app_id":"1","app_key":"key-in-the-test","app_license":"l","ntp_port":70000}'],
      ['__proto__', '{"__proto__":{"app_id":"1"},"app_key":"key-in-the-test","app_license":"l"}'],
    ];
    for (const [title, text] of unusable) {
      it(`set refuses ${title} without quoting it`, async () => {
        const error = await failure(2, ['license', 'set', '-'], text);
        expect(error.code).to.equal('usage');
        expect(error.message).to.not.include('key-in-the-test');
      });
    }
    it('set refuses the "…" of the example', async () => {
      await failure(2, ['license', 'set', '-'], '{"app_id":"1","app_key":"…","app_license":"…"}');
    });
    it('show gives length and fingerprint of each secret, as the line makes them that it prints', async () => {
      const [key, text] = ['0123456789abcdef0123456789abcdef', `${'Zm9vYmFy'.repeat(12)}==`];
      await json(['license', 'set', '-'], JSON.stringify({ app_id: '1', app_key: key, app_license: text }));
      const { stdout } = await dockhook(['license', 'show']);
      expect(stdout).to.not.include(key).and.to.not.include(text);
      expect(stdout)
        .to.match(/^ntp_host +pool\.ntp\.org \(default\)$/m)
        .and.to.match(/^ntp_port +123$/m);
      const line = stdout.split('\n').find((one) => one.includes('read -rs')) ?? '';
      for (const [field, secret] of [
        ['app_key', key],
        ['app_license', text],
      ] as const) {
        const shown = new RegExp(`^${field} +(.*)$`, 'm').exec(stdout)?.[1];
        // A blank that was copied with it does no harm.
        const made = execFileSync('bash', ['-c', line], { input: `${secret} \n`, encoding: 'utf8' });
        expect(made.trim()).to.equal(shown);
      }
      expect(await json(['license', 'show'])).to.deep.equal({
        app_id: '1',
        app_key: { length: 32, sha256: sha256(key).slice(0, 8) },
        app_license: { length: text.length, sha256: sha256(text).slice(0, 8) },
        ntp_host: 'pool.ntp.org',
        ntp_port: 123,
      });
    });
    it('show gives no fingerprint of a text that could be guessed with it', async () => {
      const license = { app_id: '1', app_key: 'a-short-app-key', app_license: 'short' };
      await json(['license', 'set', '-'], JSON.stringify({ ...license, ntp_host: 'ntp.example' }));
      expect(await json(['license', 'show'])).to.deep.include({
        app_key: { length: 15, sha256: null },
        app_license: { length: 5, sha256: null },
        ntp_host: 'ntp.example',
      });
      expect((await dockhook(['license', 'show'])).stdout).to.match(/^app_license +5 characters, too short/m);
    });
    it('set names a file that cannot be read', async () => {
      expect((await failure(2, ['license', 'set', '/does/not/exist.json'])).message).to.include(
        '/does/not/exist.json',
      );
    });
  });

  describe('errors', () => {
    it('name a bad row by table and key, and still list the others', async () => {
      await json(['account', 'add', 'good', '--any-gateway', '--generate']);
      await database.query(
        `INSERT INTO dockhook_accounts (key, value) VALUES ('bad', '{"value":{"passwordHash":"h"}}')`,
      );
      const result = await dockhook(['account', 'list']);
      expect(result.code).to.equal(1);
      expect(result.stdout).to.match(/^good /m);
      expect(result.stderr).to.include('dockhook_accounts').and.to.include('"bad"');
      expect((await failure(1, ['account', 'show', 'bad'])).code).to.equal('bad_row');
      await json(['account', 'remove', 'bad']);
    });

    it('say that the database cannot be reached, without its password', async () => {
      const environment = { DATABASE_URL: 'postgres://user:the-secret@127.0.0.1:1/none' };
      const result = await run(['--json', 'account', 'list'], { environment });
      expect(result.code).to.equal(1);
      expect(JSON.parse(result.stderr)).to.include({ code: 'store_unavailable' });
      expect(result.stderr).to.not.include('the-secret');
    });

    it('refuse a database URL that is none, without quoting it', async () => {
      const result = await run(['account', 'list'], {
        environment: { DATABASE_URL: 'mysql://user:the-secret@h/d' },
      });
      expect(result.code).to.equal(2);
      expect(result.stderr).to.not.include('the-secret');
    });

    it('are JSON with --json, also when the command line itself is wrong', async () => {
      for (const args of [
        ['frobnicate'],
        ['account', 'add'],
        ['account', 'list', 'extra'],
        ['organization', 'add', 'x'],
        [],
      ]) {
        const { code, stdout, stderr } = await dockhook(['--json', ...args]);
        expect(code, args.join(' ')).to.equal(2);
        expect(stdout).to.equal('');
        expect(JSON.parse(stderr), args.join(' ')).to.include({ code: 'usage' });
      }
    });

    it('say where a name went that --gateway has swallowed', async () => {
      const { message } = await failure(2, ['account', 'add', '--gateway', 'SN1', 'dock', '--generate']);
      expect(message).to.include('write it before --gateway');
    });

    it('say what to do about a database that cannot be used', async () => {
      const other = (change: (url: URL) => void): Promise<Result> => {
        const url = new URL(database.url);
        change(url);
        return run(['account', 'list'], { environment: { DATABASE_URL: url.href } });
      };
      expect((await other((url) => (url.port = '1'))).stderr).to.include('check that PostgreSQL runs');
      expect((await other((url) => (url.pathname = 'absent'))).stderr).to.include('CREATE DATABASE');
      const refused = await run(['account', 'list'], {
        environment: { DATABASE_URL: 'postgres://u:the/sec@ret@127.0.0.1:5432/d' },
      });
      expect(refused.stderr)
        .to.include('%2F')
        .and.to.not.match(/sec|ret@/);
    });

    it('end without a stack trace when the reader of the output leaves', async () => {
      const { code, stderr } = await run(['account', 'add', '--help'], { closeStdout: true });
      expect(stderr).to.equal('');
      expect(code).to.equal(0);
    });

    it('are none if the reader of the output has left: dockhook … | head', async () => {
      const environment = { DATABASE_URL: database.url };
      await run(['account', 'add', 'reader-left', '--any-gateway', '--generate'], { environment });
      for (const args of [
        ['account', 'list'],
        ['account', 'export'],
        ['--json', 'account', 'export'],
      ]) {
        const { code, stderr } = await run(args, { environment, closeStdout: true });
        expect(stderr, args.join(' ')).to.equal('');
        expect(code, args.join(' ')).to.equal(0);
      }
      // It stays up for its findings, and is stopped; whether all is well it does not know then.
      const doctor = await run(['doctor'], { environment, closeStdout: true });
      expect(doctor.stderr).to.equal('');
      expect(doctor.code).to.equal(1);
    });

    it('are usage errors for commands and options that do not exist', async () => {
      for (const args of [
        ['frobnicate'],
        ['account', 'frobnicate'],
        ['account', 'list', '--frob'],
        ['serve', '--frob'],
      ]) {
        expect((await dockhook(args)).code, args.join(' ')).to.equal(2);
      }
    });
  });
});

describe('commands on the embedded database', function () {
  this.timeout(120_000);
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'dockhook-embedded-'));
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  it('name it, and are not led elsewhere by a DATABASE_URL if the directory was given', async () => {
    const environment = { DATABASE_URL: 'postgres://127.0.0.1:1/none' };
    const data = ['--data-dir', join(directory, 'given')];
    const added = await run([...data, 'organization', 'add', 'north', '--name', 'North'], { environment });
    expect(added.code, added.stderr).to.equal(0);
    expect(added.stderr).to.include(
      `embedded database in ${join(directory, 'given')}, which holds nothing yet`,
    );
    const again = await run([...data, 'account', 'list'], { environment });
    expect(again.stderr).to.include(`embedded database in ${join(directory, 'given')})`);
  });

  for (const args of [
    'account list',
    'account show dock',
    'account set dock --generate',
    'account remove dock',
    'account export',
    'organization list',
    'organization show north',
    'organization remove north',
    'license show',
    'license clear',
    'binding list',
    'binding show 7CTDTEST00000A',
    'binding remove 7CTDTEST00000A',
    'dock list',
    'dock show 7CTDTEST00000A',
  ]) {
    it(`make none where there is none: ${args}`, async () => {
      const cwd = mkdtempSync(join(directory, 'empty-'));
      const { code, stderr } = await run(args.split(' '), { cwd });
      expect(code).to.equal(3);
      expect(stderr).to.match(
        /error: there is no database in \.\/\.dockhook: set DATABASE_URL, or --data-dir /,
      );
      expect(readdirSync(cwd)).to.deep.equal([]);
    });
  }

  it('warn of an id and a code that are hard to type on a remote controller, and show no code', async () => {
    const data = ['--data-dir', join(directory, 'typed'), 'organization', 'add'];
    const hard = await run([
      ...data,
      'Nörth yard',
      '--name',
      'Nörth yard',
      '--binding-code',
      'gehe!m im Dach',
    ]);
    expect(hard.code, hard.stderr).to.equal(0);
    expect(hard.stderr).to.match(/warning: the organization id "Nörth yard" is typed on a remote controller/);
    expect(hard.stderr).to.match(/warning: the device binding code is typed on a remote controller/);
    expect(hard.stderr).to.not.include('gehe');
    const easy = await run([...data, 'north_yard-2.b', '--name', 'Nörth yard']);
    expect(easy.code, easy.stderr).to.equal(0);
    expect(easy.stderr).to.not.include('warning');
  });

  it('warn of an account name with a space at its end', async () => {
    const { code, stderr } = await run([
      ...['--data-dir', join(directory, 'typed'), 'account', 'add', 'dock '],
      ...['--gateway', '7CTDTEST00000A', '--generate'],
    ]);
    expect(code, stderr).to.equal(0);
    expect(stderr).to.include('warning: the name "dock " begins or ends with a space');
  });

  it('name the folder of dev where that has a database', async () => {
    const data = join(directory, 'server');
    mkdirSync(join(data, 'dev'), { recursive: true });
    const { stderr } = await run(['--data-dir', data, 'binding', 'list']);
    expect(stderr).to.include(`that of dockhook dev: --data-dir ${join(data, 'dev')}`);
  });

  it('refuse a directory of somebody else, and one that is none', async function () {
    if (process.getuid?.() === 0) {
      const foreign = join(directory, 'foreign');
      mkdirSync(foreign);
      chownSync(foreign, 65534, 65534);
      const refused = await run(['--data-dir', foreign, 'account', 'list']);
      expect(refused.code).to.equal(2);
      expect(refused.stderr).to.include('belongs to user 65534');
    }
    const open = join(directory, 'open');
    mkdirSync(open);
    chmodSync(open, 0o777);
    expect((await run(['--data-dir', open, 'account', 'list'])).stderr).to.include('chmod go-w');
    writeFileSync(join(directory, 'file'), '');
    expect((await run(['--data-dir', join(directory, 'file'), 'account', 'list'])).stderr).to.include(
      'not a directory',
    );
    expect((await run(['--data-dir', '', 'account', 'list'])).code).to.equal(2);
  });

  it('open it for themselves when no server runs, and find what an earlier one wrote', async () => {
    const data = ['--data-dir', join(directory, 'data')];
    const added = await run([...data, 'account', 'add', 'dock', '--any-gateway', '--generate']);
    expect(added.code, added.stderr).to.equal(0);
    const listed = await run([...data, '--json', 'account', 'list']);
    expect(JSON.parse(listed.stdout)).to.have.length(1);
  });
});
