/**
 * The access timeline on SQL: rows that are added many at a time and swept away, never changed. So replicas
 * need not agree on anything.
 */
import type { Database, Row } from './database.js';
import { splitOnRefusal } from './split-on-refusal.js';
import { inSchema } from './table-names.js';
import type { Timeline, TimelineDetails, TimelineEntry } from './types.js';

/** How long rows are kept, as SQL. */
export const RETENTION = "interval '30 days'";
/** Rows that one statement deletes at most, so that it ends in time. */
const SWEPT_AT_ONCE = 10_000;

/**
 * A statement that gives up after a second if somebody has locked the table. A client that stops waiting is
 * not enough: its statement would go on waiting in the server, more of them with each attempt, until docks
 * find no connection left. A DO block takes no parameters, see {@link literal}.
 */
export function impatient(sql: string): string {
  return `DO $dockhook$ BEGIN PERFORM set_config('lock_timeout', '1s', true); ${sql}; END $dockhook$`;
}

/**
 * A value as JSON in an SQL literal. Quote and dollar sign are written as JSON's escapes: nothing in the text can
 * end the literal or the block around it. NUL and lone surrogates, which Postgres refuses in JSON, are replaced. With
 * the `E` a backslash means the same whether standard_conforming_strings is on or off.
 */
export function literal(value: unknown): string {
  const text = JSON.stringify(value, (_name, part: unknown) =>
    typeof part === 'string' ? part.replace(/[\0\p{Surrogate}]/gu, '\uFFFD') : part,
  );
  const escaped = text.replaceAll("'", '\\u0027').replaceAll('$', '\\u0024').replaceAll('\\', '\\\\');
  return `E'${escaped}'::jsonb`;
}

function insert(table: string, entries: readonly TimelineEntry[]): string {
  return `
INSERT INTO ${table} (at, last_at, expires_at, gateway, own, client_id, account, step, outcome, reason, count, details)
SELECT to_timestamp(at / 1000), to_timestamp("lastAt" / 1000), to_timestamp("lastAt" / 1000) + ${RETENTION},
  gateway, own, "clientId", account, step, outcome, reason, count, details
FROM jsonb_to_recordset(${literal(entries)}) AS entry (at float8, "lastAt" float8, gateway text, own boolean,
  "clientId" text, account text, step text, outcome text, reason text, count integer, details jsonb)`;
}

/** Locked rows are being deleted by another replica. */
const remove = (table: string, ids: string): string =>
  `DELETE FROM ${table} WHERE id IN (${ids} ORDER BY old.id LIMIT ${SWEPT_AT_ONCE} FOR UPDATE OF old SKIP LOCKED)`;

const removeExpired = (table: string): string =>
  remove(table, `SELECT old.id FROM ${table} AS old WHERE old.expires_at < now()`);

const removeStrangers = (table: string, limit: number): string =>
  remove(
    table,
    `SELECT old.id FROM ${table} AS old WHERE NOT old.own AND old.id <=
  (SELECT id FROM ${table} WHERE NOT own ORDER BY id DESC OFFSET ${limit} LIMIT 1)`,
  );

/** Ids have gaps, so this may leave fewer. */
const removeBeyond = (table: string, total: number): string =>
  remove(
    table,
    `SELECT old.id FROM ${table} AS old WHERE old.id <= (SELECT max(id) - ${total} FROM ${table})`,
  );

const removeOfGateways = (table: string, gateways: readonly string[], limit: number): string =>
  remove(
    table,
    `SELECT old.id FROM (
    SELECT sn.value AS gateway, (SELECT id FROM ${table} AS kept
      WHERE kept.own AND kept.gateway = sn.value ORDER BY id DESC OFFSET ${limit} LIMIT 1) AS newest
    FROM jsonb_array_elements_text(${literal(gateways)}) AS sn) AS beyond
  JOIN ${table} AS old ON old.own AND old.gateway = beyond.gateway AND old.id <= beyond.newest`,
  );

/** Whole milliseconds, for what a fraction looks like depends on extra_float_digits. */
export function millisecondsOf(column: string): string {
  return `(date_part('epoch', ${column}) * 1000)::bigint`;
}

/**
 * An entry as JSON, which every driver hands out alike, and fast: a list of 10,000 docks reads 400,000 entries, and
 * the embedded database took half of its time to hand out their columns. An array, since the names would be half of
 * the text.
 */
const ENTRY = `json_build_array(id, ${millisecondsOf('at')}, ${millisecondsOf('last_at')}, count, gateway,
  own, client_id, account, step, outcome, reason, details)`;

