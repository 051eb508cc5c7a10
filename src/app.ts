/**
 * The composition root: configuration and stores in, a started app out. The only file that knows every
 * part; it decides nothing itself.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { createAccess } from './access/access.js';
import { createPasswordChecks } from './access/password-checks.js';
import type { Config } from './config.js';
import { createRequests } from './dock/requests.js';
import { openEmqx } from './emqx/api.js';
import { watchEmqx, type Watch } from './emqx/watch.js';
import { messageOf, storeFault, traceOf } from './errors.js';
import type { Tell } from './events.js';
import type { TlsSettings } from './exhook/certificates.js';
import { startExhookServer } from './exhook/server.js';
import type { Client, Hooks, MountedHook } from './hooks.js';
import { formatListen } from './listen.js';
import { createAfterwards } from './observability/afterwards.js';
import { startHttp, type Readiness } from './observability/http.js';
import { logEvents, type Logger } from './observability/log.js';
import type { Metrics } from './observability/metrics.js';
import { tellRefusals } from './observability/refusals.js';
import type { Database } from './stores/database.js';
import type { ServerStores } from './stores/types.js';
import { keepTimeline, type TimelineKeeper, type TimelineKeeperOptions } from './timeline/keeper.js';

/** Between two attempts to reach the store at start, in milliseconds. */
const RETRY_MS = 1000;
/** `/readyz` says 503 this long before calls are refused, so that a proxy sends none here; in milliseconds. */
export const UNREADY_MS = 1500;
/**
 * How long a password may be refused before `/readyz` says 503, in milliseconds. Long enough for a password to be
 * renewed in the database first and in a Secret after, without all replicas being taken out at once.
 */
const REFUSED_MS = 60_000;
/** How often gRPC's health is made to say what `/readyz` says, in milliseconds. */
const FOLLOW_MS = 1000;
/** Calls in flight may take this long once no new ones are taken, in milliseconds. */
const GRACE_MS = 5000;

/** For one call to EMQX, in milliseconds: it may hang while a node of its cluster boots. */
const EMQX_MS = 3000;

export interface AppParts {
  stores: ServerStores;
  metrics: Metrics;
  log: Logger;
  /** As in {@link Database}. */
  refusal?: Database['refusal'];
  /** As REFUSED_MS; for tests. */
  refusedMs?: number;
  /** How often TLS files are looked at, in milliseconds; for tests. */
  tlsRefreshMs?: number;
  /** As in {@link startExhookServer}; for tests. */
  keepaliveMs?: number;
  /** How often the timeline is written and swept; for tests. */
  timeline?: Pick<TimelineKeeperOptions, 'writeMs' | 'sweepMs'>;
}

export interface App {
  /** `host:port` with the port really taken. */
  grpc: string;
  http: string;
  isReady(): boolean;
  /** Whether the store was reached: true when it was, false if the app was stopped before that. */
  ready: Promise<boolean>;
  /**
   * Stops in order: unready, drain, close. Closes the stores too. Idempotent.
   * @param unreadyMs how long to go on answering after `/readyz` turned 503
   */
  stop(unreadyMs?: number): Promise<void>;
}

/**
 * Starts the ExHook and HTTP servers. The store need not be reachable: until it is, clients are refused.
 * @throws DockhookError `usage` if an address cannot be bound
 */
