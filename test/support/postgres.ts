/**
 * Real PostgreSQL for tests. `freshDatabase` gives a test file a database of its own, on the server of
 * TEST_DATABASE_URL or on one that is started once and ends with this process. `startPostgres` gives a
 * server to kill, freeze and restart. Wrap tests in `describeWithPostgres`: where there is no server to be
 * had, it says what did not run, and fails if CI=true.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import pg from 'pg';
import type { Row } from '../../src/stores/database.js';
import { until } from './until.js';

/** Never checked (the server trusts all), but there to be looked for in errors and logs. */
export const TEST_PASSWORD = 'password-of-the-test-server';

export interface TestPostgres {
  /** Stays the same over a restart. */
  url: string;
  /** The directory of its Unix socket. */
  socketDirectory: string;
  /** Of the server process; 0 when it does not run. */
  readonly pid: number;
  /** Sends a signal to the server and all its backends. After SIGKILL it is gone when this resolves. */
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** Starts it again on its data and port, after stopping it if need be. */
  restart(): Promise<void>;
  /** Ends it, whatever state it is in, and removes its files. */
  stop(): Promise<void>;
  query(sql: string, parameters?: unknown[]): Promise<Row[]>;
}

export interface TestDatabase {
  url: string;
  query(sql: string, parameters?: unknown[]): Promise<Row[]>;
  drop(): Promise<void>;
}

/** A suite that needs a database, for {@link freshDatabase}. */
export function describeWithPostgres(title: string, body: (this: Mocha.Suite) => void): void {
  describeIf(process.env['TEST_DATABASE_URL'] !== undefined || serverBinaries() !== undefined, title, body);
}

/** A suite that needs a server of its own, for {@link startPostgres}. */
export function describeWithOwnPostgres(title: string, body: (this: Mocha.Suite) => void): void {
  describeIf(serverBinaries() !== undefined, title, body);
}

function describeIf(isPossible: boolean, title: string, body: (this: Mocha.Suite) => void): void {
  if (isPossible) {
    describe(title, body);
    return;
  }
  const missing =
    'PostgreSQL is not installed (no initdb found), and TEST_DATABASE_URL does not name a server';
  console.warn(`\n*** NOT TESTED: ${title}\n*** ${missing}\n`);
  describe(title, () => {
    if (process.env['CI'] === 'true') {
      it('has a PostgreSQL to run on', () => {
        throw new Error(missing);
      });
    } else it(`did not run: ${missing}`);
  });
}

// Else a test run that is told to end leaves its servers behind, for they end at 'exit'.
process.once('SIGTERM', () => process.exit(143));

let sharedServer: Promise<TestPostgres> | undefined;

/**
 * An empty database, to be dropped at the end; on the shared server unless told which.
 * @param options of CREATE DATABASE, as `ENCODING 'LATIN1'`
 */
