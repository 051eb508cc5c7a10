/**
 * The SQL of the records: Keyv over `@keyv/postgres` for plain reads and writes, statements of ours for what Keyv has
 * not, which are the steps that are atomic among replicas. Where a unique key or a reference forbids a step, it rejects
 * with an error whose `code` is the SQLSTATE.
 */
import { KeyvPostgres } from '@keyv/postgres';
import type { Keyv } from 'keyv';
import { cannotBeThere, type Database, type Ending, type Query, type Row } from './database.js';
import { openKeyv } from './keyv.js';
import { withRetries } from './retry.js';
import { unsoundParts, withWholeRows } from './soundness.js';
import { splitOnRefusal } from './split-on-refusal.js';
import {
  CLIENT_IDS_OF_ACCOUNT,
  GATEWAYS_OF_ACCOUNT,
  inSchema,
  PUBLIC,
  quoted,
  type RecordTable,
} from './table-names.js';
import { withTables } from './migrate.js';
import { serversOn } from './servers.js';
import { timelineOn } from './timeline.js';

/** A row as it is kept: `text` is Keyv's envelope, `{"value":…}`. */
export interface StoredRow {
  key: string;
  text: string;
}

/**
 * Whoever was told that something is kept must be right: a server that runs with synchronous_commit = off would
 * acknowledge a commit that it may still lose, so each statement that writes a record turns it on for its own
 * transaction, which holds behind a pooler, too. A server that waits for standbys keeps its stricter setting.
 */
const DURABLE = `set_config('synchronous_commit',
  CASE current_setting('synchronous_commit') WHEN 'off' THEN 'local'
  ELSE current_setting('synchronous_commit') END, true)`;

/** Row text that `RETURNING` and `SELECT` hand out. */
function storedRow(row: Row): StoredRow {
  return { key: String(row['key']), text: String(row['value']) };
}

/**
 * Keyv on our own `Database` instead of the adapter's pool, which ends the process with an uncaught error
 * when Postgres drops an idle connection (seen with @keyv/postgres 2.2.3).
 */
function keyvOn(database: Database, schema: string, table: RecordTable): Keyv {
  class Adapter extends KeyvPostgres {
    // Called by the constructor of KeyvPostgres: no field of this class would be there yet.
    override async connect(): Promise<(sql: string, values?: readonly unknown[]) => Promise<Row[]>> {
      return async (sql, values) => {
        // Its own table would lack our columns, and it tries only once; see `withTables`.
        if (sql.startsWith('CREATE')) return [];
        const writes = /^(INSERT|DELETE)/.test(sql);
        return database.query(writes ? `${sql.replace(/;\s*$/, '')} RETURNING ${DURABLE}` : sql, values);
      };
    }
  }
  return openKeyv(new Adapter({ schema: quoted(schema), table }));
}

/** The rows of one table. */
export type Rows = ReturnType<typeof openRows>;

function openRows(database: Database, schema: string, name: RecordTable) {
  const table = inSchema(schema, name);
  const found = async (sql: string, parameters: readonly unknown[]): Promise<boolean> =>
    (await database.query(sql, parameters)).length > 0;
  return {
    keyv: keyvOn(database, schema, name),
    /** A row's text, to be compared by `replace`. */
    async text(key: string): Promise<string | undefined> {
      const sql = `SELECT key, value FROM ${table} WHERE key = $1`;
      const [row] = await database.query(sql, [key]).catch(noneIfAbsent(key));
      return row && storedRow(row).text;
    },
    /** The next rows in byte order of their keys, at most `limit`. */
    async page(after: string, limit: number): Promise<StoredRow[]> {
      const sql = `SELECT key, value FROM ${table} WHERE key > $1 ORDER BY key LIMIT $2`;
      return (await database.query(sql, [after, limit])).map(storedRow);
    },
    /** @returns false if the key is taken */
    insert: ({ key, text }: StoredRow) =>
      found(
        `INSERT INTO ${table} (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING RETURNING ${DURABLE}`,
        [key, text],
      ),
    /** @returns false if the row has not this text any more, or is gone */
    replace: (key: string, oldText: string, text: string) =>
      found(`UPDATE ${table} SET value = $3 WHERE key = $1 AND value = $2 RETURNING ${DURABLE}`, [
        key,
        oldText,
        text,
      ]),
    /** @returns false if there is no such row */
    async remove(key: string): Promise<boolean> {
      const sql = `DELETE FROM ${table} WHERE key = $1 RETURNING ${DURABLE}`;
      return (await database.query(sql, [key]).catch(noneIfAbsent(key))).length > 0;
    },
  };
}

