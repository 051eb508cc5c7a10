/** `dockhook dock …`: the access timelines of docks. */
import type { Command } from 'commander';

export function addDockCommand(program: Command): void {
  program.command('dock').description('how each dock came online, and why not');
}
