/**
 * The composition root: the only file that knows every part. It opens the database, starts what `dockhook serve` and
 * `dockhook dev` run, and stops it in order. It decides nothing itself.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { createAccess } from './access/access.js';
import { createPasswordChecks, type PasswordChecks } from './access/password-checks.js';
import type { Config } from './config.js';
import { createRequests, type Requests } from './dock/requests.js';
import { openEmqx } from './emqx/api.js';
import { watchEmqx, type Watch } from './emqx/listener-watch.js';
import { mountedHooks } from './emqx/mounted-hooks.js';
import { parseVersion } from './emqx/versions.js';
import { messageOf, storeFault, traceOf } from './errors.js';
import type { Tell } from './events.js';
import type { TlsSettings } from './exhook/certificates.js';
import { startExhookServer, type ExhookServer } from './exhook/server.js';
import type { Client, Hooks } from './hooks.js';
import { formatListen } from './listen.js';
import { createAfterwards, type Afterwards } from './observability/after-answers.js';
import { logConnections, logUnsound, observeChanges, observeQueries } from './observability/database-log.js';
import { createHeartbeat, type Heartbeat } from './observability/heartbeat.js';
import { startHttp, type HttpServer } from './observability/http.js';
import { createLog, logEvents, logFailures, type Logger } from './observability/log.js';
import { openLogOutput } from './observability/log-output.js';
import type { Metrics } from './observability/metrics.js';
import { logProcessFaults } from './observability/process-faults.js';
import { readableLine } from './observability/readable-line.js';
import { createReadiness, type ReadinessState } from './observability/readiness.js';
import { tellRefusals } from './observability/refused-connections.js';
import { openDatabase } from './open-database.js';
import type { Database } from './stores/database.js';
import { openServerStores } from './stores/stores.js';
import type { ServerStores } from './stores/types.js';
import { createArrivals, type Arrivals } from './timeline/arrivals.js';
import { keepTimeline, type TimelineKeeper, type TimelineKeeperOptions } from './timeline/keeper.js';

/** Between two attempts to reach the store at start, in milliseconds. */
const RETRY_MS = 1000;
/** `/readyz` says 503 this long before calls are refused, so that a proxy sends none here; in milliseconds. */
export const UNREADY_MS = 1500;
/** How often gRPC's health is made to say what `/readyz` says, in milliseconds. */
const FOLLOW_MS = 1000;
/** Calls in flight may take this long once no new ones are taken, in milliseconds. */
const GRACE_MS = 5000;
/** For one call to EMQX, in milliseconds: it may hang while a node of its cluster boots. */
const EMQX_MS = 3000;

/** The app closes `stores` when it stops. */
export interface AppParts {
  stores: ServerStores;
  metrics: Metrics;
  log: Logger;
  /** As in {@link Database}. */
  refusal?: Database['refusal'];
  /** How long the database may refuse the password before `/readyz` says so, in milliseconds; for tests. */
  refusedMs?: number | undefined;
  /** How often TLS files are looked at, in milliseconds; for tests. */
  tlsRefreshMs?: number | undefined;
  /** As in {@link startExhookServer}; for tests. */
  keepaliveMs?: number | undefined;
  /** How often the timeline is written and swept; for tests. */
  timeline?: Pick<TimelineKeeperOptions, 'writeMs' | 'sweepMs'> | undefined;
}

export interface App {
  /** `host:port` with the port really taken. */
  grpc: string;
  http: string;
  isReady(): boolean;
  /** Whether the store was reached: true when it was, false if the app was stopped before that. */
  ready: Promise<boolean>;
  /** Takes what a broker in this process decided by itself. */
  tell: Tell;
  /**
   * Stops in order: unready, drain, close. Closes the stores too. Idempotent.
   * @param unreadyMs how long to go on answering after `/readyz` turned 503
   */
  stop(unreadyMs?: number): Promise<void>;
}

/** The log of a process that stays up: on stdout, as JSON for programs and readable for a person at a terminal. */
export function openLog(config: Config, metrics: Metrics): Logger {
  const format = process.stdout.isTTY ? readableLine : undefined;
  return createLog(config.logLevel, openLogOutput(1, metrics.logLineLost, format));
}

/**
 * Opens the database that the settings name, holds it if it is the embedded one, and starts the app on it. Nothing
 * stays open if that fails. From here on faults of the process go to the log.
 */
export async function startServer(
  config: Config,
  { log, metrics }: { log: Logger; metrics: Metrics },
  holder: { command: string; onProgress: (text: string) => void },
): Promise<{ app: App; stores: ServerStores }> {
  logProcessFaults(log);
  const database = await openDatabase(config, { ...holder, postgres: logConnections(log) });
  const stores = openServerStores(database, {
    schema: config.databaseSchema,
    onQuery: observeQueries(metrics, log),
    onHeard: observeChanges(metrics, log),
  });
  try {
    return { app: await startApp(config, { stores, metrics, log, refusal: database.refusal }), stores };
  } catch (error) {
    await stores.close();
    throw error;
  }
}

