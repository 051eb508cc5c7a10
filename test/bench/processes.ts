/** The processes that a benchmark compares, each on its own: dockhook as built, and helpers of `test/bench`. */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../support/haproxy.js';
import { sum } from './statistics.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
/** Linux counts CPU time in hundredths of a second. */
const MS_PER_TICK = 10;

export interface Measured {
  pid: number;
  /** CPU time used so far by the process as a whole, in milliseconds. */
  cpuMs(): number;
  /** Resident memory, in MiB. */
  rssMb(): number;
  stop(): Promise<void>;
}

export interface Dockhook extends Measured {
  /** The gRPC port. */
  port: number;
  httpPort: number;
  /** Prometheus' figures by their full name, as `dockhook_calls_total{hook="…",outcome="…"}`. */
  metrics(): Promise<Map<string, number>>;
  /** What its objects and buffers take when all garbage is gone, in MiB. Only if started with `collects`. */
  usedMb(): Promise<number>;
}

export interface DockhookOptions {
  environment?: Record<string, string>;
  /** Directory to leave a CPU profile in. */
  profile?: string | undefined;
  /** Can be asked to collect its garbage. */
  collects?: boolean;
  /** Fixed ports, to come back on. */
  ports?: { grpc: number; http: number };
}

/** Runs in dockhook's process: how much of its memory is garbage can only be told from within. */
const COLLECTOR = `
process.on('message', () => {
  gc();
  const { heapUsed, external } = process.memoryUsage();
  process.send({ bytes: heapUsed + external });
});
process.channel.unref();`;

/** Starts `dockhook serve` as its users run it, its log in a file; resolves when `/readyz` says so. */
export async function startDockhook(databaseUrl: string, options: DockhookOptions = {}): Promise<Dockhook> {
  if (!existsSync(MAIN)) throw new Error('dist/ is missing: npm run build');
  const [grpc = 0, http = 0] = options.ports ? [options.ports.grpc, options.ports.http] : await freePorts(2);
  const directory = mkdtempSync(join(tmpdir(), 'dockhook-bench-'));
  const log = openSync(join(directory, 'log'), 'w');
  const profiling = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
  const collecting = options.collects
    ? ['--expose-gc', `--import=data:text/javascript,${encodeURIComponent(COLLECTOR)}`]
    : [];
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [...profiling, ...collecting, MAIN, 'serve'], {
    env: {
      PATH,
      HOME,
      DATABASE_URL: databaseUrl,
      DOCKHOOK_GRPC_LISTEN: `127.0.0.1:${grpc}`,
      DOCKHOOK_HTTP_LISTEN: `127.0.0.1:${http}`,
      ...options.environment,
    },
    stdio: ['ignore', log, log, options.collects ? 'ipc' : 'ignore'],
  });
  closeSync(log);
  // After SIGTERM it would wait for balancers to look elsewhere.
  const measured = measure(child, 'SIGINT', () => {
    rmSync(directory, { recursive: true, force: true });
  });
  while (!(await isReady(http))) {
    if (child.exitCode !== null) {
      throw new Error(
        `dockhook ended with code ${child.exitCode}:\n${readFileSync(join(directory, 'log'), 'utf8')}`,
      );
    }
    await pause(5);
  }
  return {
    ...measured,
    port: grpc,
    httpPort: http,
    metrics: async () => readMetrics(await (await fetch(`http://127.0.0.1:${http}/metrics`)).text()),
    async usedMb() {
      const answered = once(child, 'message') as Promise<[{ bytes: number }]>;
      child.send({});
      return (await answered)[0].bytes / 2 ** 20;
    },
  };
}

async function isReady(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).ok;
  } catch {
    return false;
  }
}

function readMetrics(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** How many calls of a hook it has answered. */
export async function callsOf(dockhook: Dockhook, hook: string): Promise<number> {
  const calls = [...(await dockhook.metrics())].filter(([name]) =>
    name.startsWith(`dockhook_calls_total{hook="${hook}",`),
  );
  return sum(calls.map(([, count]) => count));
}

export interface Helper extends Measured {
  port: number;
  /** Sends a message, and resolves to what the helper answers. */
  tell(message: object | string): Promise<unknown>;
}

/** Starts a file of this directory; it must send `{port}` when it serves, and end with its parent. */
export async function startHelper(file: string, args: string[] = []): Promise<Helper> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv: ['--import', 'tsx'] });
  const gone = once(child, 'exit').then(([code]) => {
    throw new Error(`${file} ended with code ${String(code)}`);
  });
  // Nobody may be waiting when it is stopped.
  gone.catch(() => undefined);
  const answer = async (): Promise<unknown> => {
    const [message] = (await Promise.race([once(child, 'message'), gone])) as [unknown];
    return message;
  };
  const { port } = (await answer()) as { port: number };
  return {
    ...measure(child, 'SIGKILL'),
    port,
    async tell(message) {
      const answered = answer();
      child.send(message);
      return answered;
    },
  };
}

function measure(child: ChildProcess, ending: NodeJS.Signals, clean: () => void = () => undefined): Measured {
  const pid = child.pid!;
  const exit = once(child, 'exit');
  const kill = (): void => {
    child.kill('SIGKILL');
    clean();
  };
  process.once('exit', kill);
  return {
    pid,
    cpuMs() {
      // The fields after the name, which may hold spaces: utime and stime are the 14th and 15th of all.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
      return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
    },
    rssMb() {
      const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      return Number(kib) / 1024;
    },
    async stop() {
      child.kill(ending);
      await exit;
      process.off('exit', kill);
      clean();
    },
  };
}
