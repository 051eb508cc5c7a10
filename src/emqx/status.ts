/** How an EMQX stands towards dockhook: whether every node asks it, and whether docks can come in. */
import { command } from '../command.js';
import { DockhookError } from '../errors.js';
import { printableUrl } from '../text.js';
import { answers, type Hook, type ListedListener, type Node, type Provider } from './api-answers.js';
import type { EmqxApi } from './api.js';
import { closedOn, isForDocks, isRunning } from './listeners.js';
import { differenceText, hookDifference, type AskedFor } from './mounted-hooks.js';
import { whatIsWrong } from './provider.js';
import { faultOfCall, makeTestCall, type TestCall } from './test-call.js';
import { dialectOf, opensBeforeHooks, parseVersion, versionsOf } from './versions.js';

/** What `dockhook emqx status` found; `listeners` are all that EMQX has. */
export interface EmqxStatus {
  provider: Provider;
  hooks: Hook[];
  /** Where the provider stands among all, from 1. */
  position: number;
  providers: number;
  nodes: { node: string; version: string; dialect: string; status: string }[];
  /** How many nodes run. */
  running: number;
  listeners: ListenerState[];
  /** Undefined if EMQX says itself that it does not ask: then there is nothing to try. */
  call: TestCall | undefined;
  /** How its hooks differ from those that dockhook asks for, in one line; undefined if they do not. */
  outdated: string | undefined;
  /** Why docks cannot come in, in one line, and as a text that says what to do. */
  fault: { problem: string; text: string } | undefined;
}

/** A listener, and the running nodes on which it is closed. */
export interface ListenerState {
  id: string;
  bind: string;
  /** Nodes on which it does not run. */
  closedOn: string[];
  /** Whether dockhook is to open it. */
  ours: boolean;
}

/**
 * @param ours ids of the listeners that dockhook is to open
 * @param asked settings by which dockhook asks for more hooks
 * @throws DockhookError `not_found` if EMQX has no such provider
 */
export async function readStatus(
  api: EmqxApi,
  { provider: name, ours, asked }: { provider: string; ours: readonly string[]; asked: AskedFor },
): Promise<EmqxStatus> {
  const nodes = await api.get('/nodes', answers.nodes);
  const providers = await api.get('/exhooks', answers.providers);
  const provider = providers.find((one) => one.name === name);
  if (!provider) throw noProvider(api, name, providers);
  const hooks =
    (await api.find(`/exhooks/${encodeURIComponent(name)}/hooks`, answers.hooks)) ?? provider.hooks;
  const said = whatIsWrong(provider);
  const call = said === undefined ? await makeTestCall(api, provider) : undefined;
  const listed = await api.get('/listeners', answers.listeners);
  const listeners = listed.map((listener) => stateOf(listener, nodes, ours));
  const difference =
    said === undefined
      ? hookDifference(provider.hooks, { ...asked, versions: versionsOf(nodes) })
      : undefined;
  const wrong = said ?? (call && faultOfCall(call));
  return {
    provider,
    hooks,
    position: providers.indexOf(provider) + 1,
    providers: providers.length,
    nodes: nodes.map((node) => ({ ...versionOf(node), status: statusOn(node, provider) })),
    running: nodes.filter(isRunning).length,
    listeners,
    call,
    outdated: difference && differenceText(difference),
    fault: wrong === undefined ? closedFault(listeners, nodes) : notAsked(wrong, provider, call),
  };
}

function noProvider(api: EmqxApi, name: string, others: readonly Provider[]): DockhookError {
  const names = others.map((one) => `"${one.name}"`).join(', ');
  return new DockhookError(
    'not_found',
    `EMQX at ${api.address} has no provider "${name}" and does not ask dockhook: ${command('emqx', 'register')}` +
      (others.length > 0 ? `; it has ${names} (--name)` : ''),
  );
}

function stateOf(listener: ListedListener, nodes: readonly Node[], ours: readonly string[]): ListenerState {
  const { id, bind = '' } = listener;
  return { id, bind: String(bind), closedOn: closedOn(listener, nodes), ours: ours.includes(id) };
}

function versionOf({ node, version = 'unknown' }: Node): { node: string; version: string; dialect: string } {
  const parsed = parseVersion(version);
  return { node, version, dialect: parsed ? dialectOf(parsed) : 'unknown' };
}

function statusOn({ node }: Node, provider: Provider): string {
  return provider.node_status.find((one) => one.node === node)?.status ?? 'unknown';
}

function notAsked(problem: string, provider: Provider, call: TestCall | undefined): EmqxStatus['fault'] {
  if (call?.kind === 'untried') return { problem, text: problem };
  const text =
    `EMQX does not ask dockhook: ${problem}. Check that dockhook runs, and that EMQX's machine reaches it at ` +
    `${printableUrl(provider.url)}; if that address is wrong: ${command('emqx', 'register', '--exhook', 'URL')}`;
  return { problem, text };
}

/** Why docks cannot connect though EMQX asks dockhook; undefined if they can. */
function closedFault(listeners: readonly ListenerState[], nodes: readonly Node[]): EmqxStatus['fault'] {
  const fault = (problem: string, advice: string): EmqxStatus['fault'] => ({
    problem,
    text: `EMQX asks dockhook, but ${problem}. ${advice}`,
  });
  const ours = listeners.filter((state) => state.ours);
  const closed = ours.filter((state) => state.closedOn.length > 0);
  if (closed.length > 0) {
    return fault(
      closed.map((state) => `${state.id} is closed on ${state.closedOn.join(', ')}`).join('; '),
      'dockhook serve opens them if DOCKHOOK_EMQX_URL and DOCKHOOK_EMQX_LISTENERS are set for it; ' +
        `${command('emqx', 'open', '--emqx-listeners', closed.map(({ id }) => id).join(','))} does it by hand`,
    );
  }
  // Where EMQX opens its listeners itself, an operator may have closed them on purpose.
  const isKeptClosed = nodes.some(({ version = '' }) => opensBeforeHooks(parseVersion(version) ?? [0, 0, 0]));
  const running = nodes.filter(isRunning).length;
  const areClosed = listeners.filter(isForDocks).every((state) => state.closedOn.length >= running);
  if (ours.length > 0 || !isKeptClosed || !areClosed) return undefined;
  return fault(
    'no tcp or ssl listener is open, and DOCKHOOK_EMQX_LISTENERS names none: no dock can connect',
    `Set it for dockhook serve, or run ${command('emqx', 'open', '--emqx-listeners', 'tcp:default')}`,
  );
}