/**
 * Starts the ExHook and HTTP servers. The store need not be reachable: until it is, clients are refused.
 * @throws DockhookError `usage` if an address cannot be bound
 */
export async function startApp(config: Config, parts: AppParts): Promise<App> {
  // First: it may fail, and nothing must go on then.
  const passwords = await createPasswordChecks(undefined, parts.stores.accounts.replaceHash);
  const records = startRecords(config, parts);
  const watch = watchListeners(config, parts);
  const heartbeat = createHeartbeat(parts.stores.servers);
  const { hooks, requests } = createHooks(config, parts, { records, passwords, watch, heartbeat });
  const readiness = createReadiness(parts.refusal, parts.refusedMs);
  const { http, exhook } = await openPorts(config, parts, { records, hooks, readiness }).catch(
    (error: unknown) => {
      watch.stop();
      throw error;
    },
  );
  const follow = (): void => {
    exhook.setServing(readiness.now().isReady);
  };
  const following = setInterval(follow, FOLLOW_MS).unref();
  // A mistake of ours that ends the process does not take what was answered before out of the log.
  process.on('exit', records.afterwards.flush);
  const stopped = new AbortController();
  const ready = reachStore(parts, readiness, stopped.signal).then(async (reached) => {
    if (reached && !stopped.signal.aborted) heartbeat.start();
    if (reached) await prepare(parts, requests, follow);
    return reached;
  });

  async function shutDown(unreadyMs: number): Promise<void> {
    readiness.stopping();
    stopped.abort();
    watch.stop();
    clearInterval(following);
    exhook.setServing(false);
    await pause(unreadyMs);
    await exhook.stop(GRACE_MS);
    await http.close();
    records.afterwards.flush();
    await Promise.all([records.timeline?.stop(), heartbeat.stop()]);
    await parts.stores.close();
    // A call that was cut may have told something since.
    records.afterwards.flush();
    process.off('exit', records.afterwards.flush);
  }

  let shutDownOnce: Promise<void> | undefined;
  return {
    grpc: formatListen(exhook),
    http: formatListen(http),
    isReady: () => readiness.now().isReady,
    ready,
    tell: records.tell,
    stop: (unreadyMs = 0) => (shutDownOnce ??= shutDown(unreadyMs)),
  };
}

/** Where events go, and the calls that were answered: the log, the metrics and the timeline, after the answer. */
interface Records {
  afterwards: Afterwards;
  timeline: TimelineKeeper | undefined;
  /** Only with a timeline. */
  arrivals: Arrivals | undefined;
  tell: Tell;
}

function startRecords(config: Config, parts: AppParts): Records {
  const { metrics, log } = parts;
  const logged = logEvents(log);
  const timeline = config.timeline ? startTimeline(parts) : undefined;
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
  const arrivals = timeline && createArrivals(tell);
  return { afterwards, timeline, arrivals, tell: arrivals?.tell ?? tell };
}

function startTimeline({ stores, metrics, log, timeline }: AppParts): TimelineKeeper {
  return keepTimeline({
    store: stores.timeline,
    ping: stores.ping,
    onDropped: metrics.timelineDropped,
    onError: (error) => {
      log.warn({ event: 'timeline_not_written', detail: messageOf(error) });
    },
    ...timeline,
  });
}

/** Opens EMQX's listeners if the settings name them. */
function watchListeners(config: Config, { log, metrics }: AppParts): Watch {
  return watchEmqx({
    // The calls to EMQX are short, and none may keep `serve` from its end.
    open:
      config.emqxUrl === undefined
        ? undefined
        : (signal) => openEmqx(config, { deadlineMs: EMQX_MS, signal }),
    listeners: config.emqxListeners,
    provider: config.emqxProvider,
    log: (level, line) => {
      log[level](line);
    },
    onClosed: metrics.emqxListenersClosed,
    onOpened: metrics.emqxListenerOpened,
  });
}

const OUTDATED =
  'EMQX goes on with the hooks that it got from an earlier dockhook, and calls client.connected, which each dock waits ' +
  'for when it connects: dockhook emqx register';

