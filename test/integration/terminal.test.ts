/** What a person at a terminal sees, with `script` of util-linux as the terminal. */
import { expect } from 'chai';
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { binFolder, run } from '../support/cli.js';
import { until } from '../support/until.js';

const PASSWORD = 'typed by a person';

describe('a terminal', function () {
  this.timeout(60_000);
  let directory: string;
  before(function () {
    if (spawnSync('script', ['--version']).error) this.skip();
    directory = mkdtempSync(join(tmpdir(), 'dockhook-terminal-'));
  });
  after(() => {
    if (directory) rmSync(directory, { recursive: true });
  });

  /** A command at a terminal: what it shows, and a keyboard. */
  function atTerminal(command: string): { child: ChildProcessWithoutNullStreams; screen: () => string } {
    const env = { PATH: `${binFolder()}:${process.env['PATH'] ?? ''}`, HOME: directory, TERM: 'dumb' };
    const child = spawn('script', ['-qec', command, '/dev/null'], { env, cwd: directory });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return { child, screen: () => text };
  }

  /** Types an answer to each question. */
  async function typed(command: string, answers: [question: string, answer: string][]) {
    const { child, screen } = atTerminal(command);
    const closed = once(child, 'close');
    for (const [question, answer] of answers) {
      await until(() => screen().includes(question) || child.exitCode !== null);
      child.stdin.write(answer);
    }
    const [code] = (await closed) as [number];
    return { code, screen: screen() };
  }

  it('asks for a password, shows nothing of it, and asks again for a new one', async () => {
    const { code, screen } = await typed('dockhook account add dock --any-gateway --password-stdin', [
      ['password: ', `${PASSWORD}\r`],
      ['again: ', `${PASSWORD}\r`],
    ]);
    expect(code, screen).to.equal(0);
    expect(screen).to.include('account "dock" added').and.to.not.include('typed');
  });

  it('keeps a password that was typed in two ways out', async () => {
    const { code, screen } = await typed('dockhook account add other --any-gateway --password-stdin', [
      ['password: ', `${PASSWORD}\r`],
      ['again: ', 'something else\r'],
    ]);
    expect(code).to.equal(2);
    expect(screen).to.include('the two passwords differ');
    expect((await run(['account', 'list'], { cwd: directory })).stdout).to.not.include('other');
  });

  it('asks simulate for it once', async () => {
    const { code, screen } = await typed(
      'dockhook simulate --broker mqtt://127.0.0.1:1 --username dock --password-stdin --gateway 7CTDTEST00000A ' +
        '--organization north --binding-code code',
      [['password: ', `${PASSWORD}\r`]],
    );
    expect(code).to.equal(1);
    expect(screen).to.include('nothing listens').and.to.not.include('again: ').and.to.not.include('typed');
  });

  for (const [name, key] of [
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
  ] as const) {
    it(`takes ${name} for giving up`, async () => {
      const { code, screen } = await typed('dockhook account hash --password-stdin', [['password: ', key]]);
      expect(code).to.equal(2);
      expect(screen).to.include('no password');
    });
  }

  it('shows lines that a person can read while serve runs', async () => {
    const { child, screen } = atTerminal(
      'dockhook serve --grpc-listen 127.0.0.1:0 --http-listen 127.0.0.1:0 --data-dir serve',
    );
    const closed = once(child, 'close');
    await until(() => / ready /.test(screen()) || child.exitCode !== null);
    expect(screen()).to.match(/^\d\d:\d\d:\d\d info {2}listening grpc=127\.0\.0\.1:\d+ /m);
    child.stdin.write('\u0003');
    await closed;
    expect(screen())
      .to.match(/ stopping signal=SIGINT\r?\n/)
      .and.to.not.include('{"');
  });

  it('gets help that is as wide as itself', async () => {
    const { code, screen } = await typed('stty cols 60; dockhook doctor --help', []);
    expect(code).to.equal(0);
    const [usage = '', ...rest] = screen.split('Examples:')[0]?.split(/\r?\n/) ?? [];
    expect(usage).to.include('Usage');
    expect(rest.filter((line) => line.length > 60 && line.trim().split(/ {2,}/).length < 2)).to.deep.equal(
      [],
    );
  });
});
