/** `dockhook emqx status`: whether EMQX asks dockhook, and whether docks can come in. */
import { REGISTER } from '../../fixes.js';
import type { Command } from 'commander';
import type { Hook } from '../../emqx/api-answers.js';
import type { EmqxStatus, ListenerState } from '../../emqx/status.js';
import { DockhookError } from '../../errors.js';
import { printableUrl } from '../../text.js';
import { apiOf } from './api.js';
import { summaryOf } from './provider.js';
import { configOf, wantsJson } from '../options.js';
import { print, printFields, printJson, printTable, reportError, style } from '../output.js';

/** May publish one test message, which dockhook drops. The exit code is 1 if docks cannot come in. */
export async function showStatus(options: { name?: string }, command: Command): Promise<void> {
  const api = await apiOf(command);
  const { readStatus } = await import('../../emqx/status.js');
  const asked = configOf(command);
  const { emqxProvider, emqxListeners: ours } = asked;
  const status = await readStatus(api, { provider: options.name ?? emqxProvider, ours, asked });
  const { provider, hooks, nodes, listeners, call, outdated, fault } = status;
  const json = wantsJson(command);
  if (json) {
    printJson({
      ...summaryOf({ ...provider, hooks }),
      nodes,
      call: call?.kind ?? null,
      listeners,
      outdated: outdated ?? null,
      problem: fault?.problem ?? null,
    });
  } else printStatus(api.address, status);
  if (fault) process.exitCode = reportError(new DockhookError('failed', fault.text), json);
}

function printStatus(address: string, status: EmqxStatus): void {
  const { provider, position, providers, nodes, hooks, listeners, running, call, outdated, fault } = status;
  printFields({
    EMQX: address,
    provider: `${provider.name} at ${printableUrl(provider.url)}`,
    position: `${position} of ${providers}`,
    'failed action': provider.failed_action,
    'request timeout': String(provider.request_timeout ?? ''),
  });
  print('');
  printTable(
    ['NODE', 'EMQX', 'EXHOOK', 'STATUS'],
    nodes.map(({ node, version, dialect, status: state }) => [node, version, dialect, state]),
  );
  printHooks(hooks);
  if (outdated !== undefined) {
    print('');
    print(style('yellow', `EMQX goes on with hooks that it got before (${outdated}): ${REGISTER}`));
  }
  print('');
  printListeners(listeners, running);
  print('');
  const answered = call?.kind === 'answered' ? call.nodes : undefined;
  if (answered && !fault)
    print(style('green', `EMQX asks dockhook. A call on ${answered.join(', ')} was answered.`));
  if (answered && answered.length < nodes.length) {
    print('On the other nodes no call was tried. To try one there, give --emqx the address of that node.');
  }
}

function printHooks(hooks: readonly Hook[]): void {
  if (hooks.length === 0) return;
  print('');
  const count = (value: number | undefined): string => (value === undefined ? '' : String(value));
  printTable(
    ['HOOK', 'SUCCEEDED', 'FAILED', 'TOPICS'],
    hooks.map(({ name, metrics, params }) => [
      name,
      count(metrics?.succeed),
      count(metrics?.failed),
      params?.topics?.join(' ') ?? '',
    ]),
  );
}

function printListeners(listeners: readonly ListenerState[], nodes: number): void {
  printTable(
    ['LISTENER', 'ADDRESS', 'STATUS', 'OPENED BY'],
    listeners.map(({ id, bind, closedOn, ours }) => {
      const isClosed = closedOn.length >= nodes;
      const part = closedOn.length === 0 ? 'open' : `closed on ${closedOn.join(', ')}`;
      const opener = isClosed ? '' : 'EMQX';
      return [id, bind, closedOn.length > 0 && isClosed ? 'closed' : part, ours ? 'dockhook' : opener];
    }),
  );
}