type EntryRow = [
  ...[id: number, at: number, lastAt: number, count: number, gateway: string | null, own: boolean],
  ...[clientId: string, account: string, step: TimelineEntry['step'], outcome: TimelineEntry['outcome']],
  ...[reason: NonNullable<TimelineEntry['reason']> | null, details: TimelineDetails],
];

/** A row for each gateway, null for one without entries. */
const newestOf = (table: string): string => `
SELECT (SELECT json_agg(${ENTRY}) FROM (
  SELECT * FROM ${table} WHERE own AND gateway = sn.value ORDER BY id DESC LIMIT $2) AS entry)::text AS entries
FROM jsonb_array_elements_text($1::jsonb) AS sn`;

const others = (table: string): string => `SELECT json_agg(${ENTRY})::text AS entries FROM (
  SELECT * FROM ${table} WHERE NOT own AND id < $1::bigint ORDER BY id DESC LIMIT $2) AS entry`;

/** In no order. */
function entryRows(rows: readonly Row[]): EntryRow[] {
  return rows.flatMap(({ entries }) =>
    typeof entries === 'string' ? (JSON.parse(entries) as EntryRow[]) : [],
  );
}

/**
 * Without rows that were written twice: of what a frozen server was told, nobody knows whether it did it, so it is told
 * again. Rows of one moment stand together.
 */
function withoutDoubles(rows: readonly EntryRow[]): EntryRow[] {
  let texts = new Set<string>();
  return rows.filter((row, index) => {
    const [, at, ...rest] = row;
    const hasNeighbour = rows[index - 1]?.[1] === at || rows[index + 1]?.[1] === at;
    if (rows[index - 1]?.[1] !== at) texts = new Set();
    if (!hasNeighbour) return true;
    const text = JSON.stringify(rest);
    if (texts.has(text)) return false;
    texts.add(text);
    return true;
  });
}

/** Written by dockhook alone, also by a later version: what it does not know is shown as it is. */
function entryOf(row: EntryRow): TimelineEntry {
  const [, at, lastAt, count, gateway, own, clientId, account, step, outcome, reason, details] = row;
  return {
    at,
    lastAt,
    count,
    ...(gateway === null ? {} : { gateway }),
    ...{ own, clientId, account, step, outcome },
    ...(reason === null ? {} : { reason }),
    details,
  };
}

/** Runs no statement yet. Rejects with the driver's own errors. */
export function timelineOn(database: Database, schema: string): Timeline {
  const table = inSchema(schema, 'dockhook_timeline');
  return {
    async append(entries) {
      let leftOut = 0;
      await splitOnRefusal(
        entries,
        (entry) => JSON.stringify(entry),
        async (some) => {
          await database.query(impatient(insert(table, some)));
        },
        (some) => {
          leftOut += some.length;
        },
      );
      return leftOut;
    },
    async sweep({ strangers, total }) {
      for (const sql of [
        removeExpired(table),
        removeStrangers(table, strangers),
        removeBeyond(table, total),
      ]) {
        await database.query(impatient(sql));
      }
    },
    async trim(gateways, limit) {
      await database.query(impatient(removeOfGateways(table, gateways, limit)));
    },
    async gateways(after, limit) {
      const sql = `SELECT DISTINCT gateway FROM ${table} WHERE own AND gateway > $1 ORDER BY gateway LIMIT $2`;
      return (await database.query(sql, [after, limit])).map((row) => String(row['gateway']));
    },
    async of(gateways, limit) {
      const rows = entryRows(await database.query(newestOf(table), [JSON.stringify(gateways), limit]));
      const inOrder = rows.sort(([id, at], [otherId, otherAt]) => at - otherAt || id - otherId);
      return withoutDoubles(inOrder).map(entryOf);
    },
    async others(before, limit) {
      const page = await database.query(others(table), [before ?? '9223372036854775807', limit]);
      const rows = entryRows(page).sort(([id], [otherId]) => otherId - id);
      const last = rows.at(-1);
      return {
        entries: rows.map(entryOf),
        ...(last !== undefined && rows.length === limit ? { next: String(last[0]) } : {}),
      };
    },
    async gatewayOfDrone(sn) {
      const sql = `SELECT gateway FROM ${table} WHERE own AND step = 'status' AND details ->> 'drone' = $1
        ORDER BY id DESC LIMIT 1`;
      const [row] = await database.query(sql, [sn]);
      return row && String(row['gateway']);
    },
  };
}