export async function startApp(config: Config, parts: AppParts): Promise<App> {
  const { stores, metrics, log } = parts;
  const logged = logEvents(log);
  const timeline = config.timeline ? timelineOf(parts) : undefined;
  const afterwards = createAfterwards((error) => {
    log.error({ event: 'event_lost', detail: traceOf(error) });
  });
  const tell: Tell = (event) => {
    const at = Date.now();
    afterwards.putOff(() => {
      metrics.tell(event);
      logged(event);
      timeline?.tell(event, at);
    });
  };
  const access = createAccess({
    accounts: stores.accounts,
    bindings: stores.bindings,
    passwords: await createPasswordChecks(undefined, stores.accounts.replaceHash),
    unknownAccounts: config.unknownAccounts,
    tell,
  });
  const requests = createRequests({
    organizations: stores.organizations,
    bindings: stores.bindings,
    license: stores.license,
    askerOf: access.askerOf,
    isGateway: access.isGateway,
    emptyReplies: config.emptyReplies,
    tell,
  });
  const hooks: Hooks = {
    mounted: mountedHooks(config),
    loaded: (broker) => {
      log.info({ event: 'broker_connected', ...broker });
      watch.loaded(broker);
      timeline?.booted(broker);
    },
    authenticate: (client, password) => {
      watch.asked(client.node);
      return access.authenticate(client, password);
    },
    authorize: access.authorize,
    publish: requests.publish,
    connected: (client) => {
      tell({ step: 'connected', outcome: 'ok', ...sessionOf(client) });
    },
    disconnected: (client, reason) => {
      tell({ step: 'disconnected', outcome: 'ok', ...sessionOf(client), detail: reason });
    },
  };

  let reached = false;
  let stopping = false;
  let unreached = 'the database was not reached yet';
  const stopped = new AbortController();
  /** Of faults of the database, only one that another replica may not have counts. */
  function readiness(): Readiness {
    if (stopping) return { isReady: false, why: 'dockhook is stopping' };
    if (!reached) return { isReady: false, why: unreached };
    const refusal = parts.refusal?.();
    if (refusal === undefined) return { isReady: true };
    const refusedFor = performance.now() - refusal.since;
    const why = `the database refuses user or password of DATABASE_URL for ${Math.round(refusedFor / 1000)} s: ${refusal.why}`;
    return { isReady: refusedFor < (parts.refusedMs ?? REFUSED_MS), why };
  }
  const isReady = (): boolean => readiness().isReady;
  const http = await startHttp(config.httpListen, readiness, () => {
    afterwards.flush();
    return metrics.read();
  });
  const watch = watchOf(config, parts);
  const exhook = await startExhookServer({
    hooks,
    listen: config.grpcListen,
    tls: tlsSettings(config, parts),
    onRefused: tellRefusals(log, metrics),
    ...(parts.keepaliveMs === undefined ? {} : { keepaliveMs: parts.keepaliveMs }),
    onCall: (hook, outcome, milliseconds) => {
      afterwards.putOff(() => {
        metrics.call(hook, outcome, milliseconds);
      });
    },
    onError: (hook, error) => {
      log.error({ event: 'hook_failed', hook, detail: traceOf(error) });
    },
  }).catch(async (error: unknown) => {
    watch.stop();
    await http.close();
    throw error;
  });
  exhook.setServing(false);
  const following = setInterval(() => {
    exhook.setServing(isReady());
  }, FOLLOW_MS).unref();
  // A mistake of ours that ends the process does not take what was answered before out of the log.
  process.on('exit', afterwards.flush);

  async function reachStore(): Promise<boolean> {
    for (let attempt = 1; !stopping; attempt += 1) {
      try {
        await stores.ping();
        reached = true;
        exhook.setServing(isReady());
        await tellUnsound(parts);
        await requests.loadLicense().catch((error: unknown) => {
          log.error({ event: 'license_not_loaded', detail: messageOf(error) });
        });
        return true;
      } catch (error) {
        unreached = messageOf(error);
        const fault = storeFault(error) ?? 'store_unavailable';
        // Said once, then every minute: until then every client is refused. What PostgreSQL refuses, `database_refuses` says.
        if (attempt % 60 === 1 && fault !== 'store_refused') {
          log.error({ event: fault, detail: messageOf(error) });
        }
        await pause(RETRY_MS, undefined, { signal: stopped.signal }).catch(() => undefined);
      }
    }
    return false;
  }

  async function shutDown(unreadyMs: number): Promise<void> {
    stopping = true;
    stopped.abort();
    watch.stop();
    clearInterval(following);
    exhook.setServing(false);
    await pause(unreadyMs);
    await exhook.stop(GRACE_MS);
    await http.close();
    afterwards.flush();
    await timeline?.stop();
    await stores.close();
    // A call that was cut may have told something since.
    afterwards.flush();
    process.off('exit', afterwards.flush);
  }

  let shutDownOnce: Promise<void> | undefined;
  return {
    grpc: formatListen(exhook),
    http: formatListen(http),
    isReady,
    ready: reachStore(),
    stop: (unreadyMs = 0) => (shutDownOnce ??= shutDown(unreadyMs)),
  };
}

/**
 * The hooks that `OnProviderLoaded` names. The topic filter is applied by the broker before any call, so
 * telemetry costs none. `status` is asked for to be observed, not to be answered.
 */
function mountedHooks(config: Config): MountedHook[] {
  const events = [{ name: 'client.connected' }, { name: 'client.disconnected' }];
  return [
    { name: 'client.authenticate' },
    { name: 'client.authorize' },
    ...(config.timeline ? events : []),
    {
      name: 'message.publish',
      topics: ['thing/product/+/requests', ...(config.timeline ? ['sys/product/+/status'] : [])],
    },
  ];
}

function timelineOf({ stores, metrics, log, timeline }: AppParts): TimelineKeeper {
  return keepTimeline({
    store: stores.timeline,
    onDropped: metrics.timelineDropped,
    onError: (error) => {
      log.warn({ event: 'timeline_not_written', detail: messageOf(error) });
    },
    ...timeline,
  });
}

function watchOf(config: Config, { log, metrics }: AppParts): Watch {
  return watchEmqx({
    // The calls to EMQX are short, and none may keep `serve` from its end.
    ...(config.emqxUrl === undefined
      ? {}
      : { open: (signal: AbortSignal) => openEmqx(config, { deadlineMs: EMQX_MS, signal }) }),
    listeners: config.emqxListeners,
    provider: config.emqxProvider,
    log: (level, line) => {
      log[level](line);
    },
    onClosed: metrics.emqxListenersClosed,
    onOpened: metrics.emqxListenerOpened,
  });
}

/** Names at the start what could make answers of the database wrong; `dockhook doctor` says the same. */
async function tellUnsound({ stores, log }: AppParts): Promise<void> {
  try {
    for (const { level, code, what, why, mend } of await stores.unsound()) {
      const line = { event: 'database_unsound', code, detail: `${what}: ${why}; ${mend}` };
      if (level === 'error') log.error(line);
      else log.warn(line);
    }
  } catch (error) {
    log.warn({ event: 'database_unsound', detail: `not looked at: ${messageOf(error)}` });
  }
}

function sessionOf({ clientId, username, peerHost, peerPort, node }: Client) {
  return { clientId, account: username, peerHost, peerPort, node };
}

function tlsSettings(config: Config, { log, tlsRefreshMs }: AppParts): TlsSettings | undefined {
  const { grpcTlsCert: cert, grpcTlsKey: key, grpcTlsClientCa: clientCa } = config;
  if (cert === undefined || key === undefined) return undefined;
  return {
    files: { cert, key, clientCa },
    ...(tlsRefreshMs === undefined ? {} : { refreshMs: tlsRefreshMs }),
    onReload: () => {
      log.info({ event: 'certificates_reloaded' });
    },
    onError: (error) => {
      log.error({ event: 'certificates_not_reloaded', detail: messageOf(error) });
    },
  };
}
