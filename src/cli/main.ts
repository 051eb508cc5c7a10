#!/usr/bin/env node
/** The `dockhook` command: runs what the command line says, and ends with its exit code. */
import { CommanderError } from 'commander';
import { DockhookError } from '../errors.js';
import { reportError } from './output.js';
import { createProgram } from './program.js';

const json = process.argv.includes('--json');

/** Options that take any number of values. */
const MANY = new Set(['--gateway', '--publish', '--subscribe']);

/** Aborted when the reader of stdout has left (`dockhook … | head`), and a command that stays up is stopped for it. */
const stopped = new AbortController();

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') {
    const text = `standard output cannot be written: ${error.message}`;
    process.exitCode = reportError(new DockhookError('failed', text), json);
  }
  if (process.listenerCount('SIGINT') === 0) return;
  if (error.code === 'EPIPE') stopped.abort();
  process.kill(process.pid, 'SIGINT');
});
// Nobody is left to read it.
process.stderr.on('error', () => undefined);

try {
  await createProgram({ json }).parseAsync();
} catch (error) {
  // Commander throws for --help and --version too, with exit code 0.
  const isDone = error instanceof CommanderError && error.exitCode === 0;
  // A reader who takes the first lines and leaves has what they want.
  if (!isDone && !isBrokenPipe(error)) {
    process.exitCode = stopped.signal.aborted ? 1 : reportError(asUsage(error), json);
  }
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE';
}

/** Commander's own errors in our words. */
function asUsage(error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  const swallowed = error.code === 'commander.missingArgument' && process.argv.some((word) => MANY.has(word));
  const hint = swallowed ? `; write it before ${[...MANY].join(', ')}, which take all words that follow` : '';
  const message = error.message.replace(/^error: /, '').replace(/^\(outputHelp\)$/, 'say which command');
  return new DockhookError('usage', `${message}${hint} (--help shows the options)`);
}
