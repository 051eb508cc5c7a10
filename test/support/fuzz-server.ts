/**
 * dockhook in a process of its own, on memory stores, to be shot at: `startFuzzServer` forks this very file.
 * In the child, a message of any kind asks for what memory is in use.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readdirSync, readlinkSync } from 'node:fs';
import { devNull } from 'node:os';
import { fileURLToPath } from 'node:url';
import { startApp } from '../../src/app.js';
import { readConfig } from '../../src/config.js';
import { createLog } from '../../src/observability/log.js';
import { createMetrics } from '../../src/observability/metrics.js';
import { withMemory } from '../../src/stores/remembered-stores.js';
import { openFakeStores } from './fake-stores.js';

export const DOCK = { username: 'dock', clientId: '7CTDFUZZ1A' };
export const ORGANIZATION = { id: 'north', name: 'North yard', bindingCode: 'K7Q2-north' };

export interface Memory {
  rss: number;
  heapUsed: number;
  external: number;
}

export interface FuzzServer {
  /** `host:port` of ExHook. */
  grpc: string;
  /** How it ended; `undefined` while it lives. */
  ended(): string | undefined;
  /** How many sockets it has open. */
  sockets(): number;
  /** What it holds after a garbage collection, in bytes. */
  memory(): Promise<Memory>;
  /** Ends it as SIGTERM does. */
  stop(): Promise<void>;
}

const THIS_FILE = fileURLToPath(import.meta.url);

export interface FuzzServerOptions {
  environment?: Record<string, string>;
  keepaliveMs?: number;
}

export async function startFuzzServer(options: FuzzServerOptions = {}): Promise<FuzzServer> {
  const child = fork(THIS_FILE, [JSON.stringify(options)], {
    execArgv: ['--import', 'tsx', '--expose-gc'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  let ended: string | undefined;
  const exited = once(child, 'exit').then(([code, signal]) => {
    ended = `exit code ${String(code)}, signal ${String(signal)}: ${stderr}`;
    throw new Error(`the server ended, ${ended}`);
  });
  exited.catch(() => undefined);
  const next = async (): Promise<unknown> => {
    const [message] = (await Promise.race([once(child, 'message'), exited])) as [unknown];
    return message;
  };
  const grpc = (await next()) as string;
  return {
    grpc,
    ended: () => ended,
    sockets: () => socketsOf(child.pid ?? 0),
    async memory() {
      child.send('memory');
      return (await next()) as Memory;
    },
    async stop() {
      if (ended === undefined) child.disconnect();
      await exited.catch(() => undefined);
    },
  };
}

function socketsOf(pid: number): number {
  const directory = `/proc/${pid}/fd`;
  const isSocket = (fd: string): boolean => {
    try {
      return readlinkSync(`${directory}/${fd}`).startsWith('socket:');
    } catch {
      // Closed since the directory was read.
      return false;
    }
  };
  return readdirSync(directory).filter(isSocket).length;
}

async function serve({ environment, ...parts }: FuzzServerOptions): Promise<void> {
  const stores = openFakeStores();
  const passwordHash = '$dockhook-sha256$salt$digest';
  const scope = { kind: 'gateways' as const, gateways: [DOCK.clientId] };
  await stores.accounts.add({ name: DOCK.username, passwordHash, scope });
  await stores.organizations.add(ORGANIZATION);
  await stores.license.set({ appId: '166400', appKey: 'not a key', appLicense: 'not a license'.repeat(100) });
  const config = readConfig({
    DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0',
    DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0',
    ...environment,
  });
  const log = createLog(config.logLevel, createWriteStream(devNull));
  const app = await startApp(config, { stores: withMemory(stores), metrics: createMetrics(), log, ...parts });
  await app.ready;
  process.on('message', () => {
    gc?.();
    process.send?.(process.memoryUsage());
  });
  process.on('disconnect', () => void app.stop().then(() => process.exit(0)));
  process.send?.(app.grpc);
}

if (process.argv[1] === THIS_FILE) {
  await serve(JSON.parse(process.argv[2] ?? '{}') as FuzzServerOptions);
}
