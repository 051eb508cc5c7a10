/** `dockhook serve`: the ExHook server. */
import type { Command } from 'commander';
import { addSettingFlags, configOf } from './options.js';

export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .description('answer the broker: PostgreSQL from DATABASE_URL, else an embedded database')
    .action(async (_options: unknown, self: Command) => {
      // Loaded only now: the other commands need no server and start in half the time.
      const { serve } = await import('./server.js');
      await serve(configOf(self));
    });
  addSettingFlags(command);
}
