import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'chai';
import { connectDataDirectory, openDataDirectory } from '../../src/embedded-database/data-directory.js';
import type { Database, Ending, Query } from '../../src/stores/database.js';
import { openStores } from '../../src/stores/stores.js';
import { anAccount, anOrganization, rejection } from '../contract/store-suite.js';

describe('a data directory', function () {
  // Creating a database takes seconds, opening one about a second.
  this.timeout(60_000);

  let root: string;
  /** One directory for all tests: creating its database takes long. Each test has its own names in it. */
  let directory: string;
  let opened: { close(): Promise<void> }[];
  let children: ChildProcess[];
  let restore: () => Promise<void>;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'dockhook-data-'));
    directory = join(root, 'data');
    await (await openDataDirectory(directory, { command: 'the first' })).close();
  });
  after(() => rm(root, { recursive: true }));
  beforeEach(() => {
    opened = [];
    children = [];
    restore = async () => undefined;
  });
  afterEach(async () => {
    await Promise.all(children.map(kill));
    await Promise.all(opened.map((database) => database.close()));
    await restore();
  });

  /** Makes `directory` another one until the test is over. @returns the usual one */
  function useOther(): string {
    const usual = directory;
    directory = join(root, 'other');
    restore = async () => {
      await rm(directory, { recursive: true });
      directory = usual;
    };
    return usual;
  }

  async function hold(command = 'dockhook serve'): Promise<Database> {
    const database = await openDataDirectory(directory, { command });
    opened.push(database);
    return database;
  }

  async function connect(): Promise<Database> {
    const database = await connectDataDirectory(directory);
    opened.push(database);
    return database;
  }

  function spawnHolder(): ChildProcess {
    const script = join(import.meta.dirname, '../support/data-directory-holder.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', script, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    return child;
  }

  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  /** A holder in another process, killed after it has acknowledged some rows. */
  async function killedHolder(): Promise<string[]> {
    const child = spawnHolder();
    const acknowledged: string[] = [];
    for await (const line of createInterface({ input: child.stdout! })) {
      const [word, pid, count] = line.split(' ');
      if (word !== 'held') throw new Error(`the holder says: ${line}`);
      acknowledged.push(`from ${pid} number ${count}`);
      if (acknowledged.length === 20) child.kill('SIGKILL');
    }
    await kill(child);
    return acknowledged;
  }

  it('is open to its user only, and so is the socket', async () => {
    await hold();
    expect((await stat(directory)).mode & 0o777).to.equal(0o700);
    expect((await stat(join(directory, 'postgres'))).mode & 0o777).to.equal(0o700);
    expect((await stat(join(directory, 'control.sock'))).mode & 0o777).to.equal(0o600);
  });

  it('is refused to a second holder, who is told of the first', async () => {
    await hold('dockhook dev');
    const error = await rejection(openDataDirectory(directory, { command: 'dockhook serve' }), 'locked');
    expect(error.message)
      .to.include(directory)
      .and.include('"dockhook dev"')
      .and.include(String(process.pid));
  });

  it('is refused while its holder does not answer', async () => {
    const server = createServer().listen(join(directory, 'control.sock'));
    await once(server, 'listening');
    try {
      const error = await rejection(openDataDirectory(directory, { command: 'dockhook serve' }), 'locked');
      expect(error.message).to.include(directory).and.include('does not answer');
    } finally {
      server.close();
    }
  });

  it('is free after closing, without a trace, and has kept what was written', async () => {
    const first = openStores(await openDataDirectory(directory, { command: 'dockhook serve' }));
    await first.accounts.add(anAccount('alice'));
    await first.close();
    expect(await readdir(directory)).to.deep.equal(['postgres']);
    const second = openStores(await hold());
    expect(await second.accounts.get('alice')).to.deep.equal(anAccount('alice'));
  });

  it('keeps a transaction of a command as a whole, apart from what others do meanwhile', async () => {
    const holder = openStores(await hold());
    const command = openStores(await connect());
    let beside: Promise<unknown> = Promise.resolve();
    await command.accounts.addTogether(async (addMany) => {
      await addMany([anAccount('together 1')]);
      beside = holder.accounts.add(anAccount('beside'));
      const leftOut = await addMany([anAccount('together 1'), anAccount('together 2')]);
      expect([...leftOut.keys()]).to.deep.equal(['together 1']);
      return 'rollback';
    });
    await beside;
    expect(await holder.accounts.get('together 1')).to.equal(undefined);
    expect(await command.accounts.get('beside')).to.deep.equal(anAccount('beside'));
    await command.accounts.addTogether(async (addMany) => {
      await addMany([anAccount('together 1')]);
      await addMany([anAccount('together 2')]);
      return 'commit';
    });
    expect(await holder.accounts.get('together 2')).to.deep.equal(anAccount('together 2'));
  });

  it('rolls back the transaction of a command that fails, and of one that leaves in the middle', async () => {
    const holder = openStores(await hold());
    const failing = await connect();
    const bad = failing.transaction(async (query) => {
      await query(`CREATE TABLE half_done ()`);
      await query('SELECT nonsense');
      return 'commit';
    });
    expect(await bad.catch((error: unknown) => error))
      .to.have.property('message')
      .that.includes('nonsense');
    expect(await failing.query('SELECT 1 AS one')).to.deep.equal([{ one: 1 }]);

    const leaving = await connect();
    const left = leaving.transaction(async (query) => {
      await query(`CREATE TABLE half_done ()`);
      await leaving.close();
      await query('SELECT 1');
      return 'commit';
    });
    expect(await left.catch((error: unknown) => error)).to.be.instanceOf(Error);
    // Answered, so the transaction is over.
    await holder.ping();
    expect(await failing.query(`SELECT to_regclass('half_done')::text AS name`)).to.deep.equal([
      { name: null },
    ]);
  });

  it('rolls back the transaction of a command that takes too long, however busy it is, and says so', async () => {
    const holder = openStores(await openDataDirectory(directory, { command: 'x', transactionLimitMs: 300 }));
    opened.push(holder);
    const [idle, busy] = [await connect(), await connect()];
    const works: Record<string, (query: Query) => Promise<Ending>> = {
      idle: async (query) => {
        await query('CREATE TABLE too_long ()');
        // Answered only once the transaction is over.
        await holder.ping();
        await query('CREATE TABLE too_long_as_well ()');
        return 'commit';
      },
      busy: async (query) => {
        await query('CREATE TABLE too_long ()');
        for (;;) await query('SELECT 1');
      },
    };
    for (const [title, database] of Object.entries({ idle, busy })) {
      const error = await database.transaction(works[title]!).catch((reason: unknown) => reason);
      expect(error, title).to.have.property('code', '25P04');
      expect(error, title).to.have.property('message').that.includes('longer than 0.3 s');
    }
    const command = await connect();
    expect(
      await command.query(
        `SELECT to_regclass('too_long')::text AS one, to_regclass('too_long_as_well')::text AS two`,
      ),
    ).to.deep.equal([{ one: null, two: null }]);
  });

  it('closes although a command has a transaction open, and rolls that back', async () => {
    const holder = await openDataDirectory(directory, { command: 'x', transactionLimitMs: 600_000 });
    opened.push(holder);
    const command = await connect();
    const left = command.transaction(async (query) => {
      await query('CREATE TABLE left_open ()');
      await holder.close();
      await query('SELECT 1');
      return 'commit';
    });
    expect(await left.catch((error: unknown) => error)).to.be.instanceOf(Error);
    expect(await (await hold()).query(`SELECT to_regclass('left_open')::text AS name`)).to.deep.equal([
      { name: null },
    ]);
  });

  it('lets a holder and the commands beside it see each other’s writes', async () => {
    const holder = openStores(await hold());
    const [one, two] = [openStores(await connect()), openStores(await connect())];
    await holder.accounts.add(anAccount('from the holder'));
    await one.accounts.add(anAccount('from a command', { note: 'line\nbreak 机场 "' }));
    for (const stores of [holder, one, two]) {
      const { records } = await stores.accounts.list();
      expect(records.map((account) => account.name)).to.include.members([
        'from a command',
        'from the holder',
      ]);
    }
    expect((await two.accounts.get('from a command'))?.note).to.equal('line\nbreak 机场 "');
    await one.close();
    await two.accounts.remove('from the holder');
    expect(await holder.accounts.get('from the holder')).to.equal(undefined);
  });

  it('answers many queries of one command in their order, errors with their SQLSTATE', async () => {
    const stores = openStores(await hold());
    await stores.organizations.add(anOrganization('one', 'same-code'));
    const command = await connect();
    const answers = await Promise.allSettled([
      command.query('SELECT 1 AS n'),
      command.query('nonsense'),
      command.query('SELECT $1::text AS n', ['2']),
    ]);
    expect(answers[0]).to.deep.equal({ status: 'fulfilled', value: [{ n: 1 }] });
    expect(answers[1]).to.have.nested.property('reason.code', '42601');
    expect(answers[2]).to.deep.equal({ status: 'fulfilled', value: [{ n: '2' }] });
    await rejection(openStores(command).organizations.add(anOrganization('two', 'same-code')), 'conflict');
  });

  it('is held by a command for itself if nobody holds it', async () => {
    await openStores(await connect()).accounts.add(anAccount('bob'));
    await rejection(openDataDirectory(directory, { command: 'dockhook serve' }), 'locked');
  });

  it('makes commands wait for a holder that is still opening its database', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket)).listen(join(directory, 'control.sock'));
    await once(server, 'listening');
    try {
      const connecting = connect();
      await once(server, 'connection');
      const socket = sockets[0]!;
      const requests = createInterface({ input: socket });
      requests.on('line', (line) => socket.write(`${JSON.stringify({ rows: [JSON.parse(line)] })}\n`));
      socket.write('{"hello":{"pid":7,"command":"dockhook serve"}}\n');
      socket.write('{"ready":true}\n');
      const database = await connecting;
      expect(await database.query('SELECT $1', ['a'])).to.deep.equal([
        { sql: 'SELECT $1', parameters: ['a'] },
      ]);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });

  it('tells a command that its holder could not open the database', async () => {
    const server = createServer((socket) =>
      socket.end('{"hello":{"pid":7,"command":"dockhook serve"}}\n'),
    ).listen(join(directory, 'control.sock'));
    await once(server, 'listening');
    try {
      const error = await rejection(connectDataDirectory(directory), 'store_unavailable');
      expect(error.message).to.include(directory).and.include('"dockhook serve" (process 7)');
    } finally {
      server.close();
    }
  });

  it('is taken over from a killed holder at once, with every acknowledged row', async () => {
    const acknowledged = await killedHolder();
    expect(acknowledged.length).to.be.at.least(20);
    expect(await readdir(directory)).to.include('control.sock');
    const { records } = await openStores(await hold()).accounts.list();
    expect(records.map((account) => account.name)).to.include.members(acknowledged);
  });

  it('goes to exactly one of several processes that start together on a killed holder’s socket', async () => {
    await killedHolder();
    const starters = [spawnHolder(), spawnHolder(), spawnHolder()];
    const first = await Promise.all(
      starters.map(async (child) => {
        const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
        return line.split(' ')[0];
      }),
    );
    expect(first.sort()).to.deep.equal(['held', 'locked', 'locked']);
  });

  it('goes to exactly one of many openings in one process', async () => {
    const openings = await Promise.allSettled(
      Array.from({ length: 6 }, (_, index) => openDataDirectory(directory, { command: `number ${index}` })),
    );
    for (const opening of openings) if (opening.status === 'fulfilled') opened.push(opening.value);
    expect(openings.filter((opening) => opening.status === 'fulfilled')).to.have.length(1);
    for (const opening of openings) {
      if (opening.status === 'rejected') expect(opening.reason).to.have.property('code', 'locked');
    }
  });

  it('is not blocked by the guard of a process that died with it', async () => {
    const guard = join(directory, 'control.guard');
    await writeFile(guard, '');
    const past = Date.now() / 1000 - 11;
    await utimes(guard, past, past);
    await hold();
    expect(await readdir(directory)).to.have.members(['control.sock', 'postgres']);
  });

  it('begins anew if its creation was cut short', async () => {
    useOther();
    await mkdir(join(directory, 'postgres'), { recursive: true });
    await writeFile(join(directory, 'postgres/PG_VERSION'), '18\n');
    await writeFile(join(directory, 'postgres.incomplete'), '');
    const progress: string[] = [];
    const onProgress = (text: string) => progress.push(text);
    opened.push(await openDataDirectory(directory, { command: 'dockhook serve', onProgress }));
    expect(progress.join()).to.include(directory);
    expect(await readdir(directory)).to.have.members(['control.sock', 'postgres']);
  });

  it('says which directory it is whose files are damaged, and stays free', async () => {
    await cp(useOther(), directory, { recursive: true, filter: (path) => !path.endsWith('.sock') });
    await writeFile(join(directory, 'postgres/global/pg_control'), 'damaged');
    const error = await rejection(openDataDirectory(directory, { command: 'dockhook serve' }), 'failed');
    expect(error.message).to.include(directory).and.include('global/pg_control');
    expect(await readdir(directory)).to.deep.equal(['postgres']);
  });

  it('says which directory cannot be created', async () => {
    await writeFile(join(root, 'file'), '');
    const below = join(root, 'file', 'data');
    const error = await rejection(openDataDirectory(below, { command: 'dockhook serve' }), 'failed');
    expect(error.message).to.include(below);
  });

  it('may have a path too long for a socket only if it is short from the working directory', async () => {
    const long = join(root, 'x'.repeat(100));
    await mkdir(long);
    await symlink(directory, join(long, 'data'));
    await rejection(openDataDirectory(join(long, 'data'), { command: 'dockhook serve' }), 'usage');
    const before = process.cwd();
    process.chdir(long);
    try {
      await (await openDataDirectory(join(long, 'data'), { command: 'dockhook serve' })).close();
    } finally {
      process.chdir(before);
    }
  });

  it('has each commit on the disk before it is acknowledged', async () => {
    const database = await hold();
    await database.query('CREATE TABLE numbers (n int)');
    const fsync = fs.fsyncSync;
    let count = 0;
    fs.fsyncSync = (descriptor) => {
      count += 1;
      fsync(descriptor);
    };
    try {
      await database.query('INSERT INTO numbers VALUES (1)');
    } finally {
      fs.fsyncSync = fsync;
    }
    expect(count).to.be.at.least(1);
    expect(await database.query('SHOW fsync')).to.deep.equal([{ fsync: 'on' }]);
  });
});
