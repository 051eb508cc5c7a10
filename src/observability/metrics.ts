/** Prometheus metrics, each beside what counts it. No label takes a value that a client can choose freely. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ErrorCode } from '../errors.js';
import type { Tell } from '../events.js';

export interface Metrics {
  /** A broker's call was answered. */
  call(hook: string, outcome: string, milliseconds: number): void;
  /** A store operation was done, or failed for a reason. */
  query(table: string, operation: string, milliseconds: number, failure?: ErrorCode): void;
  tell: Tell;
  /** Whether dockhook hears of changes in the database, and need not read again what it has read. */
  changesHeard(heard: boolean): void;
  /** How many listeners that dockhook opens are not known to run on every node of EMQX. */
  emqxListenersClosed(count: number): void;
  emqxListenerOpened(listener: string): void;
  /** Entries of the access timeline were not kept. */
  timelineDropped(count: number): void;
  /** A connection to the gRPC port ended before its first call. */
  connectionRefused(reason: string): void;
  /** A log line could not be kept. */
  logLineLost(): void;
  /** The exposition text and its content type. */
  read(): Promise<{ contentType: string; text: string }>;
}

/** Of the buckets of all histograms. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2];

/** All that dockhook measures, and what Node's client measures of the process. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  // Its default looks at the event loop a hundred times a second, which was most of what an idle server did.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  return {
    ...answers([registry]),
    ...stores([registry]),
    ...emqxListeners([registry]),
    ...losses([registry]),
    async read() {
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

/** What brokers and docks were answered. */
function answers(registers: Registry[]): Pick<Metrics, 'call' | 'tell'> {
  const calls = new Counter({
    name: 'dockhook_calls_total',
    help: 'ExHook calls answered, by hook and outcome.',
    labelNames: ['hook', 'outcome'],
    registers,
  });
  const callSeconds = new Histogram({
    name: 'dockhook_call_seconds',
    help: 'Time from an ExHook call to its answer.',
    labelNames: ['hook'],
    buckets: SECONDS,
    registers,
  });
  const events = new Counter({
    name: 'dockhook_events_total',
    help: 'What was not simply ok: refused, dropped, passed on or answered with a fault, by step and reason.',
    labelNames: ['step', 'outcome', 'reason'],
    registers,
  });
  const replies = new Counter({
    name: 'dockhook_replies_total',
    help: 'Replies to docks, by method and result code.',
    labelNames: ['method', 'result'],
    registers,
  });
  const devices = new Counter({
    name: 'dockhook_bind_devices_total',
    help: 'Devices in airport_organization_bind requests, by err_code.',
    labelNames: ['result'],
    registers,
  });
  return {
    call(hook, outcome, milliseconds) {
      calls.inc({ hook, outcome });
      callSeconds.observe({ hook }, milliseconds / 1000);
    },
    tell({ step, outcome, reason, method, result }) {
      if (reason !== undefined) events.inc({ step, outcome, reason });
      if (result === undefined) return;
      if (step === 'bind') devices.inc({ result });
      // A result means that we replied: the method is one of ours or of the operator's own list.
      if (step === 'request' && method !== undefined) replies.inc({ method, result });
    },
  };
}

function stores(registers: Registry[]): Pick<Metrics, 'query' | 'changesHeard'> {
  const storeSeconds = new Histogram({
    name: 'dockhook_store_seconds',
    help: 'Time of one store operation. Reads asked at the same time share a database statement.',
    labelNames: ['table', 'operation'],
    buckets: SECONDS,
    registers,
  });
  const storeErrors = new Counter({
    name: 'dockhook_store_errors_total',
    help: 'Store operations that PostgreSQL refused (store_refused) or did not answer in time (store_unavailable).',
    labelNames: ['table', 'operation', 'reason'],
    registers,
  });
  const changesHeard = new Gauge({
    name: 'dockhook_changes_heard',
    help: '1 while changes in the database are listened for, so that records are answered from memory; 0 while each call reads.',
    registers,
  });
  return {
    query(table, operation, milliseconds, reason) {
      storeSeconds.observe({ table, operation }, milliseconds / 1000);
      if (reason !== undefined) storeErrors.inc({ table, operation, reason });
    },
    changesHeard(heard) {
      changesHeard.set(heard ? 1 : 0);
    },
  };
}

function emqxListeners(registers: Registry[]): Pick<Metrics, 'emqxListenersClosed' | 'emqxListenerOpened'> {
  const closed = new Gauge({
    name: 'dockhook_emqx_listeners_closed',
    help: 'Listeners of DOCKHOOK_EMQX_LISTENERS that are not known to run on every node of EMQX.',
    registers,
  });
  const opened = new Counter({
    name: 'dockhook_emqx_listeners_opened_total',
    help: 'Listeners of EMQX that dockhook opened.',
    labelNames: ['listener'],
    registers,
  });
  return {
    emqxListenersClosed(count) {
      closed.set(count);
    },
    emqxListenerOpened(listener) {
      opened.inc({ listener });
    },
  };
}

/** What was not recorded, and connections that came to nothing. */
function losses(
  registers: Registry[],
): Pick<Metrics, 'timelineDropped' | 'connectionRefused' | 'logLineLost'> {
  const droppedEvents = new Counter({
    name: 'dockhook_timeline_dropped_total',
    help: 'Events that the access timeline lacks: too many at once, or the database was away or refused them.',
    registers,
  });
  const refused = new Counter({
    name: 'dockhook_connections_refused_total',
    help: 'Connections to the gRPC port that ended before their first call, by reason.',
    labelNames: ['reason'],
    registers,
  });
  const lostLines = new Counter({
    name: 'dockhook_log_lines_lost_total',
    help: 'Log lines that were not kept, because nobody read the log or it could not be written.',
    registers,
  });
  return {
    timelineDropped(count) {
      droppedEvents.inc(count);
    },
    connectionRefused(reason) {
      refused.inc({ reason });
    },
    logLineLost() {
      lostLines.inc();
    },
  };
}
