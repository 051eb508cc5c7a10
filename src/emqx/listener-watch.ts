/**
 * Opens EMQX's listeners when every node asks dockhook, for as long as `serve` runs, and disconnects clients that came in
 * before. It never rejects, each of its calls to EMQX ends in time, and no answer to a broker waits for it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import { answers, type Node } from './api-answers.js';
import { statusOf, type EmqxApi } from './api.js';
import { clientsUntil, disconnect, forEachClient } from './clients.js';
import { closedOn, createGate, isRunning, type Round } from './listener-gate.js';
import { opensBeforeHooks, parseVersion } from './versions.js';

/** Between two looks, in milliseconds: while listeners are closed, at first and later; if EMQX refuses the key; and while all run. */
const CLOSED_MS = 100;
const LONG_CLOSED_MS = 500;
const LONG_MS = 60_000;
const REFUSED_MS = 2000;
const OPEN_MS = 1000;
/** The same is logged again after this, in milliseconds, and no two lines sooner than that. */
const SAY_AGAIN_MS = 60_000;
const SAY_MS = 1000;
/** Only a node that booted this recently is warned of, in milliseconds: one that has no hooks later has lost them. */
const FRESH_MS = 10 * 60_000;
/** A node that asks for hooks later after its boot than this may have had some, in milliseconds. */
const FIRST_HOOKS_MS = 60_000;
/** A node tells this precisely when it booted, in milliseconds. */
const BOOT_MS = 1000;
/** EMQX shows its clock in whole seconds: how long it is looked at, and how often, in milliseconds. */
const CLOCK_MS = 1000;
const CLOCK_LOOK_MS = 50;
/** Who came in early is looked for at most this long after, in milliseconds. */
const EARLY_MS = 5 * 60_000;

const UNGUARDED =
  'up to 5.8 EMQX must start with closed listeners that dockhook opens: dockhook emqx config prints such a ' +
  'configuration; name the listeners in DOCKHOOK_EMQX_LISTENERS, beside DOCKHOOK_EMQX_URL';

const WAS_OPEN =
  'clients came through it before EMQX had its hooks: emqx.conf does not keep it closed, and strangers get in while ' +
  'EMQX starts';

const NOT_SOUGHT =
  'EMQX was started before dockhook: clients that connected before it had hooks cannot be told from others, and are not ' +
  'disconnected. A dock among them is deaf until it connects again';

const NO_CLOCK =
  'EMQX answers without its time (no Date header), so clients that connected before it had hooks are not disconnected; ' +
  'see that no proxy takes it away';

type Level = 'info' | 'warn' | 'error';

/** `listeners` are EMQX's ids, such as `tcp:default`; `provider` is the name of dockhook in EMQX. */
export interface WatchOptions {
  /** Called again whenever a call failed, so that a renewed API key is taken. Without it nothing is asked. */
  open?: ((signal: AbortSignal) => Promise<EmqxApi | undefined>) | undefined;
  listeners: readonly string[];
  provider: string;
  log: (level: Level, line: { event: string } & Record<string, unknown>) => void;
  /** How many of `listeners` are not known to run on every node. */
  onClosed: (count: number) => void;
  onOpened: (listener: string) => void;
  /** Since when it was known who asked, by `performance.now()`; for tests. */
  since?: number;
}

/** What a node says of itself when it asks for the hooks. */
export interface LoadedBroker {
  node: string;
  version: string;
  uptimeMs?: number | undefined;
}

export interface Watch {
  /** A node is about to mount the hooks. */
  loaded(broker: LoadedBroker): void;
  /** A node asked whether a client may come in: it has the hooks. */
  asked(node: string): void;
  /** Breaks off what is under way. */
  stop(): void;
}

interface Mount {
  at: number;
  /** Whether nobody was asked for before it, as far as can be known. */
  isFirst: boolean;
  /** Listeners that ran before dockhook opened any; undefined until they were asked for. */
  ran?: ReadonlySet<string>;
  /** `at` by EMQX's clock. */
  until?: number | undefined;
}

