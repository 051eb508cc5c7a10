/** `dockhook dev`: one command, a dock comes online, and the data lasts. */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, startCommand, type Running } from '../support/cli.js';
import { commandBlocks, ROOT, section } from '../support/papers.js';

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
    expect(readdirSync(join(cwd, '.dockhook/dev'))).to.deep.equal(['postgres']);
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
        if (seen.includes('The dock is online and bound.')) break;
      }
      expect(seen).to.include('The dock is online and bound.');
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
