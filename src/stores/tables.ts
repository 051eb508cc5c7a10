/**
 * The tables and how they come to be. One row is one record: `key` verbatim, `value` Keyv's envelope
 * `{"value":…}` as JSON text. The timeline alone is a plain table: rows are only added and swept away.
 *
 * Rows are also edited by plain SQL, so Postgres itself guards what it can: a value that is not such an
 * envelope is refused, and what must be unique or must exist is taken out of the value by generated
 * columns (PostgreSQL 12 and later). Keys compare byte for byte, whatever the database's collation.
 */
import { sqlState, type Database, type SessionListener } from './database.js';

/** A table of records. */
export type RecordTable =
  'dockhook_accounts' | 'dockhook_organizations' | 'dockhook_bindings' | 'dockhook_settings';

export type TableName = RecordTable | 'dockhook_timeline';

const IS_ENVELOPE = `CHECK (coalesce(jsonb_typeof(value::jsonb -> 'value') = 'object', false))`;

const keyAndValue = `
  key varchar(255) COLLATE "C" PRIMARY KEY,
  value text NOT NULL ${IS_ENVELOPE}`;

const field = (name: string) =>
  `text COLLATE "C" NOT NULL GENERATED ALWAYS AS (value::jsonb #>> '{value,${name}}') STORED`;

/** The gateways an account's scope lists, as its GIN index has them. */
export const GATEWAYS_OF_ACCOUNT = `(value::jsonb #> '{value,scope,gateways}')`;

/** The client ids that an account keeps for itself, as their GIN index has them. */
export const CLIENT_IDS_OF_ACCOUNT = `(value::jsonb #> '{value,scope,clientIds}')`;

/** Small, whatever the number of accounts: few keep any. */
const CLIENT_IDS_INDEX = 'dockhook_accounts_client_ids';
const INDEX_OF_CLIENT_IDS = `CREATE INDEX ${CLIENT_IDS_INDEX} ON public.dockhook_accounts
  USING gin (${CLIENT_IDS_OF_ACCOUNT} jsonb_path_ops) WITH (fastupdate = off) WHERE ${CLIENT_IDS_OF_ACCOUNT} IS NOT NULL`;

// A list that is none would make its gateways look like nobody's.
const LISTS_SERIAL_NUMBERS = `CHECK (value::jsonb #>> '{value,scope,kind}' IS DISTINCT FROM 'gateways'
    OR coalesce(jsonb_typeof(${GATEWAYS_OF_ACCOUNT}) = 'array'
      AND NOT jsonb_path_exists(${GATEWAYS_OF_ACCOUNT}, '$[*] ? (@.type() != "string" || !(@ like_regex "^[A-Za-z0-9]{1,64}$"))'), false))`;

// On the expression, and no column: the list may be long, and Keyv reads rows with SELECT *.
const INDEX_OF_GATEWAYS = `CREATE INDEX dockhook_accounts_gateways ON public.dockhook_accounts
  USING gin (${GATEWAYS_OF_ACCOUNT} jsonb_path_ops) WITH (fastupdate = off)`;

const INDEX_OF_TIMELINE =
  'CREATE INDEX dockhook_timeline_gateway ON public.dockhook_timeline (gateway, id) WHERE own';

const tables: readonly { name: TableName; create: string }[] = [
  {
    name: 'dockhook_accounts',
    create: `
CREATE TABLE public.dockhook_accounts (${keyAndValue},
  ${LISTS_SERIAL_NUMBERS});
${INDEX_OF_GATEWAYS};
${INDEX_OF_CLIENT_IDS};`,
  },
  {
    name: 'dockhook_organizations',
    create: `
CREATE TABLE public.dockhook_organizations (${keyAndValue},
  binding_code ${field('bindingCode')} UNIQUE);`,
  },
  {
    name: 'dockhook_bindings',
    create: `
CREATE TABLE public.dockhook_bindings (${keyAndValue},
  organization_id ${field('organizationId')} REFERENCES public.dockhook_organizations (key));
CREATE INDEX dockhook_bindings_organization_id ON public.dockhook_bindings (organization_id);`,
  },
  { name: 'dockhook_settings', create: `CREATE TABLE public.dockhook_settings (${keyAndValue});` },
  {
    name: 'dockhook_timeline',
    create: `
CREATE TABLE public.dockhook_timeline (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL, last_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
  gateway text COLLATE "C", own boolean NOT NULL,
  client_id text COLLATE "C" NOT NULL, account text COLLATE "C" NOT NULL,
  step text NOT NULL, outcome text NOT NULL, reason text, count integer NOT NULL, details jsonb NOT NULL);
${INDEX_OF_TIMELINE};
CREATE INDEX dockhook_timeline_strangers ON public.dockhook_timeline (id) WHERE NOT own;
CREATE INDEX dockhook_timeline_drone ON public.dockhook_timeline ((details ->> 'drone')) WHERE own AND step = 'status';
CREATE INDEX dockhook_timeline_expires_at ON public.dockhook_timeline (expires_at);`,
  },
];

const alter = (table: TableName, change: string): string => `ALTER TABLE public.${table} ${change}`;

