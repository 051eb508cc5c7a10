/**
 * A real PgBouncer in transaction mode in front of a test server. Wrap tests in `describeWithPgbouncer`: without it
 * it says what did not run, and fails if CI=true.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeWithOwnPostgres, freePort, serverUser, type TestPostgres } from './postgres.js';

/** Debian has it where only root looks. */
const environment = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` };

export interface TestPgbouncer {
  /** Of the server's own database, through it. */
  url: string;
  /** What it logged so far. */
  log(): string;
  stop(): Promise<void>;
}

/** A suite that needs PgBouncer, and a PostgreSQL of its own behind it. */
export function describeWithPgbouncer(title: string, body: (this: Mocha.Suite) => void): void {
  if (isInstalled()) {
    describeWithOwnPostgres(title, body);
    return;
  }
  const missing = 'pgbouncer is not installed (not found in PATH)';
  console.warn(`\n*** NOT TESTED: ${title}\n*** ${missing}\n`);
  describe(title, () => {
    if (process.env['CI'] === 'true') {
      it('has a PgBouncer to run behind', () => {
        throw new Error(missing);
      });
    } else it(`did not run: ${missing}`);
  });
}

function isInstalled(): boolean {
  try {
    execFileSync('pgbouncer', ['--version'], { env: environment, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Starts one that lets everybody in. @param changed settings, beside its defaults and transaction mode */
export async function startPgbouncer(
  server: TestPostgres,
  changed: Record<string, string | number> = {},
): Promise<TestPgbouncer> {
  const directory = mkdtempSync(join(tmpdir(), 'dockhook-pgbouncer-'));
  const user = serverUser();
  const port = await freePort();
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'trust',
    auth_file: join(directory, 'users.txt'),
    pool_mode: 'transaction',
    ...changed,
  };
  const { hostname, port: serverPort } = new URL(server.url);
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  const configuration = join(directory, 'pgbouncer.ini');
  writeFileSync(
    configuration,
    `[databases]\n* = host=${hostname} port=${serverPort}\n[pgbouncer]\n${lines.join('\n')}\n`,
  );
  writeFileSync(settings.auth_file, '"postgres" "x"\n"role" "x"\n');
  if (user !== undefined) {
    for (const path of [directory, configuration, settings.auth_file]) chownSync(path, user.uid, user.gid);
  }
  const child = spawn('pgbouncer', [configuration], {
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...user,
  });
  const ended = once(child, 'exit');
  let log = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      if (log.includes('process up')) resolve();
    });
    child.once('exit', (code) => {
      reject(new Error(`pgbouncer ended with code ${code}:\n${log}`));
    });
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const url = new URL(server.url);
  url.port = String(port);
  return {
    url: url.href,
    log: () => log,
    async stop() {
      kill();
      await ended;
      process.off('exit', kill);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
