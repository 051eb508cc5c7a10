/** `dockhook dev`: one command, a dock comes online, and the data lasts. */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binFolder, run, startCommand, type Running } from '../support/cli.js';
import { connackCode } from '../support/mqtt.js';
import { until } from '../support/until.js';
import { commandBlocks, ROOT, section } from '../support/papers.js';
import { startShell } from '../support/shell.js';

const environment = {
  DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0',
  DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0',
  DOCKHOOK_MQTT_LISTEN: '127.0.0.1:0',
  // Must not be used.
  DATABASE_URL: 'postgres://127.0.0.1:1/none',
};

const WALK = [
  'config',
  'airport_bind_status',
  'airport_organization_get',
  'airport_organization_bind',
  'airport_bind_status',
];

describe('dev', function () {
  this.timeout(120_000);
  let cwd: string;
  let dev: Running | undefined;
  before(() => {
    cwd = mkdtempSync(join(tmpdir(), 'dockhook-dev-'));
  });
  afterEach(async () => {
    await dev?.stop('SIGKILL');
  });
  after(() => {
    rmSync(cwd, { recursive: true });
  });

  it('walks a new dock through the whole access sequence, a readable line for each step', async () => {
    dev = startCommand(['dev'], { environment, cwd });
    await dev.line((line) => line.includes('online and bound'));
    const replies = dev.lines.filter((line) => line.startsWith('←'));
    expect(replies.map((line) => line.split(/\s+/)[1])).to.deep.equal(WALK);
    for (const line of replies)
      expect(line).to.match(/^← \w+ +0 +[\d.]+ ms +thing\/product\/\w+\/requests_reply /);
    expect(await dev.stop('SIGINT')).to.equal(0);
    const kept = join(cwd, '.dockhook/dev');
    expect(readdirSync(kept)).to.have.members(['demo-password', 'postgres']);
    expect(statSync(join(kept, 'demo-password')).mode & 0o777).to.equal(0o600);
  });

  it('lets a second dock join by what it prints, at each start, and says who comes and who is refused', async () => {
    const home = mkdtempSync(join(cwd, 'twice-'));
    const shell = startShell(
      { PATH: `${binFolder()}:${process.env['PATH'] ?? ''}`, HOME: home, ...environment },
      home,
    );
    try {
      const passwords: string[] = [];
      for (const verb of ['add', 'set']) {
        dev = startCommand(['dev'], { environment, cwd: home });
        await dev.line((line) => line.includes('Then type into DJI Pilot 2'));
        passwords.push(/demo-dock, password (\S+)/.exec(dev.lines.join('\n'))?.[1] ?? '');
        const [account = '', simulate = '', ...looks] = dev.lines.filter((line) =>
          /^ {2}.*7CTDTEST|binding list/.test(line),
        );
        expect(account).to.include(`account ${verb} dock-2`);
        const added = await shell.run(account);
        expect(added.code, added.output).to.equal(0);
        const password = /password: (\S+)/.exec(added.output)?.[1] ?? '';
        const refused = await shell.run(simulate);
        expect(refused.code, refused.output).to.equal(1);
        const joined = await shell.run(simulate.replace('THE PASSWORD', password));
        expect(joined.code, joined.output).to.equal(0);
        expect(looks).to.have.length(2);
        for (const look of looks) expect((await shell.run(look)).output).to.include('7CTDTEST00000C');
        await dev.line((line) =>
          line.includes('7CTDTEST00000C was refused, with account dock-2: wrong password → '),
        );
        await dev.line((line) =>
          line.includes('7CTDTEST00000C connects with account dock-2, from 127.0.0.1'),
        );
        await dev.line((line) => line.includes('7CTDTEST00000C has left'));
        expect(dev.lines.some((line) => line.startsWith('{'))).to.equal(false);
        const refusal = refused.output.trim().split('\n').at(-1)!;
        expect(refusal)
          .to.include('what dockhook saw of it, on its machine: ')
          .and.to.include('7CTDTEST00000C');
        const mistyped = simulate
          .replace('THE PASSWORD', password)
          .replace(/(--binding-code) \S+/, '$1 demo');
        expect((await shell.run(mistyped)).code).to.equal(1);
        await dev.line((line) => line.includes('an organization id was typed as device binding code → '));
        const sees = await shell.run(refusal.split('on its machine: ')[1]!);
        expect(sees.output).to.include('dock 7CTDTEST00000C: ');
        expect(await dev.stop('SIGINT')).to.equal(0);
        // As doctor says it, of a server that was stopped a moment ago.
        const doctor = await shell.run(looks[0]!.replace('binding list', 'doctor'));
        expect(doctor.output).to.include('the last dockhook server on this database was stopped');
        expect(doctor.output).to.match(/start it: dockhook --data-dir \S*\.dockhook dev\n/);
      }
      expect(passwords[0]).to.match(/^\w{5}-/);
      expect(passwords[1]).to.equal(passwords[0]);
    } finally {
      await shell.close();
    }
  });

  it('takes a free port where another program has the usual one, and says so', async () => {
    const other = createServer();
    // Whoever has it already serves as well.
    await new Promise((done) =>
      other.once('error', done).listen(1883, '127.0.0.1', () => {
        done(undefined);
      }),
    );
    try {
      const { DOCKHOOK_MQTT_LISTEN: _, ...rest } = environment;
      dev = startCommand(['dev'], { environment: rest, cwd });
      const said = await dev.line((line) => line.includes('is taken by another program'));
      const port = /^127\.0\.0\.1:1883 is taken .*: the MQTT broker is at 127\.0\.0\.1:(\d+)\.$/.exec(
        said,
      )?.[1];
      await dev.line((line) => line.includes('Then type into DJI Pilot 2'));
      const [license, stop, start] = [
        'license set FILE',
        'Stop this one (Ctrl-C) and start:',
        `0.0.0.0:${port}`,
      ].map((text) => dev!.lines.findIndex((line) => line.includes(text)));
      expect(license).to.be.within(0, stop! - 1);
      expect(stop).to.be.below(start!);
      expect(await dev.stop('SIGINT')).to.equal(0);
      // Now that the first has ended, it starts.
      const [program, ...words] = dev.lines[start!]!.trim().split(' ');
      expect(program).to.equal('dockhook');
      dev = startCommand(words, { environment: rest, cwd });
      expect(await dev.line((line) => line.startsWith('  MQTT broker'))).to.include(`0.0.0.0:${port}`);
      expect(await dev.stop('SIGINT')).to.equal(0);
    } finally {
      other.close();
    }
  });

  it('is started by the second command of the README, `npm start`', async () => {
    const [[command = ''] = []] = commandBlocks(section('README.md', 'Try it'));
    expect(command).to.equal('npm ci && npm start');
    const data = join(cwd, 'by-npm');
    const { PATH = '', HOME = '' } = process.env;
    const npm = spawn('npm', ['start'], {
      cwd: ROOT,
      env: { PATH, HOME, ...environment, DOCKHOOK_DATA_DIR: data },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    let seen = '';
    try {
      for await (const part of npm.stdout) {
        seen += String(part);
        if (seen.includes('speaks MQTT 3.1.1 only')) break;
      }
      expect(seen).to.include('The dock is online and bound.');
      const printed = /^ {2}(npm run .* binding list)$/m.exec(seen)?.[1] ?? '';
      const shell = startShell({ PATH, HOME }, ROOT);
      const listed = await shell.run(printed).finally(() => shell.close());
      expect(listed.output).to.match(/^7CTDDEMO00000A +demo /m);
    } finally {
      // npm and all that it started.
      process.kill(-npm.pid!, 'SIGKILL');
    }
  });

  it('finds the dock bound at the second start, and lets another join through the commands it prints', async () => {
    dev = startCommand(['--json', 'dev'], { environment, cwd });
    const ready = await dev.event('ready');
    const steps = dev.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const replies = steps.filter(({ direction }) => direction === '←').map(({ method }) => method);
    expect(replies).to.deep.equal(['config', 'airport_bind_status']);

    const data = ['--data-dir', join(cwd, String(ready['dataDir']))];
    const added = await run([
      ...data,
      '--json',
      'account',
      'add',
      'dock-2',
      '--gateway',
      '7CTDTEST00000C',
      '--generate',
    ]);
    const { password } = JSON.parse(added.stdout) as { password: string };
    const simulate = [
      ...[
        'simulate',
        '--broker',
        `mqtt://${String(ready['mqtt'])}`,
        '--username',
        'dock-2',
        '--password-stdin',
      ],
      ...[
        '--gateway',
        '7CTDTEST00000C',
        '--organization',
        'demo',
        '--binding-code',
        String(ready['bindingCode']),
      ],
    ];
    const joined = await run(simulate, { input: `${password}\n` });
    expect(joined.code, joined.stdout + joined.stderr).to.equal(0);
    const again = await run(['--json', ...simulate], { input: `${password}\n` });
    const { steps: walked } = JSON.parse(again.stdout) as { steps: Record<string, unknown>[] };
    expect(walked.at(-2)).to.include({ method: 'airport_organization_get', ok: true });
    const mistyped = await run([...simulate.slice(0, -1), 'wrong-code'], { input: `${password}\n` });
    expect(mistyped.code, 'a bound dock does not hide a wrong code').to.equal(1);
    expect(mistyped.stderr).to.include('210230');
    const refused = await run(simulate, { input: 'wrong\n' });
    expect(refused.code).to.equal(1);
    expect(refused.stderr)
      .to.match(/password/)
      .and.to.not.include(password);
    expect((await run([...data, 'binding', 'list'])).stdout).to.match(/^7CTDTEST00000C +demo /m);
    // Its story is written behind the hooks' back, and read through the process that holds the database.
    let story: string;
    do story = (await run([...data, 'dock', 'show', '7CTDTEST00000C'])).stdout;
    while (!story.includes('wrong_password'));
    expect(story).to.match(/organization +demo \("Demo yard"\)/);
    expect((await run([...data, 'dock', 'list'])).stdout).to.match(/^7CTDDEMO00000A +online /m);
  });

  it('says on screen and in `dock show` whom it refused because of MQTT 5', async () => {
    dev = startCommand(['dev'], { environment, cwd });
    await dev.line((line) => line.includes('speaks MQTT 3.1.1 only'));
    const address = /MQTT broker +(\S+)/.exec(dev.lines.join('\n'))?.[1] ?? '';
    const sn = '7CTDTEST00000E';
    const options = { clientId: sn, username: 'dock-5', password: 'secret', protocolVersion: 5 as const };
    expect(await connackCode(`mqtt://${address}`, options)).to.equal(1);
    await dev.line((line) => line.includes(`${sn} was refused`) && line.includes('it speaks MQTT 5'));
    const show = () => run(['dock', 'show', sn, '--data-dir', join(cwd, '.dockhook/dev')]);
    await until(async () => (await show()).code === 0);
    const { stdout } = await show();
    expect(stdout).to.match(/connect +refused: unsupported_protocol/);
    expect(stdout).to.include('it speaks MQTT 5, and the broker of dockhook dev speaks MQTT 3.1.1 only');
    expect(dev.lines.join('')).to.not.include('secret');
  });

  it('refuses a second dev in the same directory, and leaves the first alone', async () => {
    dev = startCommand(['--json', 'dev'], { environment, cwd });
    await dev.event('ready');
    const second = await run(['dev'], { environment, cwd });
    expect(second.code).to.equal(1);
    expect(second.stderr).to.include('dockhook dev');
    expect(await dev.stop('SIGTERM')).to.equal(0);
  });

  it('is back at once after it was killed', async () => {
    dev = startCommand(['--json', 'dev'], { environment, cwd });
    await dev.event('ready');
    await dev.stop('SIGKILL');
    dev = startCommand(['--json', 'dev'], { environment, cwd });
    await dev.event('ready');
    expect(await dev.stop('SIGINT')).to.equal(0);
  });

  it('names the setting when a port is taken', async () => {
    dev = startCommand(['--json', 'dev'], { environment, cwd });
    const ready = await dev.event('ready');
    const taken = { ...environment, DOCKHOOK_MQTT_LISTEN: String(ready['mqtt']) };
    const second = await run(['dev', '--data-dir', join(cwd, 'other')], { environment: taken });
    expect(second.code).to.equal(2);
    expect(second.stderr).to.include('DOCKHOOK_MQTT_LISTEN');
  });
});
