/** The commands of the README and of docs/, typed into a shell from the first to the last. */
import { expect } from 'chai';
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes, randomInt } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startBroker, type Broker } from '../../src/trial-broker/broker.js';
import { startEmqxRest, type FakeEmqx } from '../support/emqx-rest.js';
import { freePorts } from '../support/haproxy.js';
import { describeWithOwnPostgres, startPostgres, type TestPostgres } from '../support/postgres.js';
import { commandBlocks, section } from '../support/papers.js';
import { startShell, type Shell, type ShellResult } from '../support/shell.js';
import { TYPED } from '../support/typed-commands.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const FIRST_DOCK = section('README.md', 'Your first dock on EMQX');

describe('the operators’ guide', () => {
  it('comes from nothing to a registered EMQX in ten commands', () => {
    const [, ten] = commandBlocks(FIRST_DOCK);
    expect(ten).to.have.length(10);
    for (const command of ten ?? []) expect(command).to.match(/^dockhook /);
  });

  it('has ten commands for the daily work', () => {
    const [ten] = commandBlocks(section('docs/operating.md', 'The ten commands'));
    expect(ten).to.have.length(10);
    for (const command of ten ?? []) expect(command).to.match(/^dockhook /);
  });
});

describeWithOwnPostgres('the operators’ guide, run', function () {
  // Some thirty processes, one after the other.
  this.timeout(120_000);
  let directory: string;
  let postgres: TestPostgres;
  let emqx: FakeEmqx;
  let broker: Broker;
  let shell: Shell;
  /** What stands in the papers, and what it is on this machine. */
  let addresses: [string, string][];

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'dockhook-guide-'));
    postgres = await startPostgres();
    emqx = await startEmqxRest();
    // As `emqx config --listeners tcp` leaves it for 5.8.
    emqx.state.listeners = { 'tcp:default': { enable: false, bind: '0.0.0.0:1883', enable_authn: true } };
    const [grpc = 0, http = 0] = await freePorts(2);
    broker = await startBroker({ listen: { host: '127.0.0.1', port: 0 }, exhook: `127.0.0.1:${grpc}` });
    addresses = [
      ['127.0.0.1:5432', new URL(postgres.url).host],
      ['http://127.0.0.1:18083', emqx.environment['DOCKHOOK_EMQX_URL'] ?? ''],
      ['127.0.0.1:1883', `127.0.0.1:${broker.port}`],
    ];

    // What the guide says one needs.
    const [[role = '', database = ''] = []] = commandBlocks(FIRST_DOCK, 'sql');
    await postgres.query(role);
    await postgres.query(database);
    const text = (name: string): string => join(directory, name);
    copyFileSync(emqx.environment['DOCKHOOK_EMQX_API_KEY_FILE'] ?? '', text('emqx-api-key'));
    copyFileSync(emqx.environment['DOCKHOOK_EMQX_API_SECRET_FILE'] ?? '', text('emqx-api-secret'));
    const license = {
      app_id: String(randomInt(100_000, 1_000_000)),
      app_key: randomBytes(16).toString('hex'),
      app_license: randomBytes(192).toString('base64'),
    };
    writeFileSync(text('license.json'), JSON.stringify(license));
    // As npm link does.
    chmodSync(MAIN, 0o755);
    symlinkSync(MAIN, text('dockhook'));

    const { PATH = '' } = process.env;
    shell = startShell(
      {
        PATH: `${directory}:${PATH}`,
        HOME: directory,
        PGPORT: new URL(postgres.url).port,
        DOCKHOOK_GRPC_LISTEN: `127.0.0.1:${grpc}`,
        DOCKHOOK_HTTP_LISTEN: `127.0.0.1:${http}`,
      },
      directory,
    );
  });
  after(async () => {
    await shell.close();
    await broker.close();
    await emqx.close();
    await postgres.stop();
    rmSync(directory, { recursive: true });
  });

  /** Runs a command as it stands in the papers, but for addresses, and expects it to be done. */
  async function type(command: string): Promise<ShellResult> {
    const here = addresses.reduce((text, [paper, ours]) => text.replaceAll(paper, ours), command);
    const result = await shell.run(here);
    expect(result.code, `${command}\n${result.output}\n${serveLog().slice(-1000)}`).to.equal(0);
    if (/&( *#.*)?$/.test(command)) while (!serveLog().includes('"event":"ready"')) await pause(20);
    // For the commands below: what a person would copy from the screen.
    const printed = { PASSWORD: /password\W+(\S+)/i, CODE: /binding code\W+(\S+)/i };
    for (const [name, pattern] of Object.entries(printed)) {
      const value = pattern.exec(result.output)?.[1];
      if (value !== undefined && /^dockhook (account|organization) add/.test(command))
        await shell.run(`${name}=${value}`);
    }
    return result;
  }

  function serveLog(): string {
    try {
      return readFileSync(join(directory, 'dockhook.log'), 'utf8');
    } catch {
      return '';
    }
  }

  it('registers dockhook, and nobody gets in who should not', async () => {
    for (const command of commandBlocks(FIRST_DOCK).flat()) await type(command);
    expect(emqx.calls).to.include('POST /exhooks');
    expect(readFileSync(join(directory, 'dockhook.conf'), 'utf8')).to.match(/^ *no_match = deny$/m);
  });

  for (const { file, titles } of TYPED) {
    // Typed by the test above.
    if (file === 'README.md') continue;
    for (const title of titles) {
      it(`does what it says: ${file}, ${title}`, async () => {
        for (const command of commandBlocks(section(file, title)).flat()) {
          await type(command);
          // What the restore must bring back.
          if (command.includes('pg_dump')) await type('dockhook account remove dock-101');
        }
      });
    }
  }

  it('ends with the accounts and bindings that its commands made, and that were restored', async () => {
    const names = await postgresRows('SELECT key FROM dockhook_accounts ORDER BY key');
    expect(names).to.deep.equal(['dock-101', 'dock-102', 'dock-north', 'rc-north']);
    const bound = await postgresRows(`SELECT key FROM dockhook_bindings WHERE organization_id = 'south'`);
    expect(bound).to.have.members(['7CTDTEST00000A', '1581FTEST000000000AA']);
  });

  async function postgresRows(sql: string): Promise<string[]> {
    const { output } = await type(`psql -h 127.0.0.1 -U dockhook -At -c "${sql}" dockhook`);
    return output.trim().split('\n');
  }
});
