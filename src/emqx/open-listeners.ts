/** Opens listeners of EMQX once every node asks dockhook, and waits for that. `serve` does it for ever: listener-watch.ts. */
import { setTimeout as pause } from 'node:timers/promises';
import { DockhookError, messageOf } from '../errors.js';
import { statusOf, type EmqxApi } from './api.js';
import { createGate } from './listener-gate.js';
import { unknownText } from './listeners.js';

/** Between two looks, in milliseconds. */
const LOOK_MS = 200;

/**
 * @param options.onWait told what keeps them closed, whenever that changes
 * @returns ids of the listeners that it opened; the others were open
 * @throws DockhookError `not_found` if EMQX has no such listener, `failed` if not all are open in time
 */
export async function openListeners(
  api: EmqxApi,
  options: {
    listeners: readonly string[];
    provider: string;
    waitMs: number;
    onWait: (waitingFor: string) => void;
  },
): Promise<string[]> {
  const { listeners, provider, waitMs, onWait } = options;
  const deadline = performance.now() + waitMs;
  const gate = createGate({ listeners, provider });
  const opened = new Set<string>();
  let said: string | undefined;
  for (;;) {
    // While a node boots, EMQX may not answer. If it refuses the key, it will refuse it again.
    const round = await gate.round(api).catch((error: unknown) => {
      if ([401, 403].includes(statusOf(error) ?? 0)) throw error;
      return { opened: [], unknown: [], listeners: [], waitingFor: messageOf(error) };
    });
    for (const id of round.opened) opened.add(id);
    if (round.unknown.length > 0) {
      const done = opened.size > 0 ? `opened ${[...opened].join(', ')}, but ` : '';
      throw new DockhookError('not_found', done + unknownText(round.unknown, round.listeners ?? []));
    }
    const { waitingFor } = round;
    if (waitingFor === undefined && round.opened.length === 0) return [...opened];
    if (performance.now() >= deadline) {
      const why = waitingFor ?? 'they were started, and do not run yet';
      throw new DockhookError('failed', `not all of ${listeners.join(', ')} are open: ${why}`);
    }
    if (waitingFor !== undefined && waitingFor !== said) onWait(waitingFor);
    said = waitingFor;
    await pause(LOOK_MS);
  }
}
