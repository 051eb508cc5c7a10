/** The whole of dockhook on free ports, as `serve` starts it; on memory stores unless told otherwise. */
import { Writable } from 'node:stream';
import { hashChosen, hashGenerated } from '../../src/password-hashes/index.js';
import { startApp, type App, type AppParts } from '../../src/app.js';
import { readConfig } from '../../src/config.js';
import { createLog } from '../../src/observability/log.js';
import { createMetrics } from '../../src/observability/metrics.js';
import { openFakeStores } from './fake-stores.js';
import { withMemory } from '../../src/stores/remembered-stores.js';
import type { Account, Scope, Stores } from '../../src/stores/types.js';

export interface TestDockhook extends App {
  stores: Stores;
  /** Every log line so far, parsed. */
  logged: Record<string, unknown>[];
  /** The first log line with this `event`, past or to come. */
  event(name: string): Promise<Record<string, unknown>>;
  /** Adds an account with this password, kept as a chosen one if it says so. */
  addAccount(
    name: string,
    password: string,
    scope: Scope,
    more?: Partial<Account> & { chosen?: boolean },
  ): Promise<void>;
}

export async function startDockhook(
  options: {
    stores?: Stores;
    environment?: Record<string, string>;
    tlsRefreshMs?: number;
    timeline?: { writeMs?: number; sweepMs?: number };
    refusal?: AppParts['refusal'];
    refusedMs?: number;
  } = {},
): Promise<TestDockhook> {
  const stores = options.stores ?? openFakeStores();
  const logged: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().split('\n').filter(Boolean)) {
        logged.push(JSON.parse(line) as Record<string, unknown>);
      }
      for (const check of waiting) check();
      done();
    },
  });
  const config = readConfig({
    DOCKHOOK_GRPC_LISTEN: '127.0.0.1:0',
    DOCKHOOK_HTTP_LISTEN: '127.0.0.1:0',
    DOCKHOOK_LOG_LEVEL: 'debug',
    ...options.environment,
  });
  const app = await startApp(config, {
    stores: withMemory(stores),
    metrics: createMetrics(),
    log: createLog(config.logLevel, sink),
    refusal: options.refusal,
    refusedMs: options.refusedMs,
    timeline: options.timeline,
    tlsRefreshMs: options.tlsRefreshMs,
  });
  return {
    ...app,
    stores,
    logged,
    event: (name) =>
      new Promise((resolve) => {
        const check = (): void => {
          const line = logged.find(({ event }) => event === name);
          if (line === undefined) return;
          waiting.delete(check);
          resolve(line);
        };
        waiting.add(check);
        check();
      }),
    async addAccount(name, password, scope, { chosen = false, ...more } = {}) {
      const passwordHash = chosen ? await hashChosen(password) : hashGenerated(password);
      await stores.accounts.add({ name, passwordHash, scope, ...more });
    },
  };
}
