/**
 * The commands that findings, hints and errors tell a person to type, pasted into a shell as they stand: none is a usage
 * error, and each opens the database that it was said of. They are collected from the source and from what commands
 * print, so a new text is tried, too.
 */
import { expect } from 'chai';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgram } from '../../src/cli/program.js';
import { DOCK_FINDING_CODES } from '../../src/diagnosis/codes.js';
import { listDocks } from '../../src/diagnosis/docks.js';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import { startBroker, type Broker } from '../../src/trial-broker/broker.js';
import { shellWord } from '../../src/shell.js';
import { binFolder, run, startCommand, type Running } from '../support/cli.js';
import { causeFaults, FAULTS, isFault } from '../support/dock-faults.js';
import { startDockhook } from '../support/dockhook.js';
import { startEmqxRest, type FakeEmqx } from '../support/emqx-rest.js';
import { commandAt, commandsIn, filesBelow } from '../support/mentions.js';
import { ROOT } from '../support/papers.js';
import { describeWithPostgres, freshDatabase } from '../support/postgres.js';
import { startShell, type Shell } from '../support/shell.js';

const SN = '7CTDTEST00000A';
const program = createProgram({ json: false });

/** What stands for something in a command, and what a person would put there. */
const PLACEHOLDERS: Readonly<Record<string, string>> = {
  SN,
  NAME: 'dock-north',
  NEWNAME: 'dock-new',
  ID: 'north',
  FILE: 'license.json',
  VERSION: '5.8',
  URL: 'http://127.0.0.1:9000',
  CN: 'dock.example',
};

/** What a flag takes, if that is none of these. */
const VALUES: Readonly<Record<string, string>> = {
  '--emqx-listeners': 'tcp:default',
  '--exhook': 'http://127.0.0.1:9000',
  '--limit': '200',
};

/** The same in what is said of docks. */
const DOCK_PLACEHOLDERS: Readonly<Record<string, string>> = {
  ...PLACEHOLDERS,
  'mqtt://HOST:1883': 'mqtt://127.0.0.1:9',
  CODE: 'the-code-of-north',
  TIME: '2030-01-01',
};

/** They stay up; `test/integration/dev.test.ts` and `serve.test.ts` start them. */
const STAY_UP = ['serve', 'dev'];