/** No rows, if the database refuses a key that cannot be in it. */
const noneIfAbsent =
  (key: string) =>
  (error: unknown): Row[] => {
    if (cannotBeThere(key, error)) return [];
    throw error;
  };

const INSERT_MANY = (table: string): string =>
  `INSERT INTO ${table} (key, value) SELECT * FROM unnest($1::text[], $2::text[])
   ON CONFLICT (key) DO NOTHING RETURNING key`;

/**
 * Inserts rows. @returns those that were left out, by key: `taken`, whose rows stay as they are, or the error with
 * which PostgreSQL refuses them
 */
type InsertMany = (table: RecordTable, rows: readonly StoredRow[]) => Promise<Map<string, 'taken' | Error>>;

function insertManyOn(query: Query, schema: string): InsertMany {
  return async (table, rows) => {
    const leftOut = new Map<string, 'taken' | Error>();
    const insert = async (some: readonly StoredRow[]): Promise<void> => {
      // A statement that fails would else end the transaction of all.
      await query('SAVEPOINT some_rows');
      const inserted = await query(INSERT_MANY(inSchema(schema, table)), [
        some.map(({ key }) => key),
        some.map(({ text }) => text),
      ]).catch(async (error: unknown) => {
        // If that fails, too, the connection is lost.
        await query('ROLLBACK TO SAVEPOINT some_rows').catch(() => undefined);
        throw error;
      });
      await query('RELEASE SAVEPOINT some_rows');
      const free = new Set(inserted.map(({ key }) => key));
      for (const { key } of some) if (!free.has(key)) leftOut.set(key, 'taken');
    };
    await splitOnRefusal(
      rows,
      ({ key, text }) => key + text,
      insert,
      (some, error) => {
        for (const { key } of some) leftOut.set(key, error);
      },
    );
    return leftOut;
  };
}

/**
 * Binds devices, each of them once. Of many racing binds of one device one wins: the others wait for its row and then see
 * it. Every such statement takes its rows in the same order, so that no two wait for each other.
 *
 * It says which devices are bound. Why another one is not is asked only then: to tell it at once would take half as long
 * again of each bind. It waits half a second at most for a row that somebody else has locked, since others may share the
 * statement (`merged-binds.ts`). Nor does it look up which SNs accounts list: for 16 devices and 1,000,000 accounts Postgres 15
 * expects so much work of that that it first compiles the query (60 ms).
 */
// What was bound through itself is a gateway, and no other gateway binds it. What was bound through another one does not
// become a gateway by asking: what is known as a gateway is refused to the dock whose drone it is.
const bindIn = (schema: string): string => {
  const field = (row: 'binding' | 'excluded', name: string): string =>
    `${row}.value::jsonb #>> '{value,${name}}'`;
  /** A bind that names none keeps the old one. */
  const kept = (name: string): string =>
    `'${name}', coalesce(nullif(${field('excluded', name)}, ''), ${field('binding', name)}, '')`;
  return `
INSERT INTO ${inSchema(schema, 'dockhook_bindings')} AS binding (key, value)
SELECT asked.* FROM (SELECT set_config('lock_timeout', '500ms', true)) AS limited,
  unnest($1::text[], $2::text[]) AS asked (key, value)
ORDER BY key
ON CONFLICT (key) DO UPDATE SET value = jsonb_build_object('value', (excluded.value::jsonb -> 'value')
    || jsonb_build_object(${kept('callsign')}, ${kept('modelKey')}))::text
  WHERE binding.organization_id = excluded.organization_id
    AND (${field('binding', 'gateway')} IS NOT DISTINCT FROM binding.key) = (${field('excluded', 'gateway')} = excluded.key)
RETURNING key, ${DURABLE}`;
};

const boundGatewaysIn = (schema: string): string => `
SELECT key FROM ${inSchema(schema, 'dockhook_bindings')}
WHERE key = ANY($1) AND value::jsonb #>> '{value,gateway}' = key`;

/**
 * count(*) and not EXISTS, for which Postgres 15 was seen to read all of 1,000,000 accounts (1.4 s) although
 * the index has the answer (0.1 ms). Of one SN and not of many, for which it expects so much work that it first
 * compiles the query (0.4 s).
 */
export const listsGatewayIn = (schema: string): string => `
SELECT count(*) > 0 AS found FROM ${inSchema(schema, 'dockhook_accounts')}
WHERE ${GATEWAYS_OF_ACCOUNT} @> jsonb_build_array($1::text)`;

