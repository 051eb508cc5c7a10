/** Has the database say that this server is there, so that a command can tell when it is not. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Servers } from '../stores/types.js';
import { clipped } from '../text.js';
import { storeBudget } from '../time-limits.js';

const EVERY_MS = 10_000;
/** A last beat may take so long, in milliseconds. */
const STOP_MS = 1000;
/** Brokers that are named, and characters of a name: whoever reaches the gRPC port chooses both. */
const MAX_BROKERS = 8;
const MAX_NAME = 64;

/** A beat that fails is left out: while the database is away, other lines of the log say so. */
export interface Heartbeat {
  /** Beats now, and then every ten seconds. */
  start(): void;
  /** A broker asks this server from now on; `product` is what it calls itself. */
  loaded(product: string): void;
  /** Says that this server stops. */
  stop(): Promise<void>;
}

/** Does nothing until it is started. */
export function createHeartbeat(servers: Servers): Heartbeat {
  const name = `${hostname()}-${randomBytes(4).toString('hex')}`;
  const brokers = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let last = Promise.resolve();

  /** One after the other: the last word counts. */
  function beat(isStopped = false): Promise<void> {
    last = last.then(() => servers.beat({ name, isStopped, brokers: [...brokers] })).catch(() => undefined);
    return last;
  }

  return {
    start() {
      void beat();
      timer = setInterval(() => void beat(), EVERY_MS).unref();
    },
    loaded(product) {
      const broker = clipped(product, MAX_NAME);
      if (broker === '' || brokers.has(broker) || brokers.size >= MAX_BROKERS) return;
      brokers.add(broker);
      if (timer !== undefined) void beat();
    },
    async stop() {
      if (timer === undefined) return;
      clearInterval(timer);
      await storeBudget(STOP_MS)(beat(true)).catch(() => undefined);
    },
  };
}