/** What a broker can ask, answered by `access/` and `dock/`. */
function createHooks(
  config: Config,
  { stores, log }: AppParts,
  parts: { records: Records; passwords: PasswordChecks; watch: Watch; heartbeat: Heartbeat },
): { hooks: Hooks; requests: Requests } {
  const { records, passwords, watch, heartbeat } = parts;
  const { tell, timeline, arrivals } = records;
  const mounted: Hooks['mounted'] = (version) => mountedHooks({ ...config, version: parseVersion(version) });
  /** Nodes of which it was said that they have mounted other hooks. */
  const outdated = new Set<string>();
  const access = createAccess({
    accounts: stores.accounts,
    bindings: stores.bindings,
    passwords,
    unknownAccounts: config.unknownAccounts,
    tell,
  });
  const requests = createRequests({
    organizations: stores.organizations,
    bindings: stores.bindings,
    license: stores.license,
    identifyPublisher: access.identifyPublisher,
    isListed: access.isListed,
    mayPublish: access.mayPublish,
    answerForBackend: config.answerForBackend,
    tell,
  });
  const hooks: Hooks = {
    mounted,
    loaded: (broker) => {
      log.info({ event: 'broker_connected', ...broker });
      outdated.delete(broker.node);
      watch.loaded(broker);
      timeline?.booted(broker);
      heartbeat.loaded(broker.product);
    },
    authenticate: (client, password) => {
      watch.asked(client.node);
      return access.authenticate(client, password);
    },
    authorize: (client, action, topic) => {
      arrivals?.asksForTopic(client);
      return access.authorize(client, action, topic);
    },
    publish: requests.publish,
    connected: (client, version) => {
      if (!outdated.has(client.node) && !mounted(version).some(({ name }) => name === 'client.connected')) {
        outdated.add(client.node);
        log.warn({ event: 'emqx_hooks_outdated', node: client.node, detail: OUTDATED });
      }
      tell({ step: 'connected', outcome: 'ok', ...sessionOf(client) });
    },
    disconnected: (client, reason) => {
      tell({ step: 'disconnected', outcome: 'ok', ...sessionOf(client), detail: reason });
    },
  };
  return { hooks, requests };
}

function sessionOf({ clientId, username, peerHost, peerPort, node }: Client) {
  return { clientId, account: username, peerHost, peerPort, node };
}

/** Listens on both ports. Neither is open if one cannot be bound. */
async function openPorts(
  config: Config,
  parts: AppParts,
  { records, hooks, readiness }: { records: Records; hooks: Hooks; readiness: ReadinessState },
): Promise<{ http: HttpServer; exhook: ExhookServer }> {
  const { log, metrics, keepaliveMs } = parts;
  const { afterwards } = records;
  const http = await startHttp(config.httpListen, readiness.now, () => {
    afterwards.flush();
    return metrics.read();
  });
  try {
    const exhook = await startExhookServer({
      hooks,
      listen: config.grpcListen,
      tls: tlsSettings(config, parts),
      onRefused: tellRefusals(log, metrics),
      keepaliveMs,
      onCall: (hook, outcome, milliseconds) => {
        afterwards.putOff(() => {
          metrics.call(hook, outcome, milliseconds);
        });
      },
      onError: logFailures(log),
    });
    return { http, exhook };
  } catch (error) {
    await http.close();
    throw error;
  }
}

function tlsSettings(config: Config, { log, tlsRefreshMs }: AppParts): TlsSettings | undefined {
  const { grpcTlsCert: cert, grpcTlsKey: key, grpcTlsClientCa: clientCa } = config;
  if (cert === undefined || key === undefined) return undefined;
  return {
    files: { cert, key, clientCa },
    refreshMs: tlsRefreshMs,
    onReload: () => {
      log.info({ event: 'certificates_reloaded' });
    },
    onError: (error) => {
      log.error({ event: 'certificates_not_reloaded', detail: messageOf(error) });
    },
  };
}

/** Tries until the store answers. @returns whether it did, before all was stopped */
async function reachStore(
  { stores, log }: AppParts,
  readiness: ReadinessState,
  stopped: AbortSignal,
): Promise<boolean> {
  for (let attempt = 1; !stopped.aborted; attempt += 1) {
    try {
      await stores.ping();
      readiness.reached();
      return true;
    } catch (error) {
      readiness.notReached(messageOf(error));
      const fault = storeFault(error) ?? 'store_unavailable';
      // Said once, then every minute: until then every client is refused. What PostgreSQL refuses, `database_refuses` says.
      if (attempt % 60 === 1 && fault !== 'store_refused') {
        log.error({ event: fault, detail: messageOf(error) });
      }
      await pause(RETRY_MS, undefined, { signal: stopped }).catch(() => undefined);
    }
  }
  return false;
}

/** What is done as soon as the store is there. */
async function prepare({ stores, log }: AppParts, requests: Requests, follow: () => void): Promise<void> {
  follow();
  await logUnsound(stores, log);
  await requests.loadLicense().catch((error: unknown) => {
    log.error({ event: 'license_not_loaded', detail: messageOf(error) });
  });
}
