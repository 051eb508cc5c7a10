import { setTimeout as pause } from 'node:timers/promises';

/** Asks now and then until it is so, for what nobody tells: a loop without a pause would take the core that it waits for. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pause(10);
}