export async function freshDatabase(server?: TestPostgres, options = ''): Promise<TestDatabase> {
  const serverUrl =
    server?.url ?? process.env['TEST_DATABASE_URL'] ?? (await (sharedServer ??= startPostgres())).url;
  const name = `dockhook_test_${randomBytes(6).toString('hex')}`;
  await queryOnce(serverUrl, `CREATE DATABASE ${name} ${options}`);
  const url = new URL(serverUrl);
  url.pathname = name;
  return {
    url: url.href,
    query: (sql, parameters) => queryOnce(url.href, sql, parameters),
    async drop() {
      await queryOnce(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

/**
 * Starts a server of its own in a temporary directory below `parent`, on a free port of 127.0.0.1 and a Unix socket.
 * It does not wait for its disk, unless `changed` settings say so.
 */
export async function startPostgres(
  parent = tmpdir(),
  changed: Record<string, string> = {},
): Promise<TestPostgres> {
  const bin = serverBinaries();
  if (bin === undefined)
    throw new Error('PostgreSQL is not installed: no initdb in PATH or its usual places');
  const user = serverUser();
  // Short, for a Unix socket's path must be.
  const directory = mkdtempSync(join(parent, 'dockhook-pg-'));
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  const data = join(directory, 'data');
  const spawnOptions = { cwd: directory, ...user };
  execFileSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...spawnOptions, stdio: 'pipe' },
  );
  const port = await freePort();
  const url = `postgresql://postgres:${TEST_PASSWORD}@127.0.0.1:${port}/postgres`;
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: directory,
    fsync: 'off',
    // Late enough that only a commit itself can be what writes to the log.
    wal_writer_delay: '10s',
    ...changed,
  };
  const serverArguments = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);

  let server: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    server = spawn(join(bin, 'postgres'), ['-D', data, ...serverArguments], {
      ...spawnOptions,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await readiness(server);
  };
  const signal = (name: NodeJS.Signals): void => {
    const pid = server?.pid;
    if (pid === undefined) return;
    for (const one of [pid, ...childrenOf(pid)]) {
      try {
        process.kill(one, name);
      } catch {
        // Gone already.
      }
    }
  };
  /** No process is left then: the next server refuses to start beside one that still has the shared memory. */
  const die = async (): Promise<void> => {
    if (server?.pid === undefined) return;
    const hasEnded = server.exitCode !== null || server.signalCode !== null;
    const exit = hasEnded ? undefined : once(server, 'exit');
    server.ref();
    // Stopped first, it starts no other process.
    signal('SIGSTOP');
    const all = childrenOf(server.pid);
    signal('SIGKILL');
    await exit;
    await until(() => !all.some(isAlive));
    server = undefined;
  };
  const clean = (): void => {
    signal('SIGKILL');
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once('exit', clean);
  await start();
  return {
    url,
    socketDirectory: directory,
    get pid() {
      return server?.pid ?? 0;
    },
    async kill(name) {
      if (name === 'SIGKILL') await die();
      else signal(name);
    },
    async restart() {
      await die();
      await start();
    },
    async stop() {
      await die();
      clean();
      process.off('exit', clean);
    },
    query: (sql, parameters) => queryOnce(url, sql, parameters),
  };
}

function serverBinaries(): string | undefined {
  return binaries('initdb', 'postgres');
}

/** The directory of these programs of PostgreSQL; `undefined` if they are not installed. */
export function binaries(...programs: string[]): string | undefined {
  const packaged = '/usr/lib/postgresql';
  const versions = existsSync(packaged) ? readdirSync(packaged).sort().reverse() : [];
  const directories = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...versions.map((version) => join(packaged, version, 'bin')),
    '/usr/local/bin',
  ];
  return directories.find((one) => programs.every((program) => existsSync(join(one, program))));
}

/** PostgreSQL and PgBouncer refuse to run as root. */
export function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8').split('\n');
  const line =
    users.find((one) => one.startsWith('postgres:')) ?? users.find((one) => one.startsWith('nobody:'));
  const [, , uid, gid] = (line ?? '').split(':');
  if (uid === undefined || gid === undefined) throw new Error('there is no user "postgres" or "nobody"');
  return { uid: Number(uid), gid: Number(gid) };
}

/** Waits for the server's own word that it accepts connections. */
async function readiness(server: ChildProcess): Promise<void> {
  const stderr = server.stderr as Socket;
  let log = '';
  await new Promise<void>((resolve, reject) => {
    stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-4000);
      if (log.includes('ready to accept connections')) resolve();
    });
    server.once('exit', (code) => {
      reject(new Error(`postgres ended with code ${code}:\n${log}`));
    });
  });
  // It must not keep a test run from ending; 'exit' of this process ends it.
  stderr.unref();
  server.unref();
}

/** Backends are in sessions of their own, so no process group has them all. */
export function childrenOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  try {
    const text = existsSync(file)
      ? readFileSync(file, 'utf8')
      : execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' });
    return text.split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Whether a process still runs: one that has ended and that nobody has waited for does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    // Without /proc, as on macOS, a process that can be sent a signal counts as alive.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && !existsSync('/proc');
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function queryOnce(url: string, sql: string, parameters: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql, parameters)).rows;
  } finally {
    await client.end();
  }
}
