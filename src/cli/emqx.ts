/** `dockhook emqx …`: configures EMQX for dockhook, and asks it how it stands. */
import type { Command } from 'commander';

export function addEmqxCommand(program: Command): void {
  program.command('emqx').description('configure EMQX for dockhook, and see how it stands');
}