describe('a printed command', function () {
  this.timeout(240_000);
  let directory: string;
  /** Where a person types: no database is there. */
  let desk: string;
  let data: string;
  let server: Running;
  let broker: Broker;
  let emqx: FakeEmqx;
  let shell: Shell;

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'dockhook-printed-'));
    desk = join(directory, 'desk');
    mkdirSync(desk);
    data = join(directory, 'the data');
    const license = { app_id: '1', app_key: 'key', app_license: 'license' };
    writeFileSync(join(desk, 'license.json'), JSON.stringify(license));
    server = startCommand(['--data-dir', data, 'serve'], {
      environment: { DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0', DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0' },
      cwd: desk,
    });
    const { grpc } = await server.event('ready');
    broker = await startBroker({ listen: { host: '127.0.0.1', port: 0 }, exhook: String(grpc) });
    emqx = await startEmqxRest();
    shell = startShell(
      { PATH: `${binFolder()}:${process.env['PATH'] ?? ''}`, HOME: desk, ...emqx.environment },
      desk,
    );
  });
  after(async () => {
    await shell.close();
    await emqx.close();
    await broker.close();
    await server.stop();
    rmSync(directory, { recursive: true });
  });

  /** Types it. `words` has no program. */
  async function type(words: readonly string[]): Promise<void> {
    const filled = words.map((word, index) =>
      word === 'VALUE' ? (VALUES[words[index - 1] ?? ''] ?? SN) : (PLACEHOLDERS[word] ?? word),
    );
    const there = ['--data-dir', data, ...filled];
    const line = ['dockhook', ...there].map(shellWord).join(' ');
    await paste(words.includes('--password-stdin') ? `echo secret | ${line}` : line);
  }

  async function paste(line: string): Promise<void> {
    const { code, output } = await shell.run(line);
    expect(code, `${line}\n${output}`).to.be.oneOf([0, 1, 3, 4]);
    expect(readdirSync(desk), `${line} made another database`).to.deep.equal(['license.json']);
  }

  it('of each text in the source is no usage error', async () => {
    const all = filesBelow(`${ROOT}src`, '.ts').flatMap((path) => commandsIn(path));
    const lines = new Map(all.map((words) => [words.join(' '), words]));
    let tried = 0;
    for (const words of lines.values()) {
      // Several words in one VALUE: only what it prints can be typed.
      if (STAY_UP.includes(words[0] ?? '') || words[0] === 'simulate') continue;
      await type(words);
      tried += 1;
    }
    expect(tried).to.be.greaterThan(10);
  });

  /** Each command in a text, without the program and the database. */
  function printedIn(text: string): string[][] {
    return text
      .split(`dockhook --data-dir ${shellWord(data)} `)
      .slice(1)
      .map((rest) => commandAt(rest, program));
  }

  /** All commands of the output name the database, and can be typed. @returns how many */
  async function pasteAll(output: string): Promise<number> {
    // The name of a program that runs is none to type.
    const others = output.match(
      /dockhook (account|binding|dock|doctor|emqx|license|organization|simulate)\b.*/g,
    );
    expect(others, 'commands without the database that they are about').to.equal(null);
    const printed = new Map(printedIn(output).map((words) => [words.join(' '), words]));
    for (const words of printed.values()) {
      const line = words.map((word) => PLACEHOLDERS[word] ?? word).join(' ');
      const pasted = `dockhook --data-dir ${shellWord(data)} ${line}`;
      if (STAY_UP.includes(words[0] ?? '') && !words.includes('--help')) continue;
      await paste(words.includes('--password-stdin') ? `echo secret | ${pasted}` : pasted);
    }
    return printed.size;
  }

  const there = (...words: string[]): Promise<{ stdout: string; stderr: string }> =>
    run(['--data-dir', data, ...words], { cwd: desk, input: 'secret' });

  it('of an error is no usage error', async () => {
    const errors: string[][] = [
      ['license', 'show'],
      ['organization', 'show', 'nowhere'],
      ['binding', 'show', SN],
    ];
    await there('license', 'clear');
    for (const words of errors) {
      const { stdout, stderr } = await there(...words);
      expect(await pasteAll(stdout + stderr), words.join(' ')).to.be.greaterThan(0);
    }
  });

  it('of doctor is no usage error, and names the EMQX that was asked', async () => {
    // One that nothing was done to yet.
    const fresh = await startEmqxRest();
    const [url = '', key = '', secret = ''] = ['URL', 'API_KEY_FILE', 'API_SECRET_FILE'].map(
      (name) => fresh.environment[`DOCKHOOK_EMQX_${name}`],
    );
    const api = ['--emqx', url, '--emqx-api-key-file', key, '--emqx-api-secret-file', secret];
    await there('license', 'clear');
    const { stdout } = await there('doctor', ...api);
    expect(await pasteAll(stdout).finally(() => fresh.close())).to.be.greaterThan(1);
    expect(stdout)
      .to.include('license set FILE')
      .and.to.include(`emqx register ${api.join(' ')}`);
  });

  it('of a simulated dock that fails is no usage error', async () => {
    const url = `mqtt://127.0.0.1:${broker.port}`;
    await there('account', 'add', 'sim', '--gateway', SN, '--password-stdin');
    await there('organization', 'add', 'ridge', '--name', 'Ridge', '--binding-code', 'r1dge-c0de1');
    await there('organization', 'add', 'valley', '--name', 'Valley', '--binding-code', 'va11ey-c0de1');
    const simulate = async (organization: string, code: string): Promise<number> => {
      const dock = ['--broker', url, '--username', 'sim', '--password-stdin', '--gateway', SN];
      const { stderr } = await there(
        'simulate',
        ...dock,
        '--organization',
        organization,
        '--binding-code',
        code,
      );
      return pasteAll(stderr);
    };
    await there('license', 'clear');
    expect(await simulate('ridge', 'r1dge-c0de1'), 'no license').to.equal(2);
    await there('license', 'set', 'license.json');
    expect(await simulate('ridge', 'wrong'), 'a wrong code').to.equal(2);
    expect(await simulate('ridge', 'r1dge-c0de1'), 'nothing wrong').to.equal(0);
    expect(await simulate('valley', 'va11ey-c0de1'), 'another organization').to.equal(3);
  });

  it('of dock show and dock list is no usage error, and names the database that they were asked about', async () => {
    const listed = '7CTDTEST00000B';
    await there('account', 'add', 'listed', '--gateway', listed, '--generate');
    await there('account', 'disable', 'listed');
    const { stdout } = await there('dock', 'show', listed);
    expect(stdout).to.include('account enable listed');
    expect(await pasteAll(stdout)).to.be.greaterThan(0);
    await there('account', 'disable', 'listed');
    await pasteAll((await there('dock', 'list')).stdout);
  });
});

