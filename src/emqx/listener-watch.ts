/**
 * Opens EMQX's listeners when every node asks dockhook, for as long as `serve` runs, and disconnects clients that came in
 * before. It never rejects, each of its calls to EMQX ends in time, and no answer to a broker waits for it.
 */
import { statusOf, type EmqxApi } from './api.js';
import { createEarlyClients } from './early-clients.js';
import { createEarlyListeners } from './early-listeners.js';
import { createGate } from './listener-gate.js';
import { createListenerReport, type ListenerReportOptions } from './listener-report.js';
import { opensBeforeHooks, parseVersion } from './versions.js';

/** Between two looks while all listeners run, in milliseconds. */
const OPEN_MS = 1000;
/** Between two looks while listeners are closed: at first, and after `LONG_MS`. In milliseconds. */
const CLOSED_MS = 100;
const LONG_CLOSED_MS = 500;
const LONG_MS = 60_000;
/** Between two looks while EMQX refuses the key, in milliseconds. */
const REFUSED_MS = 2000;

const UNGUARDED =
  'EMQX up to 5.8 must start with its listeners closed; serve opens them later. dockhook emqx config prints such a ' +
  'configuration; name the listeners in DOCKHOOK_EMQX_LISTENERS, and set DOCKHOOK_EMQX_URL';

/** `provider` is the name of dockhook in EMQX. */
export interface WatchOptions extends ListenerReportOptions {
  /** Called again whenever a call failed, so that a renewed API key is taken. Without it nothing is asked. */
  open?: ((signal: AbortSignal) => Promise<EmqxApi | undefined>) | undefined;
  provider: string;
  /** When dockhook began to note which nodes have hooks, by `performance.now()`; for tests. */
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

/** Looks at EMQX again and again until it is stopped. */
export function watchEmqx({ open, since = performance.now(), ...options }: WatchOptions): Watch {
  const { listeners, log } = options;
  const stopped = new AbortController();
  const gate = createGate(options);
  const report = createListenerReport(options);
  const earlyClients = createEarlyClients({ listeners, log, since, signal: stopped.signal });
  const earlyListeners = createEarlyListeners(log);
  let api: EmqxApi | undefined;
  let closedSince = performance.now();
  let wake: (() => void) | undefined;

  /** @returns how long to wait for the next one, in milliseconds */
  async function look(): Promise<number> {
    try {
      api ??= await open?.(stopped.signal);
      if (api === undefined) return OPEN_MS;
      const round = await gate.round(api);
      report.round(round);
      await earlyClients.disconnect(api, round);
      const isOpen = round.waitingFor === undefined && round.opened.length === 0;
      if (isOpen) closedSince = performance.now();
      else await earlyListeners.warn(api, round);
      return isOpen ? OPEN_MS : pace();
    } catch (error) {
      api = undefined;
      if (stopped.signal.aborted) return OPEN_MS;
      report.notReached(error);
      return [401, 403].includes(statusOf(error) ?? 0) ? REFUSED_MS : pace();
    }
  }

  function pace(): number {
    return performance.now() - closedSince < LONG_MS ? CLOSED_MS : LONG_CLOSED_MS;
  }

  async function watch(): Promise<void> {
    while (!stopped.signal.aborted) await sleep(await look());
  }

  /** Not all replicas that started together then ask at the same moment. */
  function sleep(ms: number): Promise<void> {
    if (stopped.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms * (0.8 + 0.4 * Math.random()));
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  if (open !== undefined && listeners.length > 0) void watch();
  return {
    loaded({ node, version, uptimeMs }) {
      closedSince = performance.now();
      earlyListeners.forget(node);
      const told = parseVersion(version);
      if (told && opensBeforeHooks(told)) {
        if (listeners.length === 0) log('warn', { event: 'emqx_unguarded', node, detail: UNGUARDED });
        earlyClients.mounting(node, uptimeMs);
      }
      wake?.();
    },
    asked: earlyClients.hooked,
    stop() {
      stopped.abort();
      wake?.();
    },
  };
}