/** Made in place of a column of that name that holds what somebody wrote into it. */
const regenerate = (table: TableName, column: string, name: string): string =>
  alter(table, `DROP COLUMN IF EXISTS ${column} CASCADE, ADD COLUMN ${column} ${field(name)}`);

/** A part of a table that guards what is in it, and the SQL that makes it. */
export interface Guard {
  /** PostgreSQL's letter of a constraint (p primary key, c check, u unique, f foreign key), a generated column, or an index. */
  part: { constraint: string } | { generated: string } | { index: string };
  make: string;
}

const envelope = (table: RecordTable): Guard[] => [
  { part: { constraint: 'p' }, make: alter(table, 'ADD PRIMARY KEY (key)') },
  { part: { constraint: 'c' }, make: alter(table, `ADD ${IS_ENVELOPE}`) },
];

/** In the order in which they can be made: a column before what is on it. */
export const guards: Readonly<Record<TableName, readonly Guard[]>> = {
  dockhook_accounts: [
    { part: { constraint: 'p' }, make: alter('dockhook_accounts', 'ADD PRIMARY KEY (key)') },
    {
      part: { constraint: 'c' },
      make: alter('dockhook_accounts', `ADD ${IS_ENVELOPE}, ADD ${LISTS_SERIAL_NUMBERS}`),
    },
    { part: { index: 'dockhook_accounts_gateways' }, make: INDEX_OF_GATEWAYS },
    { part: { index: CLIENT_IDS_INDEX }, make: INDEX_OF_CLIENT_IDS },
  ],
  dockhook_organizations: [
    ...envelope('dockhook_organizations'),
    {
      part: { generated: 'binding_code' },
      make: regenerate('dockhook_organizations', 'binding_code', 'bindingCode'),
    },
    { part: { constraint: 'u' }, make: alter('dockhook_organizations', 'ADD UNIQUE (binding_code)') },
  ],
  dockhook_bindings: [
    ...envelope('dockhook_bindings'),
    {
      part: { generated: 'organization_id' },
      make: regenerate('dockhook_bindings', 'organization_id', 'organizationId'),
    },
    {
      part: { constraint: 'f' },
      make: alter(
        'dockhook_bindings',
        'ADD FOREIGN KEY (organization_id) REFERENCES public.dockhook_organizations (key)',
      ),
    },
  ],
  dockhook_settings: envelope('dockhook_settings'),
  dockhook_timeline: [
    { part: { constraint: 'p' }, make: alter('dockhook_timeline', 'ADD PRIMARY KEY (id)') },
    { part: { index: 'dockhook_timeline_gateway' }, make: INDEX_OF_TIMELINE },
  ],
};

export const tableNames: readonly TableName[] = tables.map(({ name }) => name);

/** A query of the catalog, for to_regclass() still answers from its cache after the wait for the lock. */
const isThere = (name: TableName) =>
  `EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = '${name}')`;
const isMissing = (name: TableName) => `NOT ${isThere(name)}`;

/**
 * Of the tables as this dockhook makes them; kept in `dockhook_settings`, in the row below. To be raised when
 * an older dockhook could not work with the tables any more; a table that is missing is made in any case.
 * Tables of before that row came are as in version 1.
 */
const SCHEMA_VERSION = 1;
const VERSION_KEY = 'schema';

/** The SQLSTATE, in a class that is free for applications, of tables that a newer dockhook made. */
export const NEWER_SCHEMA = 'DH001';

/** The SQLSTATE of an empty database that cannot keep all text. */
export const NOT_UTF8 = 'DH002';

/** An arbitrary number, the same in every dockhook: replicas that start together create tables in turn. */
const CREATION_LOCK = 4_022_250_775;

const readVersion = `SELECT (value::jsonb #>> '{value,version}')::int INTO found FROM public.dockhook_settings
  WHERE key = '${VERSION_KEY}';`;

/** On which a change of accounts is told, without saying of which: anybody who may connect can listen. */
export const ACCOUNTS_CHANNEL = 'dockhook_accounts';

/** The table in `pg_class`; no row if it is gone. */
export const ACCOUNTS_OID = `(SELECT oid FROM pg_class WHERE relname = 'dockhook_accounts'
    AND relnamespace = 'public'::regnamespace)`;

/** Each on what and how often. By row, for a subscriber of logical replication runs no others for one. */
const accountTriggers = {
  dockhook_accounts_changed: 'AFTER UPDATE OR DELETE ON public.dockhook_accounts FOR EACH ROW',
  dockhook_accounts_emptied: 'AFTER TRUNCATE ON public.dockhook_accounts FOR EACH STATEMENT',
};

export const ACCOUNT_TRIGGERS = Object.keys(accountTriggers);

/** What is true of these in `pg_trigger`. */
export const areAccountTriggers = `tgrelid = ${ACCOUNTS_OID} AND tgname IN (${ACCOUNT_TRIGGERS.map((name) => `'${name}'`).join(', ')})`;

