/**
 * A real Mosquitto with the plugin of `deploy/mosquitto`, which is built when it is first asked for. Wrap tests in
 * `describeWithMosquitto`: where there is no broker or no compiler, it says what did not run, and fails if CI=true.
 *
 * The broker is the installed one, or the program that TEST_MOSQUITTO names.
 */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePorts } from './haproxy.js';

const SOURCE = fileURLToPath(new URL('../../deploy/mosquitto', import.meta.url));
const BUILD = join(SOURCE, 'build');
/** The built plugin. */
export const PLUGIN = join(BUILD, 'mosquitto_dockhook.so');

/** Debian has the broker where only root looks. Nobody's proxy may get between broker and server. */
const environment = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` };

const BROKER = process.env['TEST_MOSQUITTO'] ?? 'mosquitto';

const BUILD_TIMEOUT_MS = 600_000;

export interface MosquittoOptions {
  /** `host:port` of the ExHook server. */
  exhook: string;
  /** More `plugin_opt_…` lines, without that prefix. */
  options?: Record<string, string | number>;
  /** Lines in front of the listener's. */
  settings?: string[];
  /** In place of `listener PORT 127.0.0.1`; the port is added. */
  listener?: (port: number) => string[];
  /** Do not wait until the ExHook server serves. */
  alone?: boolean;
}

export interface TestMosquitto {
  /** `mqtt://127.0.0.1:port` */
  url: string;
  port: number;
  pid: number;
  /** Everything it logged so far. */
  log(): string;
  /** The first line that it logs from now on, or has logged since the last such call, with these texts in it. */
  says(...texts: string[]): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** SIGTERM; its exit code. */
  stop(): Promise<number | null>;
}

/** A suite that needs Mosquitto and its plugin. */
export function describeWithMosquitto(title: string, body: (this: Mocha.Suite) => void): void {
  const missing = [BROKER, 'cmake', 'c++'].filter((tool) => !isInstalled(tool));
  if (missing.length === 0) {
    describe(title, function () {
      before('build the plugin', async function () {
        this.timeout(BUILD_TIMEOUT_MS);
        await buildPlugin();
      });
      // What a test that failed has left.
      after(() => {
        for (const broker of running) broker.kill('SIGKILL');
      });
      body.call(this);
    });
    return;
  }
  const why = `not installed: ${missing.join(', ')} (deploy/mosquitto/README.md names the packages)`;
  console.warn(`\n*** NOT TESTED: ${title}\n*** ${why}\n`);
  describe(title, () => {
    if (process.env['CI'] === 'true') {
      it('has a Mosquitto to run with', () => {
        throw new Error(why);
      });
    } else it(`did not run: ${why}`);
  });
}

/** Whether this machine has a program. */
export function isInstalled(tool: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`], { env: environment, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const running = new Set<ChildProcess>();

let built: Promise<void> | undefined;

function buildPlugin(): Promise<void> {
  return (built ??= build());
}

async function build(): Promise<void> {
  const run = promisify(execFile);
  if (!existsSync(BUILD)) await run('cmake', ['-S', SOURCE, '-B', BUILD]);
  await run('cmake', ['--build', BUILD, '--parallel'], { maxBuffer: 2 ** 26 });
}

/** Starts a broker on a free port; resolves when it serves and, unless told otherwise, has reached the server. */
export async function startMosquitto(options: MosquittoOptions): Promise<TestMosquitto> {
  const { exhook, settings = [], alone = false } = options;
  const [port = 0] = await freePorts(1);
  const listener = options.listener ?? ((free) => [`listener ${free} 127.0.0.1`]);
  const pluginOptions = Object.entries({ url: `http://${exhook}`, ...options.options });
  const broker = runMosquitto([
    'per_listener_settings false',
    ...settings,
    'allow_anonymous false',
    'set_tcp_nodelay true',
    ...(process.getuid?.() === 0 ? ['user root'] : []),
    ...listener(port),
    `plugin ${PLUGIN}`,
    ...pluginOptions.map(([key, value]) => `plugin_opt_${key} ${value}`),
  ]);
  await broker.says('mosquitto version', ' running');
  if (!alone) await broker.says(' serves');
  return { url: `mqtt://127.0.0.1:${port}`, port, ...broker };
}

/** Starts a broker with these lines and a log that can be read. */
export function runMosquitto(lines: string[]): Omit<TestMosquitto, 'url' | 'port'> & {
  /** Its exit code, when it has ended. */
  exit: Promise<number | null>;
} {
  const directory = mkdtempSync(join(tmpdir(), 'dockhook-mosquitto-'));
  const file = join(directory, 'mosquitto.conf');
  writeFileSync(file, `${['log_dest stderr', 'log_type all', ...lines].join('\n')}\n`);
  const broker = spawn(BROKER, ['-c', file], { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
  const kill = (): void => {
    broker.kill('SIGKILL');
  };
  process.once('exit', kill);
  running.add(broker);
  const logged: string[] = [];
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const check of waiting) check();
  };
  createInterface({ input: broker.stderr }).on('line', (line) => {
    logged.push(line);
    wake();
  });
  let ended = false;
  const exit = once(broker, 'close').then(([code]) => {
    ended = true;
    running.delete(broker);
    process.off('exit', kill);
    rmSync(directory, { recursive: true, force: true });
    wake();
    return code as number | null;
  });

  let read = 0;
  const says = (...texts: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const at = logged.findIndex(
          (line, index) => index >= read && texts.every((text) => line.includes(text)),
        );
        if (at < 0 && !ended) return;
        waiting.delete(check);
        const line = logged[at];
        if (line === undefined) {
          reject(
            new Error(`the broker ended and did not say "${texts.join('", "')}":\n${logged.join('\n')}`),
          );
          return;
        }
        read = at + 1;
        resolve(line);
      };
      waiting.add(check);
      check();
    });

  return {
    pid: broker.pid ?? 0,
    log: () => logged.join('\n'),
    says,
    signal: (name) => broker.kill(name),
    stop() {
      broker.kill('SIGTERM');
      return exit;
    },
    exit,
  };
}