/** In the form of {@link listsGatewayIn}, for the same reason. */
export const keepsClientIdIn = (schema: string): string => `
SELECT count(*) > 0 AS found FROM ${inSchema(schema, 'dockhook_accounts')}
WHERE ${CLIENT_IDS_OF_ACCOUNT} @> jsonb_build_array($1::text)`;

// LEFT: where a reference is broken, as after a restore without constraints, a binding must not look like none.
const bindingsWithOrganizationsIn = (schema: string): string => `
SELECT binding.key, binding.value, organization.key AS id, organization.value AS organization
FROM ${inSchema(schema, 'dockhook_bindings')} AS binding
LEFT JOIN ${inSchema(schema, 'dockhook_organizations')} AS organization ON organization.key = binding.organization_id
WHERE binding.key = ANY($1)`;

/** The statements on the tables of records, bound to one database and schema. */
export type Sql = ReturnType<typeof openSql>;

/** Returns at once: the tables are made sure of by the first query. */
export function openSql(bare: Database, schema = PUBLIC) {
  const [accounts, organizations, bindings] = [
    inSchema(schema, 'dockhook_accounts'),
    inSchema(schema, 'dockhook_organizations'),
    inSchema(schema, 'dockhook_bindings'),
  ];
  const sent = withRetries(bare);
  // The embedded database has one role, from whom nothing is hidden, and no connections of one's own.
  const whole = bare.openSession === undefined ? undefined : withWholeRows(sent, schema);
  const database = withTables(whole ?? sent, schema);
  return {
    rows: (table: RecordTable) => openRows(database, schema, table),
    /** Insertions of any number that all come to be, or none; see {@link Database.transaction}. */
    transaction: (work: (insertMany: InsertMany) => Promise<Ending>) =>
      database.transaction(async (query) => {
        await query(`SELECT ${DURABLE}`);
        return work(insertManyOn(query, schema));
      }),
    timeline: timelineOn(database, schema),
    servers: serversOn(database, schema),
    /** Those that there are, by code. */
    async organizationsByCode(codes: readonly string[]) {
      const sql = `SELECT key, value, binding_code FROM ${organizations} WHERE binding_code = ANY($1)`;
      const rows = await database.query(sql, [codes]);
      return new Map(rows.map((row) => [String(row['binding_code']), storedRow(row)]));
    },
    async listsGateway(sn: string) {
      const [row] = await database.query(listsGatewayIn(schema), [sn]);
      return row?.['found'] === true;
    },
    async keepsClientId(clientId: string) {
      const [row] = await database.query(keepsClientIdIn(schema), [clientId]);
      return row?.['found'] === true;
    },
    /** Those that there are, by SN; without an organization if the reference is broken. */
    async bindingsWithOrganizations(sns: readonly string[]) {
      const rows = await database.query(bindingsWithOrganizationsIn(schema), [sns]);
      return new Map(
        rows.map((row) => {
          const [id, value] = [row['id'], row['organization']];
          const organization = id === null ? undefined : storedRow({ key: id, value });
          return [String(row['key']), { ...storedRow(row), organization }];
        }),
      );
    },
    async countBindings(organizationId: string) {
      const sql = `SELECT count(*)::int AS bound FROM ${bindings} WHERE organization_id = $1`;
      const [row] = await database.query(sql, [organizationId]);
      return Number(row?.['bound']);
    },
    /** The accounts that belong to an organization, in byte order, at most `limit`. Few have any: LIKE spares parsing the others. */
    async accountsOf(organizationId: string, limit: number) {
      const sql = `SELECT key FROM ${accounts} WHERE value LIKE '%"organizationId"%'
        AND value::jsonb #>> '{value,organizationId}' = $1 ORDER BY key LIMIT $2`;
      return (await database.query(sql, [organizationId, limit])).map(({ key }) => String(key));
    },
    /**
     * Inserts bindings, or renews those to the same organization; all are durable when it resolves. No key may come twice.
     * @returns the SNs that are bound
     */
    async bind(rows: readonly StoredRow[]) {
      const parameters = [rows.map(({ key }) => key), rows.map(({ text }) => text)];
      return new Set((await database.query(bindIn(schema), parameters)).map(({ key }) => String(key)));
    },
    /** Those of these SNs that were bound through themselves. */
    async boundGateways(sns: readonly string[]) {
      return new Set((await database.query(boundGatewaysIn(schema), [sns])).map(({ key }) => String(key)));
    },
    async ping() {
      await database.query('SELECT 1');
    },
    unsound: () => unsoundParts(bare.query, schema),
    openSession: database.openSession,
    seenWhole: whole?.seenWhole,
    close: () => database.close(),
  };
}
