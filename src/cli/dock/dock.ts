/** `dockhook dock …`: how each dock came online, or why not. */
import type { Command } from 'commander';
import { addExamples, lazily } from '../options.js';

export function addDockCommand(program: Command): void {
  const dock = program.command('dock').description('how each dock came online, and why not');
  addExamples(
    dock
      .command('list')
      .description('where each dock stands')
      .action(lazily(async () => (await import('./show.js')).listDocks)),
    'dockhook dock list',
    'dockhook --json dock list',
  );
  addExamples(
    dock
      .command('show <sn>')
      .description('the story of one dock, what is wrong, and what to do')
      .option('--limit <n>', 'how many entries of the story to show, the newest', '40')
      .action(lazily(async () => (await import('./show.js')).showDock)),
    'dockhook dock show 7CTDTEST00000A',
    'dockhook dock show 7CTDTEST00000A --limit 200',
  );
}
