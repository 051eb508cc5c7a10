/** `dockhook dock …`: how each dock came online, or why it is not. */
import type { Command } from 'commander';
import { addExamples, lazily } from '../options.js';

export function addDockCommand(program: Command): void {
  const dock = program.command('dock').description('how each dock came online, or why it is not');
  addExamples(
    dock
      .command('list')
      .description('the state of each dock')
      .action(lazily(async () => (await import('./list.js')).listCommand)),
    'dockhook dock list',
    'dockhook --json dock list',
  );
  addExamples(
    dock
      .command('show <sn>')
      .description('one dock: what it did, what is wrong, and how to fix it')
      .option('--limit <n>', 'how many of the newest entries to show', '40')
      .action(lazily(async () => (await import('./show.js')).showCommand)),
    'dockhook dock show 7CTDTEST00000A',
    'dockhook dock show 7CTDTEST00000A --limit 200',
  );
}
