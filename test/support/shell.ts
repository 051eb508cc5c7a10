/** A shell that stays, for commands as a person types them: settings and background jobs last from one to the next. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';

export interface ShellResult {
  code: number;
  /** What it wrote to stdout and stderr, in order. */
  output: string;
}

export interface Shell {
  run(command: string): Promise<ShellResult>;
  /** Ends the shell and its background jobs. */
  close(): Promise<void>;
}

/** Starts bash with exactly this environment. */
export function startShell(environment: Record<string, string>, cwd: string): Shell {
  const mark = `end-of-command-${randomBytes(8).toString('hex')}`;
  const bash = spawn('bash', ['--noprofile', '--norc'], { env: environment, cwd, stdio: 'pipe' });
  const exit = once(bash, 'exit');
  let text = '';
  let look = (): void => undefined;
  for (const stream of [bash.stdout, bash.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      look();
    });
  }
  bash.stdin.write('exec 2>&1\n');

  return {
    async run(command) {
      text = '';
      const ended = new Promise<ShellResult>((resolve) => {
        look = () => {
          const found = new RegExp(`\\n${mark} (\\d+)\\n`).exec(text);
          if (found) resolve({ code: Number(found[1]), output: text.slice(0, found.index) });
        };
      });
      // A command must not read what follows it here.
      bash.stdin.write(`{ ${command}\n} </dev/null\nprintf '\\n${mark} %s\\n' $?\n`);
      return await Promise.race([
        ended,
        exit.then(() => {
          throw new Error(`the shell ended in: ${command}\n${text}`);
        }),
      ]);
    },
    async close() {
      // Exit code and time of the jobs are nobody's business here; those that do not end are not waited for.
      bash.stdin.end('kill $(jobs -p)\nwait\nexit\n');
      await exit;
    },
  };
}
