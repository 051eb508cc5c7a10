/** Commands are written for whoever started the process, and for the database that it opened. */
import { expect } from 'chai';
import { mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { command, commandWriter, serverCommand, type StartedProcess } from '../../src/command.js';
import { settingList } from '../../src/config.js';
import { createProgram } from '../../src/cli/program.js';
import { ROOT } from '../support/papers.js';
import type { Command } from 'commander';

const MAIN = join(ROOT, 'src/cli/main.ts');

describe('a command in a text', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'dockhook-command-'));
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  /** A link to the program, as npm makes one. */
  function link(path: string): string {
    const made = join(folder, path);
    mkdirSync(dirname(made), { recursive: true });
    symlinkSync(MAIN, made);
    return made;
  }
  function written(main: string, words: string, more: Partial<StartedProcess> = {}): string {
    const given = words.split(' ').filter(Boolean);
    const started = { argv0: 'node', execArgv: [], env: {}, cwd: () => folder, ...more };
    return commandWriter({ ...started, argv: ['node', main, ...given] })('dock', 'show', 'SN');
  }

  it('is plain in a program that only uses this code', () => {
    expect(command('account', 'show', "dock o'north")).to.equal(`dockhook account show 'dock o'\\''north'`);
  });

  it('is that of a global install if it is on the path', () => {
    const main = link('global/dockhook');
    const env = { PATH: `/absent:${dirname(main)}` };
    expect(written(main, 'dock list', { env })).to.equal('dockhook dock show SN');
    // As in a container, whose entry point names the file.
    expect(written(MAIN, 'dock list', { env })).to.equal('dockhook dock show SN');
  });

  it('is with npx if npx started it, also where another dockhook is on the path', () => {
    const main = link('project/node_modules/.bin/dockhook');
    const env = { PATH: dirname(main), npm_command: 'exec' };
    expect(written(main, 'dock list', { env })).to.equal('npx dockhook dock show SN');
  });

  it('is with npm if a script of the package started it', () => {
    const env = { npm_package_name: 'dockhook', INIT_CWD: ROOT };
    const here = { env, cwd: () => ROOT };
    expect(written(MAIN, 'dock list', here)).to.equal('npm run -s dockhook -- dock show SN');
    const elsewhere = { env: { ...env, INIT_CWD: '/elsewhere' }, cwd: () => ROOT };
    expect(written(MAIN, 'dock list', elsewhere)).to.equal(
      `npm --prefix ${ROOT} run -s dockhook -- dock show SN`,
    );
  });

  it('names the file if nothing else leads to it', () => {
    const started = { argv0: 'node', execArgv: ['--import', 'tsx'] };
    expect(written(MAIN, '', { ...started, cwd: () => ROOT })).to.equal(
      'node --import tsx src/cli/main.ts dock show SN',
    );
    expect(written(MAIN, '', started)).to.equal(`node --import tsx ${MAIN} dock show SN`);
  });

  it('is plain in the log of serve, whoever started it', () => {
    expect(written(link('log/node_modules/.bin/dockhook'), '--data-dir here serve')).to.equal(
      'dockhook dock show SN',
    );
  });

  it('that starts the server is dev for the database of dev, and for no other', () => {
    const main = link('starts/node_modules/.bin/dockhook');
    const [ofDev, ofServer] = [join(folder, 'data/dev'), join(folder, 'stage/dev')];
    for (const path of [ofDev, ofServer]) mkdirSync(path, { recursive: true });
    writeFileSync(join(ofDev, 'demo-password'), 'secret');
    const starts = (dataDir: string[], env: NodeJS.ProcessEnv = {}) =>
      serverCommand({
        argv0: 'node',
        execArgv: [],
        env,
        cwd: () => folder,
        argv: ['node', main, ...dataDir, 'doctor'],
      });
    const dev = `npx dockhook --data-dir ${join(folder, 'data')} dev`;
    expect(starts(['--data-dir', ofDev])).to.equal(dev);
    expect(starts([`--data-dir=${ofDev}`], { DATABASE_URL: 'postgres://other' })).to.equal(dev);
    expect(starts([], { DOCKHOOK_DATA_DIR: ofDev })).to.equal(dev);
    expect(starts([], { DOCKHOOK_DATA_DIR: ofDev, DATABASE_URL: 'postgres://other' })).to.equal(
      'npx dockhook serve',
    );
    expect(starts(['--data-dir', ofServer])).to.equal(`npx dockhook --data-dir ${ofServer} serve`);
    expect(starts([])).to.equal('npx dockhook serve');
  });

  describe('of one database', () => {
    let main: string;
    let env: NodeJS.ProcessEnv;
    before(() => {
      main = link('data/dockhook');
      env = { PATH: dirname(main) };
    });
    const cases: [words: string, text: string, more?: NodeJS.ProcessEnv][] = [
      ['--data-dir here doctor', 'dockhook --data-dir here dock show SN'],
      ['dock list --data-dir=a=b', "dockhook --data-dir 'a=b' dock show SN"],
      ['dock list --data-dir a --data-dir b', 'dockhook --data-dir b dock show SN'],
      ['doctor --emqx http://emqx:18083', 'dockhook dock show SN'],
      ['dev', 'dockhook --data-dir .dockhook/dev dock show SN'],
      ['--json dev --data-dir /d', 'dockhook --data-dir /d/dev dock show SN'],
      ['dev', 'dockhook --data-dir /e/dev dock show SN', { DOCKHOOK_DATA_DIR: '/e' }],
      ['dev', 'dockhook --data-dir .dockhook/dev dock show SN', { DOCKHOOK_DATA_DIR: '' }],
      // The same shell has it still.
      ['dock list', 'dockhook dock show SN', { DATABASE_URL: 'postgres://db/x', DOCKHOOK_DATA_DIR: '/e' }],
    ];
    for (const [words, text, more] of cases) {
      it(`says: ${text} (of dockhook ${words}${more ? ', with settings' : ''})`, () => {
        expect(written(main, words, { env: { ...env, ...more } })).to.equal(text);
      });
    }

    it('starts dev again on the folder that it was given, and not on the one below', () => {
      const argv = ['node', main, '--data-dir', '/d', 'dev'];
      const write = commandWriter({ argv, argv0: 'node', execArgv: [], env, cwd: () => folder });
      expect(write('dev', '--mqtt-listen', '0.0.0.0:1883')).to.equal(
        'dockhook --data-dir /d dev --mqtt-listen 0.0.0.0:1883',
      );
      expect(write('dock', 'list')).to.equal('dockhook --data-dir /d/dev dock list');
    });

    it('has the flags of settings that it takes, too', () => {
      const argv = ['node', main, 'doctor', '--emqx', 'http://emqx:18083', '--timeline', 'off'];
      const write = commandWriter({ argv, argv0: 'node', execArgv: [], env, cwd: () => folder });
      expect(write('emqx', 'register')).to.equal('dockhook emqx register --emqx http://emqx:18083');
      expect(write('doctor', '--probe')).to.equal(
        'dockhook doctor --probe --timeline off --emqx http://emqx:18083',
      );
      expect(write('emqx', 'open', '--emqx', 'URL')).to.equal('dockhook emqx open --emqx URL');
      expect(write('emqx')).to.equal('dockhook emqx');
    });
  });

  it('gives no command a flag that it does not take', () => {
    const program = createProgram({ json: false });
    const takers = new Set(settingList.flatMap(({ takenBy }) => takenBy));
    for (const taker of takers) {
      const one = taker
        .split(' ')
        .reduce<Command | undefined>((at, word) => at?.commands.find((c) => c.name() === word), program);
      const flags = new Set(one?.options.map(({ long }) => long));
      for (const { name, flag, takenBy } of settingList) {
        if (flag === undefined || name === 'dataDir') continue;
        expect(flags.has(`--${flag}`), `${taker} --${flag}`).to.equal(takenBy.includes(taker));
      }
    }
  });
});