/**
 * `ALWAYS`, for a subscriber runs only such. A transaction that changes a million rows sends one notification. A new
 * account needs none: nobody remembers an absent one. No trigger is dropped: that would wait for readers, a backup
 * perhaps, and all other readers behind it.
 */
const createAccountTriggers = `
CREATE OR REPLACE FUNCTION public.dockhook_accounts_changed() RETURNS trigger LANGUAGE plpgsql
  AS $changed$ BEGIN NOTIFY ${ACCOUNTS_CHANNEL}; RETURN NULL; END $changed$;
${Object.entries(accountTriggers)
  .map(
    ([
      name,
      on,
    ]) => `IF NOT EXISTS (SELECT FROM pg_trigger WHERE ${areAccountTriggers} AND tgname = '${name}') THEN
CREATE TRIGGER ${name} ${on} EXECUTE FUNCTION public.dockhook_accounts_changed();
END IF;
ALTER TABLE public.dockhook_accounts ENABLE ALWAYS TRIGGER ${name};`,
  )
  .join('\n')}`;

/**
 * One statement, hence one transaction, also behind a transaction pooler. It asks for no right but to read
 * the settings, and takes no lock, once all is there: a role without CREATE can serve tables that an
 * administrator made. Tables of a newer dockhook are left alone: this one might misread what is in them.
 */
export const createMissingTables = `
DO $$
DECLARE found int;
BEGIN
IF ${isThere('dockhook_settings')} THEN
${readVersion}
IF found > ${SCHEMA_VERSION} THEN
RAISE EXCEPTION 'the tables have schema version %, and this dockhook knows ${SCHEMA_VERSION}', found
  USING ERRCODE = '${NEWER_SCHEMA}';
END IF;
END IF;
IF found IS NULL OR ${tables.map(({ name }) => isMissing(name)).join('\n  OR ')} THEN
-- Tables that are there already go on; a new database had better be right.
IF NOT ${isThere('dockhook_settings')} AND current_setting('server_encoding') <> 'UTF8' THEN
RAISE EXCEPTION 'the encoding of database % is %, and must be UTF8', current_database(), current_setting('server_encoding')
  USING ERRCODE = '${NOT_UTF8}';
END IF;
PERFORM pg_advisory_xact_lock(${CREATION_LOCK});
${tables.map(({ name, create }) => `IF ${isMissing(name)} THEN ${create} END IF;`).join('\n')}
INSERT INTO public.dockhook_settings (key, value)
VALUES ('${VERSION_KEY}', '{"value":{"version":${SCHEMA_VERSION}}}')
ON CONFLICT (key) DO NOTHING;
END IF;
-- Tables of before client ids were kept get the index from their owner; without it a lookup reads all accounts.
IF NOT EXISTS (SELECT FROM pg_indexes WHERE schemaname = 'public' AND indexname = '${CLIENT_IDS_INDEX}') THEN
BEGIN
PERFORM set_config('lock_timeout', '500ms', true);
PERFORM pg_advisory_xact_lock(${CREATION_LOCK});
IF NOT EXISTS (SELECT FROM pg_indexes WHERE schemaname = 'public' AND indexname = '${CLIENT_IDS_INDEX}') THEN
${INDEX_OF_CLIENT_IDS};
END IF;
EXCEPTION WHEN insufficient_privilege OR read_only_sql_transaction OR lock_not_available THEN
RAISE WARNING 'dockhook_accounts has not got the index of client ids, so that a lookup reads all accounts: %', SQLERRM;
END;
END IF;
-- Tables of before the triggers came get them from their owner; without them accounts are read each time.
IF (SELECT count(*) FROM pg_trigger WHERE ${areAccountTriggers} AND tgenabled = 'A') < ${ACCOUNT_TRIGGERS.length} THEN
BEGIN
PERFORM set_config('lock_timeout', '500ms', true);
PERFORM pg_advisory_xact_lock(${CREATION_LOCK});
${createAccountTriggers}
EXCEPTION WHEN insufficient_privilege OR read_only_sql_transaction OR lock_not_available THEN
RAISE WARNING 'dockhook_accounts has not got its triggers, so that accounts are read each time: %', SQLERRM;
END;
END IF;
END $$`;

const UNDEFINED_TABLE = '42P01';

/**
 * The same database, whose every query first makes sure that the tables exist: tried until it succeeded
 * once, and again when a table is found to be gone. Postgres may be absent when dockhook starts.
 */
export function withTables(database: Database): Database {
  const { openSession } = database;
  let existing: Promise<unknown> | undefined;

  async function onTables<T>(work: () => Promise<T>): Promise<T> {
    existing ??= database.query(createMissingTables).catch((error: unknown) => {
      existing = undefined;
      throw error;
    });
    await existing;
    try {
      return await work();
    } catch (error) {
      if (sqlState(error) === UNDEFINED_TABLE) existing = undefined;
      throw error;
    }
  }

  return {
    query: (sql, parameters) => onTables(() => database.query(sql, parameters)),
    transaction: (work) => onTables(() => database.transaction(work)),
    ...(openSession === undefined
      ? {}
      : { openSession: (listener: SessionListener) => onTables(() => openSession(listener)) }),
    close: () => database.close(),
  };
}
