/** The listeners of EMQX: `dockhook emqx open` opens them by hand, `emqx status` shows them. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import type { ListedListener, Node } from '../../emqx/api-answers.js';
import { DockhookError, messageOf } from '../../errors.js';
import { apiOf, waitOf } from './api.js';
import { addExamples, addSettingFlags, configOf, wantsJson } from '../options.js';
import { print, printJson, printTable, say } from '../output.js';

/** A dead node is waited for for a minute; in seconds. */
const WAIT_S = '90';
/** Between two looks, in milliseconds. */
const LOOK_MS = 200;

export function addOpenCommand(emqx: Command): void {
  const open = emqx
    .command('open')
    .description(
      'open the listeners of EMQX that DOCKHOOK_EMQX_LISTENERS names, once every node asks dockhook',
    )
    .option('--name <name>', 'name of the provider in EMQX (default: dockhook)')
    .option('--wait <seconds>', 'how long to wait for the nodes', WAIT_S)
    .addHelpText(
      'after',
      '\ndockhook serve does the same by itself, again and again. A node that is stopped is waited for for a minute; ' +
        'one that never comes back is best taken out of the cluster (emqx ctl cluster force-leave NODE).',
    )
    .action(openListeners);
  addExamples(
    addSettingFlags(open, ['emqxUrl', 'emqxApiKeyFile', 'emqxApiSecretFile', 'emqxListeners']),
    'dockhook emqx open --emqx http://127.0.0.1:18083 --emqx-listeners tcp:default,ssl:default',
  );
}

async function openListeners(options: { name?: string; wait: string }, command: Command): Promise<void> {
  const { emqxListeners: listeners, emqxProvider } = configOf(command);
  const deadline = performance.now() + waitOf(options.wait);
  if (listeners.length === 0) {
    throw new DockhookError(
      'usage',
      'say which listeners: --emqx-listeners tcp:default,ssl:default, or DOCKHOOK_EMQX_LISTENERS. dockhook emqx ' +
        'config printed those that it closed; dockhook emqx status shows all',
    );
  }
  const api = await apiOf(command);
  const { createGate, unknownText } = await import('../../emqx/listener-gate.js');
  const { statusOf } = await import('../../emqx/api.js');
  const json = wantsJson(command);
  const gate = createGate({ listeners, provider: options.name ?? emqxProvider });
  const opened = new Set<string>();
  let said: string | undefined;
  for (;;) {
    // While a node boots, EMQX may not answer; a key that it refuses, it will refuse again.
    const round = await gate.round(api).catch((error: unknown) => {
      if ([401, 403].includes(statusOf(error) ?? 0)) throw error;
      return { opened: [], unknown: [], listeners: [], waitingFor: messageOf(error) };
    });
    for (const id of round.opened) opened.add(id);
    if (round.unknown.length > 0) {
      const done = opened.size > 0 ? `opened ${[...opened].join(', ')}, but ` : '';
      throw new DockhookError('not_found', done + unknownText(round.unknown, round.listeners ?? []));
    }
    if (round.waitingFor === undefined && round.opened.length === 0) break;
    if (performance.now() >= deadline) {
      throw new DockhookError(
        'failed',
        `not all of ${listeners.join(', ')} are open: ${round.waitingFor ?? 'they were started, and do not run yet'}`,
      );
    }
    if (round.waitingFor !== said && round.waitingFor !== undefined && process.stderr.isTTY && !json)
      say(`waiting: ${round.waitingFor}`);
    said = round.waitingFor;
    await pause(LOOK_MS);
  }
  if (json) printJson({ listeners, opened: [...opened] });
  else if (opened.size === 0) print(`${listeners.join(', ')}: open already`);
  else print(`opened ${[...opened].join(', ')}: every node of EMQX asks dockhook`);
}

export interface ListenerState {
  id: string;
  bind: string;
  /** Nodes on which it does not run. */
  closedOn: string[];
  /** Whether dockhook is to open it. */
  ours: boolean;
}

/** @param ours ids that dockhook is to open */
export async function listenerStates(
  listed: readonly ListedListener[],
  nodes: readonly Node[],
  ours: readonly string[],
): Promise<ListenerState[]> {
  const { closedOn } = await import('../../emqx/listener-gate.js');
  return listed.map((listener) => ({
    id: listener.id,
    bind: String(listener.bind ?? ''),
    closedOn: closedOn(listener, nodes),
    ours: ours.includes(listener.id),
  }));
}

export interface ClosedDoors {
  problem: string;
  mend: string;
}

/**
 * Why docks cannot connect though EMQX asks dockhook; undefined if they can.
 * @param running how many nodes run
 * @param isKeptClosed whether it is an EMQX whose listeners our configuration closes
 */
export async function closedDoors(
  states: readonly ListenerState[],
  { running, isKeptClosed }: { running: number; isKeptClosed: boolean },
): Promise<ClosedDoors | undefined> {
  const { isForDocks } = await import('../../emqx/listener-gate.js');
  const ours = states.filter((state) => state.ours);
  const closed = ours.filter(({ closedOn }) => closedOn.length > 0);
  if (closed.length > 0) {
    return {
      problem: closed.map(({ id, closedOn }) => `${id} is closed on ${closedOn.join(', ')}`).join('; '),
      mend:
        'dockhook serve opens them if DOCKHOOK_EMQX_URL and DOCKHOOK_EMQX_LISTENERS are set for it; dockhook emqx open ' +
        'does it by hand',
    };
  }
  const areClosed = states.filter(isForDocks).every(({ closedOn }) => closedOn.length >= running);
  if (ours.length > 0 || !isKeptClosed || !areClosed) return undefined;
  return {
    problem: 'no tcp or ssl listener is open, and DOCKHOOK_EMQX_LISTENERS names none: no dock can connect',
    mend: 'Set it for dockhook serve, or run dockhook emqx open --emqx-listeners tcp:default',
  };
}

export function printListeners(states: readonly ListenerState[], nodes: number): void {
  printTable(
    ['LISTENER', 'ADDRESS', 'STATUS', 'OPENED BY'],
    states.map(({ id, bind, closedOn, ours }) => [
      id,
      bind,
      closedOn.length === 0
        ? 'open'
        : closedOn.length >= nodes
          ? 'closed'
          : `closed on ${closedOn.join(', ')}`,
      ours ? 'dockhook' : closedOn.length >= nodes ? '' : 'EMQX',
    ]),
  );
}
