/**
 * Hears of changed accounts, whoever changes them on whichever replica: triggers of the table send a notification
 * with the commit, and a connection of its own listens for it. A beat over that connection shows that it still does.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import { connectAdvice } from './connect-advice.js';
import type { Database, Row, Session } from './database.js';
import type { Changes } from './remembered-reads.js';
import {
  ACCOUNT_TRIGGERS,
  ACCOUNTS_CHANNEL,
  accountsOid,
  areAccountTriggers,
  inSchema,
  PUBLIC,
} from './table-names.js';

/** Between two beats, in milliseconds. */
const BEAT_MS = 333;
/** How long after a beat was sent what it showed may be relied on, in milliseconds. */
const TRUST_MS = 1000;
/** Between two attempts to listen, in milliseconds; twice as long after each failure. */
const RETRY_MS = { first: 1000, most: 10_000 };

/** Counts the changes of any account. */
export interface AccountChanges extends Changes {
  close(): void;
}

export interface AccountChangesOptions {
  /** Where the tables are; `public` unless given. */
  schema?: string | undefined;
  /** Told when changes begin to be heard, and of each other reason why they are not. */
  onHeard?: ((heard: boolean, why?: string) => void) | undefined;
  /** Monotonic clock in milliseconds; for tests. */
  now?: () => number;
}

/** Listens until it is closed, also after the database was away. */
export function hearAccountChanges(
  openSession: NonNullable<Database['openSession']>,
  { schema = PUBLIC, onHeard, now = () => performance.now() }: AccountChangesOptions = {},
): AccountChanges {
  const closed = new AbortController();
  let session: Session | undefined;
  let count = 0;
  let heardUntil = -Infinity;
  let retryMs = RETRY_MS.first;
  let said: string | undefined;

  const areHeard = (): boolean => now() < heardUntil;

  function changed(): void {
    count += 1;
  }

  function say(why = ''): void {
    if (why !== said) onHeard?.(why === '', why);
    said = why;
  }

  /** Listens until that fails; rejects with the reason. */
  async function listen(): Promise<never> {
    const ended = new AbortController();
    session = await openSession({
      notified(payload) {
        if (payload === schema || payload === '') changed();
      },
      ended: () => {
        heardUntil = -Infinity;
        ended.abort(new Error('the connection for notifications was lost'));
      },
    });
    const stop = AbortSignal.any([closed.signal, ended.signal]);
    try {
      await session.query(`LISTEN ${ACCOUNTS_CHANNEL}`);
      // Before that it was deaf.
      changed();
      let made: unknown;
      for (;;) {
        const sent = now();
        const row = await beat(session, schema);
        // Triggers were switched off and on again, or all rows rewritten by ALTER TABLE: that was not told.
        if (made !== undefined && made !== row['made']) changed();
        made = row['made'];
        heardUntil = sent + TRUST_MS;
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
    count: () => count,
    close() {
      closed.abort();
      session?.close();
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
 * One statement that comes back behind all notifications of what was committed before it. It also shows what could
 * keep one from coming, and that the table can be read at all.
 */
const beatIn = (schema: string): string => `
SELECT pg_backend_pid() AS pid,
  '${ACCOUNTS_CHANNEL}' IN (SELECT pg_listening_channels()) AS listening,
  EXISTS (SELECT FROM ${inSchema(schema, 'dockhook_accounts')}) AS readable,
  (SELECT count(*)::int FROM pg_trigger WHERE ${areAccountTriggers(schema)} AND tgenabled = 'A') AS enabled,
  (SELECT relhassubclass FROM pg_class WHERE oid = ${accountsOid(schema)}) AS inherited,
  concat_ws('/', (SELECT concat_ws(' ', oid, xmin) FROM pg_class WHERE oid = ${accountsOid(schema)}),
    (SELECT string_agg(xmin::text, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = ${accountsOid(schema)}),
    (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM pg_trigger WHERE ${areAccountTriggers(schema)})) AS made`;

async function beat({ query, processId }: Session, schema: string): Promise<Row> {
  const [row = {}] = await query(beatIn(schema));
  // A pooler tells a process number of its own; what it pools hears for somebody else.
  if (row['pid'] !== processId || row['listening'] !== true) {
    throw new Error(
      'a connection pooler stands between dockhook and PostgreSQL, and keeps notifications back',
    );
  }
  if (row['enabled'] !== ACCOUNT_TRIGGERS.length) {
    throw new Error(
      'the triggers of table dockhook_accounts are missing or switched off; dockhook doctor prints the SQL for its owner',
    );
  }
  if (row['inherited'] !== false) {
    throw new Error(
      'other tables inherit from dockhook_accounts, or are partitions of it, and their changes are not told',
    );
  }
  return row;
}
