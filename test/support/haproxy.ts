/**
 * A real HAProxy with the shipped `deploy/haproxy/haproxy.cfg`; only addresses, user and socket are the test's.
 * Wrap tests in `describeWithHaproxy`: without haproxy it says what did not run, and fails if CI=true.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { describeWithPostgres } from './postgres.js';

export const CONFIGURATION = readFileSync(
  new URL('../../deploy/haproxy/haproxy.cfg', import.meta.url),
  'utf8',
);

/** Debian has it where only root looks. */
const environment = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` };

/** The two servers in the configuration. */
export type ReplicaName = 'a' | 'b';

export interface ReplicaPorts {
  grpc: number;
  http: number;
}

export interface TestHaproxy {
  port: number;
  /** What it logged so far: calls that failed, replicas that went up or down. */
  log(): string;
  /** Resolves when its health checks see the replica in this state. */
  sees(replica: ReplicaName, state: 'UP' | 'DOWN'): Promise<void>;
  stop(): Promise<void>;
}

/** A suite that needs HAProxy, and PostgreSQL for two replicas behind it. */
export function describeWithHaproxy(title: string, body: (this: Mocha.Suite) => void): void {
  if (isInstalled()) {
    describeWithPostgres(title, body);
    return;
  }
  const missing = 'haproxy is not installed (not found in PATH)';
  console.warn(`\n*** NOT TESTED: ${title}\n*** ${missing}\n`);
  describe(title, () => {
    if (process.env['CI'] === 'true') {
      it('has a HAProxy to run behind', () => {
        throw new Error(missing);
      });
    } else it(`did not run: ${missing}`);
  });
}

function isInstalled(): boolean {
  try {
    execFileSync('haproxy', ['-v'], { env: environment, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Ports of 127.0.0.1 that are free now, for servers that must come back on the port they had. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

/** Starts it on this port of 127.0.0.1; resolves when it serves. */
export async function startHaproxy(
  port: number,
  replicas: Record<ReplicaName, ReplicaPorts>,
): Promise<TestHaproxy> {
  const directory = mkdtempSync(join(tmpdir(), 'dockhook-haproxy-'));
  const socket = join(directory, 'stats.sock');
  const file = join(directory, 'haproxy.cfg');
  writeFileSync(file, configuration(port, replicas, socket));
  // Not as a daemon, and without the service manager's settings.
  const haproxy = spawn('haproxy', ['-db', '-f', file], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [haproxy.stdout, haproxy.stderr]) {
    stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
  }
  const exit = once(haproxy, 'exit');
  const kill = (): void => {
    haproxy.kill('SIGKILL');
  };
  process.once('exit', kill);

  const stateOf = async (replica: ReplicaName): Promise<string | undefined> => {
    if (haproxy.exitCode !== null) throw new Error(`haproxy ended with code ${haproxy.exitCode}:\n${log}`);
    // A CSV line: proxy, server, …; the 18th column is the state.
    const lines = (await ask(socket, 'show stat')).split('\n');
    return lines.find((line) => line.startsWith(`dockhook,${replica},`))?.split(',')[17];
  };
  const sees: TestHaproxy['sees'] = async (replica, state) => {
    while ((await stateOf(replica)) !== state) await pause(20);
  };
  // Before its first check a server counts as up; the socket answers once it serves.
  while ((await stateOf('a')) === undefined) await pause(20);
  return {
    port,
    log: () => log,
    sees,
    async stop() {
      kill();
      await exit;
      process.off('exit', kill);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The shipped text with the test's addresses. */
function configuration(port: number, { a, b }: Record<ReplicaName, ReplicaPorts>, socket: string): string {
  const replacements: [shipped: string, ours: string][] = [
    ['bind 127.0.0.1:9100', `bind 127.0.0.1:${port}`],
    ['server a 127.0.0.1:9101 port 9201', `server a 127.0.0.1:${a.grpc} port ${a.http}`],
    ['server b 127.0.0.1:9102 port 9202', `server b 127.0.0.1:${b.grpc} port ${b.http}`],
    ['/run/haproxy/dockhook.sock', socket],
    ['user haproxy\n', '\n'],
    ['group haproxy\n', '\n'],
  ];
  return replacements.reduce((text, [shipped, ours]) => {
    if (text.split(shipped).length !== 2) throw new Error(`haproxy.cfg does not hold "${shipped}" once`);
    return text.replace(shipped, ours);
  }, CONFIGURATION);
}

/** One command to the stats socket; nothing if it is not there yet. */
async function ask(socketPath: string, command: string): Promise<string> {
  const connection = connect(socketPath);
  try {
    await once(connection, 'connect');
    connection.end(`${command}\n`);
    return await text(connection);
  } catch {
    return '';
  }
}