describeWithPostgres('each command that a finding about a dock prints', function () {
  this.timeout(240_000);
  it('is no usage error in the same database', async () => {
    const database = await freshDatabase();
    const app = await startDockhook({
      stores: openStores(connectPostgres(database.url)),
      timeline: { writeMs: 10 },
    });
    await app.ready;
    const broker = await startBroker({ listen: { host: '127.0.0.1', port: 0 }, exhook: app.grpc });
    const faults = DOCK_FINDING_CODES.flatMap((code, index) => {
      const fault = FAULTS[code];
      return isFault(fault) && fault.notOn === undefined ? [{ sn: `7CTDCODE${1000 + index}A`, fault }] : [];
    });
    const closeClients = await causeFaults({ app, database, url: `mqtt://127.0.0.1:${broker.port}` }, faults);
    const { docks } = await listDocks(app.stores);
    await closeClients();
    await broker.close();
    await app.stop();

    const desk = mkdtempSync(join(tmpdir(), 'dockhook-printed-'));
    writeFileSync(
      join(desk, 'license.json'),
      JSON.stringify({ app_id: '1', app_key: 'key', app_license: 'license' }),
    );
    const shell = startShell(
      { PATH: `${binFolder()}:${process.env['PATH'] ?? ''}`, HOME: desk, DATABASE_URL: database.url },
      desk,
    );
    const printed = docks
      .flatMap(({ findings }) => findings.flatMap(({ what, fix }) => [what, ...fix]))
      .flatMap((text) => text.split(/\bdockhook (?=[a-z]+ )/).slice(1))
      .map((rest) => commandAt(rest, program))
      .filter(([first = '']) => program.commands.some((one) => one.name() === first));
    // One of each kind: what differs in the others is the dock.
    const kinds = new Map(
      printed.map((words) => [words.join(' ').replaceAll(/(dock-of-)?7CTDCODE\w+/g, 'DOCK'), words]),
    );
    let tried = 0;
    for (const words of kinds.values()) {
      if (STAY_UP.includes(words[0] ?? '')) continue;
      // Its broker is none: that is exit code 1.
      const line = ['dockhook', ...words.map((word) => DOCK_PLACEHOLDERS[word] ?? word)].join(' ');
      const { code, output } = await shell.run(
        words.includes('--password-stdin') ? `echo secret | ${line}` : line,
      );
      expect(code, `${line}\n${output}`).to.be.oneOf([0, 1, 3, 4]);
      tried += 1;
    }
    expect(tried).to.be.greaterThan(15);
    await shell.close();
    rmSync(desk, { recursive: true });
    await database.drop();
  });
});
