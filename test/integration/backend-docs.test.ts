/** docs/backend.md: its listener, run as it stands there. */
import { expect } from 'chai';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { connectPostgres } from '../../src/stores/connect-postgres.js';
import { openStores } from '../../src/stores/stores.js';
import type { Stores } from '../../src/stores/types.js';
import { aBinding, anOrganization, bindOne } from '../contract/store-suite.js';
import { describeWithOwnPostgres, startPostgres, type TestPostgres } from '../support/postgres.js';
import { until } from '../support/until.js';

const file = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const read = (name: string): string => readFileSync(file(name), 'utf8');

describeWithOwnPostgres('the listener of docs/backend.md', function () {
  this.timeout(60_000);
  const [, code = ''] = /```js\n([^]*?)```/.exec(read('docs/backend.md')) ?? [];
  let directory: string;
  let postgres: TestPostgres;
  let stores: Stores;
  let listener: ChildProcess;
  let lines: Record<string, unknown>[];
  let errors: string;

  const urlOf = (role: string): string => {
    const url = new URL(postgres.url);
    url.username = role;
    return url.href;
  };
  const dock = aBinding('7CTDTEST00000A', 'north', { gateway: '7CTDTEST00000A', account: 'yard' });
  const drone = { ...dock, sn: '1581FTEST000000000AA', modelKey: '0-100-1' };
  const last = () => lines.at(-1);

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'dockhook-follow-'));
    symlinkSync(file('node_modules'), join(directory, 'node_modules'));
    writeFileSync(join(directory, 'follow-bindings.mjs'), code);
    postgres = await startPostgres();
    for (const name of ['schema.sql', 'roles.sql', 'notify.sql'])
      await postgres.query(read(`deploy/postgres/${name}`));
    stores = openStores(connectPostgres(postgres.url));
    await stores.organizations.add(anOrganization('north'));
    await stores.organizations.add(anOrganization('south'));
    await bindOne(stores, dock);
    lines = [];
    errors = '';
    listener = spawn(process.execPath, ['follow-bindings.mjs'], {
      cwd: directory,
      env: { PATH: process.env['PATH'], DATABASE_URL: urlOf('dockhook_reader') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    createInterface({ input: listener.stdout! }).on('line', (line) => {
      lines.push(JSON.parse(line) as Record<string, unknown>);
    });
    listener.stderr!.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    await until(() => lines.length > 0);
  });
  afterEach(async () => {
    listener.kill('SIGKILL');
    await stores.close();
    await postgres.stop();
    rmSync(directory, { recursive: true });
  });

  it('reads all as dockhook_reader, then follows what docks, commands and SQL do', async () => {
    expect(lines).to.deep.equal([{ all: [dock] }]);
    const server = openStores(connectPostgres(urlOf('dockhook_server')));
    await bindOne(server, drone).finally(() => server.close());
    await until(() => lines.length === 2);
    expect(last()).to.deep.equal({ put: drone });
    await stores.bindings.move(drone.sn, { organizationId: 'south' });
    await until(() => lines.length === 3);
    expect(last()).to.deep.equal({ put: { ...drone, organizationId: 'south' } });
    await postgres.query(`DELETE FROM dockhook_bindings WHERE key = '${drone.sn}'`);
    await until(() => lines.length === 4);
    expect(last()).to.deep.equal({ remove: drone.sn });
    await postgres.query('TRUNCATE dockhook_bindings');
    await until(() => lines.length === 5);
    expect(last()).to.deep.equal({ all: [] });
  });

  it('takes a notification for a hint, since whoever may connect can send one', async () => {
    const forger = new pg.Client({ connectionString: urlOf('dockhook_reader') });
    await forger.connect();
    const forge = (payload: unknown) =>
      forger.query(`SELECT pg_notify('dockhook_bindings', $1)`, [
        typeof payload === 'string' ? payload : JSON.stringify(payload),
      ]);
    const forged = async (payload: unknown): Promise<Record<string, unknown> | undefined> => {
      const before = lines.length;
      await forge(payload);
      await until(() => lines.length > before);
      return last();
    };
    try {
      const { sn } = dock;
      for (const change of ['removed', 'moved', 'bound', undefined]) {
        const lie = { schema: 'public', change, sn, organizationId: 'south', callsign: 'forged' };
        expect(await forged(lie), change).to.deep.equal({ put: dock });
      }
      const stranger = { schema: 'public', change: 'bound', sn: drone.sn, organizationId: 'south' };
      expect(await forged(stranger)).to.deep.equal({ remove: drone.sn });
      for (const payload of ['x', '', 'null', '{}', '"\\u0000"', { sn: '\u0000' }, { sn: [sn] }, { sn: 7 }]) {
        expect(await forged(payload), JSON.stringify(payload)).to.deep.equal({ all: [dock] });
      }
      await forge({ schema: 'drones', everything: true });
      expect(await forged({ schema: 'public', sn })).to.deep.equal({ put: dock });
      expect(errors).to.equal('');
    } finally {
      await forger.end();
    }
  });

  it('reads all once for many hints that come while it reads', async () => {
    await postgres.query(
      `SELECT pg_notify('dockhook_bindings', 'x' || n) FROM generate_series(1, 5000) AS n;
       SELECT pg_notify('dockhook_bindings', '{"schema":"public","sn":"S' || n || '"}') FROM generate_series(1, 5000) AS n`,
    );
    await bindOne(stores, drone);
    await until(() => JSON.stringify(lines.slice(1)).includes(drone.sn));
    expect(lines.length).to.be.lessThan(100);
    expect(errors).to.equal('');
  });

  it('reads all anew when its connection was lost, and so misses nothing that happened meanwhile', async () => {
    const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'dockhook_reader'`;
    await postgres.query(end);
    await bindOne(stores, drone);
    await until(() => lines.filter((line) => 'all' in line).length === 2);
    // Bound before it listened again, or after.
    await until(() => JSON.stringify(lines.slice(1)).includes(drone.sn));
    await postgres.restart();
    await until(() => lines.filter((line) => 'all' in line).length === 3);
    await postgres.query(`DELETE FROM dockhook_bindings WHERE key = '${drone.sn}'`);
    await until(() => last()?.['remove'] === drone.sn);
  });
});
