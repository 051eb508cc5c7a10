/** The built `dockhook` command as a process, the way its users run it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

let bin: string | undefined;

/** A folder for the path with `dockhook` in it, as a global install makes one. */
export function binFolder(): string {
  if (bin !== undefined) return bin;
  if (!existsSync(MAIN)) throw new Error('dist/ is missing: npm run build');
  const folder = mkdtempSync(join(tmpdir(), 'dockhook-bin-'));
  process.on('exit', () => {
    rmSync(folder, { recursive: true });
  });
  chmodSync(MAIN, 0o755);
  symlinkSync(MAIN, join(folder, 'dockhook'));
  return (bin = folder);
}

export interface Result {
  /** Exit code; null if a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  environment?: Record<string, string>;
  input?: string;
  /** Closes the reading end of stdout at once, as `| true` does. */
  closeStdout?: boolean;
  cwd?: string;
  /** A file descriptor to write to, in place of a pipe that can be read here. */
  stdout?: number;
}

function start(args: string[], { environment = {}, cwd, stdout }: RunOptions): ChildProcess {
  const { PATH = '', HOME = '' } = process.env;
  // Nothing of the tester's own settings may leak in.
  return spawn(process.execPath, [join(binFolder(), 'dockhook'), ...args], {
    env: { PATH: `${binFolder()}:${PATH}`, HOME, ...environment },
    stdio: ['pipe', stdout ?? 'pipe', 'pipe'],
    ...(cwd ? { cwd } : {}),
  });
}

/** Runs a command to its end. */
export async function run(args: string[], options: RunOptions = {}): Promise<Result> {
  const child = start(args, options);
  let [stdout, stderr] = ['', ''];
  if (options.closeStdout) child.stdout?.destroy();
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  // A command that refuses its arguments ends before it reads.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

export interface Running {
  pid: number;
  /** Stays open until it is ended. */
  stdin: Writable;
  /** Every line of stdout so far. */
  lines: string[];
  stderr(): string;
  /** The first line of stdout, past or to come, that `wanted` accepts. Rejects if the process ends first. */
  line(wanted: (line: string) => boolean): Promise<string>;
  /** The first JSON line with this `event`. */
  event(name: string): Promise<Record<string, unknown>>;
  /** Signals it, and resolves to its exit code when it is gone. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts a command that stays up. */
export function startCommand(args: string[], options: RunOptions = {}): Running {
  const child = start(args, options);
  const lines: string[] = [];
  let stderr = '';
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const check of waiting) check();
  };
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      wake();
    });
  }
  const closed = once(child, 'close').then(([code]) => {
    wake();
    return code as number | null;
  });
  let ended = false;
  void closed.then(() => {
    ended = true;
    wake();
  });

  const line = (wanted: (line: string) => boolean): Promise<string> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const found = lines.find(wanted);
        if (found === undefined && !ended) return;
        waiting.delete(check);
        if (found !== undefined) resolve(found);
        else reject(new Error(`the process ended first:\n${lines.join('\n')}\n${stderr}`));
      };
      waiting.add(check);
      check();
    });

  return {
    pid: child.pid ?? 0,
    stdin: child.stdin!,
    lines,
    stderr: () => stderr,
    line,
    event: async (name) =>
      JSON.parse(await line((l) => l.includes(`"event":"${name}"`))) as Record<string, unknown>,
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return closed;
    },
  };
}