export function watchEmqx({
  open,
  listeners,
  provider,
  log,
  onClosed,
  onOpened,
  since = performance.now(),
}: WatchOptions): Watch {
  const stopped = new AbortController();
  const gate = createGate({ listeners, provider });
  const mounts = new Map<string, Mount>();
  /** When nodes were last known to have hooks: their clients may have been authenticated since their boot. */
  const hooked = new Map<string, number>();
  const warned = new Set<string>();
  let api: EmqxApi | undefined;
  let closedSince = performance.now();
  let wake: (() => void) | undefined;
  let saidOpen = false;
  let said: { text: string; at: number } = { text: '', at: -Infinity };

  /** Told when it changes, and now and then. */
  function say(level: Level, event: string, detail: string): void {
    const since = performance.now() - said.at;
    if (since < (said.text === detail ? SAY_AGAIN_MS : SAY_MS)) return;
    said = { text: detail, at: performance.now() };
    log(level, { event, detail });
  }

  /** @returns how long to wait for the next one, in milliseconds */
  async function look(): Promise<number> {
    try {
      api ??= await open?.(stopped.signal);
      if (api === undefined) return OPEN_MS;
      const round = await gate.round(api);
      if (round.listeners !== undefined)
        for (const { node } of round.nodes) hooked.set(node, performance.now());
      report(round);
      await disconnectEarly(api, round);
      const isOpen = round.waitingFor === undefined && round.opened.length === 0;
      if (isOpen) closedSince = performance.now();
      else await warnOfOpenDoors(api, round);
      return isOpen ? OPEN_MS : pace();
    } catch (error) {
      api = undefined;
      saidOpen = false;
      if (stopped.signal.aborted) return OPEN_MS;
      onClosed(listeners.length);
      say('warn', 'emqx_not_reached', messageOf(error));
      return [401, 403].includes(statusOf(error) ?? 0) ? REFUSED_MS : pace();
    }
  }

  function pace(): number {
    return performance.now() - closedSince < LONG_MS ? CLOSED_MS : LONG_CLOSED_MS;
  }

  function report({ opened, stopped, waitingFor, listeners: listed = [], nodes }: Round): void {
    for (const listener of opened) {
      onOpened(listener);
      log('info', { event: 'emqx_listener_opened', listener });
    }
    const running = listed.filter(({ id }) => opened.includes(id) || isOpenEverywhere(id));
    onClosed(listeners.filter((id) => !running.some((listener) => listener.id === id)).length);
    if (waitingFor !== undefined) say('warn', 'emqx_listeners_closed', waitingFor);
    else if (stopped.length > 0) say('warn', 'emqx_listeners_stopped', stoppedText(stopped));
    const isOpen = waitingFor === undefined && opened.length === 0 && stopped.length === 0;
    if (isOpen && !saidOpen && listeners.length > 0) log('info', { event: 'emqx_listeners_open', listeners });
    if (isOpen) said = { text: '', at: -Infinity };
    saidOpen = isOpen;

    function isOpenEverywhere(id: string): boolean {
      return listed.some((listener) => listener.id === id && closedOn(listener, nodes).length === 0);
    }
  }

  /**
   * Who came through a listener that ran before the hooks were there was asked for nothing. Rather one of them stays
   * than one is sent away that was asked.
   */
  async function disconnectEarly(emqx: EmqxApi, { listeners: listed, nodes, opened }: Round): Promise<void> {
    if (listed === undefined) return;
    for (const [node, mount] of mounts) {
      if (performance.now() - mount.at > EARLY_MS) mounts.delete(node);
      // It may be a node of another cluster.
      if (!nodes.some((one) => one.node === node)) continue;
      // Asked before any was opened in this round.
      mount.ran ??= new Set(
        listed
          .filter((listener) => !closedOn(listener, nodes).includes(node) && !opened.includes(listener.id))
          .map(({ id }) => id),
      );
      if (mount.ran.size > 0) {
        if (mount.isFirst) mount.until ??= await emqxTime(emqx, mount.at);
        const { ran, until, isFirst } = mount;
        if (until !== undefined) await disconnectUntil(emqx, { node, listeners: ran, until });
        else
          log('warn', {
            event: 'emqx_early_clients_not_sought',
            node,
            detail: isFirst ? NO_CLOCK : NOT_SOUGHT,
          });
      }
      // It may have started again meanwhile.
      if (mounts.get(node) === mount) mounts.delete(node);
    }
  }

  async function disconnectUntil(
    emqx: EmqxApi,
    came: { node: string; listeners: ReadonlySet<string>; until: number },
  ): Promise<void> {
    const { node } = came;
    const clients = await clientsUntil(emqx, came);
    const { done, failure } = await forEachClient(clients, (id) => disconnect(emqx, id));
    if (done.length > 0) {
      const ours = listeners.filter((id) => clients.some(({ listener }) => listener === id));
      if (ours.length > 0)
        log('warn', { event: 'emqx_listener_was_open', node, listeners: ours, detail: WAS_OPEN });
      log('warn', { event: 'emqx_early_clients_disconnected', node, clients: done.length });
    }
    if (failure instanceof Error) throw failure;
  }

  /** What EMQX's clock said then, and never more. What it shows is nearest just after it has changed. */
  async function emqxTime(emqx: EmqxApi, then: number): Promise<number | undefined> {
    let ahead = -Infinity;
    for (const end = performance.now() + CLOCK_MS; performance.now() < end;) {
      const shown = await emqx.clock();
      if (shown === undefined) return undefined;
      ahead = Math.max(ahead, shown - performance.now());
      await pause(CLOCK_LOOK_MS, undefined, { signal: stopped.signal });
    }
    return then + ahead;
  }

  /** A listener that runs on a node without hooks was not opened by us. */
  async function warnOfOpenDoors(emqx: EmqxApi, { nodes, withoutHooks }: Round): Promise<void> {
    const fresh = nodes
      .filter(isFreshAndOpensEarly)
      .filter(({ node }) => withoutHooks.includes(node) && !warned.has(node));
    if (fresh.length === 0) return;
    for (const listener of await emqx.get('/listeners', answers.listeners)) {
      for (const { node } of fresh) {
        if (closedOn(listener, nodes).includes(node)) continue;
        warned.add(node);
        log('error', { event: 'emqx_open_before_hooks', node, listener: listener.id });
      }
    }
  }

  async function watch(): Promise<void> {
    while (!stopped.signal.aborted) {
      const isIdle = open === undefined || listeners.length === 0;
      const delay = isIdle ? undefined : await look();
      await sleep(delay);
    }
  }

  /** Replicas that started together need not ask at the same moment. */
  function sleep(ms: number | undefined): Promise<void> {
    if (stopped.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms * (0.8 + 0.4 * Math.random()));
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Whoever is connected to the node came before it had hooks, unless it may have had some since its boot. */
  function noteMount(node: string, uptimeMs: number | undefined): void {
    const now = performance.now();
    const before = hooked.get(node) ?? -Infinity;
    hooked.set(node, now);
    if (listeners.length === 0 || uptimeMs === undefined || uptimeMs >= FIRST_HOOKS_MS) return;
    const boot = now - uptimeMs - BOOT_MS;
    if (before < boot) mounts.set(node, { at: now, isFirst: since < boot });
  }

  void watch();
  return {
    loaded({ node, version, uptimeMs }) {
      closedSince = performance.now();
      warned.delete(node);
      const told = parseVersion(version);
      if (told && opensBeforeHooks(told)) {
        if (listeners.length === 0) log('warn', { event: 'emqx_unguarded', node, detail: UNGUARDED });
        noteMount(node, uptimeMs);
      }
      wake?.();
    },
    asked(node) {
      hooked.set(node, performance.now());
    },
    stop() {
      stopped.abort();
      wake?.();
    },
  };
}

function stoppedText(ids: readonly string[]): string {
  return `${ids.join(', ')} ran, and somebody stopped it: it stays closed until EMQX starts again, or dockhook emqx open`;
}

function isFreshAndOpensEarly(node: Node): boolean {
  const { version = '', uptime } = node;
  const told = parseVersion(version);
  return (
    isRunning(node) &&
    told !== undefined &&
    opensBeforeHooks(told) &&
    uptime !== undefined &&
    uptime < FRESH_MS
  );
}
