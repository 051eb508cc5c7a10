/**
 * Hears what changes in the tables of records, whoever changes it on whichever replica: triggers send a notification with
 * the commit (`migrations/repairs.ts`), and a connection of its own listens for it. A beat over that connection shows
 * that it still does.
 */
import { hash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import { connectAdvice } from './connect-advice.js';
import type { Database, Row, Session } from './database.js';
import { hiddenRowsIn } from './soundness.js';
import {
  CHANGE_TRIGGERS,
  CHANGES_CHANNEL,
  EVERYTHING,
  inSchema,
  PUBLIC,
  recordTables,
  recordTablesIn,
  triggersIn,
} from './table-names.js';

/** Between two beats, in milliseconds. */
const BEAT_MS = 333;
/** How long after a beat was sent what it showed may be relied on, in milliseconds. */
const TRUST_MS = 1000;
/** Between two attempts to listen, in milliseconds; twice as long after each failure. */
const RETRY_MS = { first: 1000, most: 10_000 };

/** What a name can stand for in {@link bucketOf}. A record stands under its key and under what else it is found by. */
export type Kind =
  | 'account'
  /** An SN that accounts list as a gateway. */
  | 'gateway'
  /** A client id that an account keeps for itself. */
  | 'client id'
  | 'organization'
  /** Any device binding code. They share a bucket: 16 bits of a short code would nearly tell it. */
  | 'code'
  /** The SN of a bound device. */
  | 'binding'
  | 'setting';

/**
 * Names are told as one of 65,536 numbers, which many names share: whoever may connect can listen, and a longer hash would
 * let him try out which binding code it is of.
 */
const BUCKETS = 0x1_0000;

/** As the triggers compute it. */
export function bucketOf(kind: Kind, key: string): number {
  return Number.parseInt(hash('sha256', kind === 'code' ? kind : `${kind} ${key}`, 'hex').slice(0, 4), 16);
}

/** What is heard of changes in the database. */
export interface Changes {
  /** Whether all changes that are older than a second have been counted. */
  areHeard(): boolean;
  /** Goes up with each change of what is in a bucket, and when some may have been missed. */
  count(bucket: number): number;
  /** Counts a change of our own, which need not wait until it is heard. */
  changed(kind: Kind, key: string): void;
}

/** Listens until it is closed. */
export interface HeardChanges extends Changes {
  close(): void;
}

export interface ChangesOptions {
  /** Where the tables are; `public` unless given. */
  schema?: string | undefined;
  /** Told when changes begin to be heard, and of each other reason why they are not. */
  onHeard?: ((heard: boolean, why?: string) => void) | undefined;
  /** Told when a beat was sent that found all rows to be visible. */
  onWhole?: ((at: number) => void) | undefined;
  /** Monotonic clock in milliseconds; for tests. */
  now?: () => number;
}

/** Listens until it is closed, also after the database was away. */
export function hearChanges(
  openSession: NonNullable<Database['openSession']>,
  { schema = PUBLIC, onHeard, onWhole, now = () => performance.now() }: ChangesOptions = {},
): HeardChanges {
  const closed = new AbortController();
  const counts = countChanges();
  let session: Session | undefined;
  let heardUntil = -Infinity;
  let retryMs = RETRY_MS.first;
  let said: string | undefined;

  const areHeard = (): boolean => now() < heardUntil;

  function say(why = ''): void {
    if (why !== said) onHeard?.(why === '', why);
    said = why;
  }

  /** Listens until that fails; rejects with the reason. */
  async function listen(): Promise<never> {
    const ended = new AbortController();
    session = await openSession({
      notified(payload) {
        const [buckets = '', of = ''] = payload.split(' ', 2);
        if (of === schema) counts.heard(buckets);
      },
      ended: () => {
        heardUntil = -Infinity;
        ended.abort(new Error('the connection for notifications was lost'));
      },
    });
    const stop = AbortSignal.any([closed.signal, ended.signal]);
    try {
      await session.query(`LISTEN ${CHANGES_CHANNEL}`);
      // Before that it was deaf.
      counts.heard(EVERYTHING);
      let made: unknown;
      for (;;) {
        const sent = now();
        const row = await beat(session, schema);
        // Triggers were switched off and on again, or all rows rewritten by ALTER TABLE: that was not told.
        if (made !== undefined && made !== row['made']) counts.heard(EVERYTHING);
        made = row['made'];
        heardUntil = sent + TRUST_MS;
        onWhole?.(sent);
        retryMs = RETRY_MS.first;
        if (areHeard()) say();
        await pause(BEAT_MS, undefined, { signal: stop, ref: false });
      }
    } finally {
      heardUntil = -Infinity;
      session.close();
    }
  }

  async function listenAgain(): Promise<void> {
    while (!closed.signal.aborted) {
      await listen().catch((error: unknown) => {
        if (!closed.signal.aborted) say(reasonOf(error));
      });
      await pause(retryMs, undefined, { signal: closed.signal, ref: false }).catch(() => undefined);
      retryMs = Math.min(2 * retryMs, RETRY_MS.most);
    }
  }

  void listenAgain();
  return {
    areHeard,
    count: counts.of,
    changed: (kind, key) => {
      counts.changed(bucketOf(kind, key));
    },
    close() {
      closed.abort();
      session?.close();
    },
  };
}

/** Counts changes by bucket. */
function countChanges() {
  const counts = new Uint32Array(BUCKETS);
  let ofAll = 0;

  function changed(bucket: number): void {
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }

  return {
    of: (bucket: number): number => ofAll + (counts[bucket] ?? 0),
    changed,
    /** @param buckets of a notification: hexadecimal numbers, or {@link EVERYTHING} */
    heard(buckets: string): void {
      if (buckets === EVERYTHING) ofAll += 1;
      else for (const bucket of buckets.split(',')) changed(Number.parseInt(bucket, 16));
    },
  };
}

/** With what to do about it. An aborted pause hides why. */
function reasonOf(error: unknown): string {
  const reason = error instanceof Error && error.name === 'AbortError' ? error.cause : error;
  const advice = connectAdvice(reason);
  return `${messageOf(reason)}${advice === undefined ? '' : `; ${advice}`}`;
}

/**
 * One statement that comes back behind all notifications of what was committed before it. It also shows what could keep
 * one from coming, and that the tables can be read, and whole:
 * - `pid`, `listening`: a pooler in between hears for somebody else;
 * - `readable`: the role may read keys and values of each table;
 * - `hidden`: row security, or a view in place of a table, hides rows;
 * - `enabled`: all triggers are there, and run for a subscriber of logical replication, too;
 * - `inherited`: rows of other tables are read as rows of this one, and their triggers are not ours;
 * - `made`: changes when a table, a column or a trigger does. ALTER TABLE rewrites or swaps what is read and runs no
 *   trigger, and triggers that were off for a moment told nothing.
 */
const beatIn = (schema: string): string => `
WITH tables AS MATERIALIZED (SELECT oid, xmin, relhassubclass FROM pg_class WHERE ${recordTablesIn(schema)}),
  triggers AS MATERIALIZED (SELECT oid, xmin, tgenabled FROM pg_trigger WHERE ${triggersIn('(SELECT oid FROM tables)')})
SELECT pg_backend_pid() AS pid,
  '${CHANGES_CHANNEL}' IN (SELECT pg_listening_channels()) AS listening,
  ARRAY[${recordTables.map((table) => `EXISTS (SELECT key, value FROM ${inSchema(schema, table)} WHERE false)`).join(', ')}] AS readable,
  (SELECT string_agg(name, ', ') FROM (${hiddenRowsIn(schema)}) AS hidden) AS hidden,
  (SELECT count(*)::int FROM triggers WHERE tgenabled = 'A') AS enabled,
  (SELECT bool_or(relhassubclass) FROM tables) AS inherited,
  concat_ws('/', (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM tables),
    (SELECT string_agg(xmin::text, ' ' ORDER BY attrelid, attnum) FROM pg_attribute WHERE attrelid IN (SELECT oid FROM tables)),
    (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM triggers)) AS made`;

async function beat({ query, processId }: Session, schema: string): Promise<Row> {
  const [row = {}] = await query(beatIn(schema));
  // A pooler tells a process number of its own; what it pools hears for somebody else.
  if (row['pid'] !== processId || row['listening'] !== true) {
    throw new Error(
      'a connection pooler stands between dockhook and PostgreSQL, and keeps notifications back',
    );
  }
  if (row['hidden'] !== null) {
    throw new Error(`rows of ${row['hidden'] as string} may be hidden; dockhook doctor says by what`);
  }
  if (row['enabled'] !== CHANGE_TRIGGERS.length * recordTables.length) {
    throw new Error(
      `the triggers that tell of changes (${CHANGE_TRIGGERS.join(', ')}) are missing or switched off; ` +
        'dockhook doctor prints the SQL for the owner of the tables',
    );
  }
  if (row['inherited'] !== false) {
    throw new Error(
      'other tables inherit from one of dockhook, or are partitions of it, and their changes are not told',
    );
  }
  return row;
}
