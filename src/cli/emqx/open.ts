/** `dockhook emqx open`: opens the listeners of EMQX by hand. */
import { EMQX_CONFIG, EMQX_STATUS } from '../../fixes.js';
import type { Command } from 'commander';
import { DockhookError } from '../../errors.js';
import { apiOf, waitOf } from './api.js';
import { configOf, wantsJson } from '../options.js';
import { print, printJson, say } from '../output.js';

/** Waits until every node of EMQX asks dockhook. Rejects with `usage` if no listener is named. */
export async function openListeners(
  options: { name?: string; wait: string },
  command: Command,
): Promise<void> {
  const { emqxListeners: listeners, emqxProvider } = configOf(command);
  const waitMs = waitOf(options.wait);
  if (listeners.length === 0) {
    throw new DockhookError(
      'usage',
      'say which listeners: --emqx-listeners tcp:default,ssl:default, or DOCKHOOK_EMQX_LISTENERS. ' +
        `${EMQX_CONFIG} prints those that it closes; ${EMQX_STATUS} shows all`,
    );
  }
  const api = await apiOf(command);
  const { openListeners: open } = await import('../../emqx/open-listeners.js');
  const json = wantsJson(command);
  const opened = await open(api, {
    listeners,
    provider: options.name ?? emqxProvider,
    waitMs,
    onWait: (waitingFor) => {
      if (process.stderr.isTTY && !json) say(`waiting: ${waitingFor}`);
    },
  });
  if (json) printJson({ listeners, opened });
  else if (opened.length === 0) print(`${listeners.join(', ')}: open already`);
  else print(`opened ${opened.join(', ')}: every node of EMQX asks dockhook`);
}
