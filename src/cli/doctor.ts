/** `dockhook doctor`: finds what an operator got wrong. */
import type { Command } from 'commander';

export function addDoctorCommand(program: Command): void {
  program.command('doctor').description('check everything that can be set up wrong, and say how to mend it');
}
