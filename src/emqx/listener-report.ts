/** What `serve` tells its log and its metrics about EMQX's listeners: each change, and now and then what has not changed. */
import { command } from '../command.js';
import { messageOf } from '../errors.js';
import type { Round } from './listener-gate.js';
import { closedOn } from './listeners.js';

/** The same is logged again after this, in milliseconds. */
const SAY_AGAIN_MS = 60_000;
/** Two lines are at least this far apart, in milliseconds. */
const SAY_MS = 1000;

/** Writes one line. */
export type LogLine = (
  level: 'info' | 'warn' | 'error',
  line: { event: string } & Record<string, unknown>,
) => void;

export interface ListenerReportOptions {
  /** EMQX's ids of the listeners that dockhook opens. */
  listeners: readonly string[];
  log: LogLine;
  /** How many of `listeners` are not known to run on every node. */
  onClosed: (count: number) => void;
  onOpened: (listener: string) => void;
}

interface ListenerReport {
  /** What the gate found and did. */
  round(round: Round): void;
  /** EMQX did not answer, or refused the key. */
  notReached(error: unknown): void;
}

export function createListenerReport({
  listeners,
  log,
  onClosed,
  onOpened,
}: ListenerReportOptions): ListenerReport {
  let saidOpen = false;
  let said = { text: '', at: -Infinity };

  function say(level: 'warn', event: string, detail: string): void {
    const since = performance.now() - said.at;
    if (since < (said.text === detail ? SAY_AGAIN_MS : SAY_MS)) return;
    said = { text: detail, at: performance.now() };
    log(level, { event, detail });
  }

  return {
    round({ opened, stopped, waitingFor, listeners: listed = [], nodes }) {
      for (const listener of opened) {
        onOpened(listener);
        log('info', { event: 'emqx_listener_opened', listener });
      }
      const running = listed
        .filter((listener) => opened.includes(listener.id) || closedOn(listener, nodes).length === 0)
        .map(({ id }) => id);
      onClosed(listeners.filter((id) => !running.includes(id)).length);
      if (waitingFor !== undefined) say('warn', 'emqx_listeners_closed', waitingFor);
      else if (stopped.length > 0) say('warn', 'emqx_listeners_stopped', stoppedText(stopped));
      const isOpen = waitingFor === undefined && opened.length === 0 && stopped.length === 0;
      if (isOpen && !saidOpen) log('info', { event: 'emqx_listeners_open', listeners });
      if (isOpen) said = { text: '', at: -Infinity };
      saidOpen = isOpen;
    },
    notReached(error) {
      saidOpen = false;
      onClosed(listeners.length);
      say('warn', 'emqx_not_reached', messageOf(error));
    },
  };
}

function stoppedText(ids: readonly string[]): string {
  return `${ids.join(', ')} ran, and somebody stopped it: it stays closed until EMQX starts again, or ${command('emqx', 'open', '--emqx-listeners', ids.join(','))}`;
}
