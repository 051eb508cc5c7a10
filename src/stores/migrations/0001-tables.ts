import { ownedWithTables, type Migration } from './migration.js';

/**
 * An account's list of gateways must be a list of serial numbers: if it were anything else, those gateways would look like
 * nobody's.
 */
const GATEWAYS_ARE_SERIAL_NUMBERS = `CHECK (
    value::jsonb #>> '{value,scope,kind}' IS DISTINCT FROM 'gateways'
    OR coalesce(jsonb_typeof(value::jsonb #> '{value,scope,gateways}') = 'array'
      AND NOT jsonb_path_exists(value::jsonb #> '{value,scope,gateways}',
        '$[*] ? (@.type() != "string" || !(@ like_regex "^[A-Za-z0-9]{1,64}$"))'), false))`;

/**
 * All tables of the first numbered state. It changes nothing that is already there, for earlier versions of dockhook made
 * the same tables without numbers. For each statement that would lock a table it first looks whether it is needed: on the
 * tables of 0.1.0 it waits for no reader and no writer. (`CREATE INDEX IF NOT EXISTS` locks the table even if the index
 * exists.) The triggers and the index of client ids are in `repairs.ts`.
 *
 * One row of accounts, organizations, bindings and settings is one record: `key` verbatim, `value` Keyv's envelope
 * `{"value":…}` as JSON text. The timeline is a plain table: rows are only added and swept away.
 *
 * Rows are also edited by plain SQL, so PostgreSQL itself guards what it can: a value that is not such an envelope is
 * refused, and what must be unique or must exist is taken out of the value by generated columns (PostgreSQL 12 and
 * later). Keys compare byte for byte, whatever the collation of the database.
 */
export const tables: Migration = {
  number: 1,
  name: 'tables',
  breaking: false,
  sql: `
CREATE TABLE IF NOT EXISTS dockhook_accounts (
  key varchar(255) COLLATE "C" PRIMARY KEY,
  value text NOT NULL CHECK (coalesce(jsonb_typeof(value::jsonb -> 'value') = 'object', false)),
  CONSTRAINT dockhook_accounts_check ${GATEWAYS_ARE_SERIAL_NUMBERS}
);
-- The first tables lacked the second check, and in 0.1.0 it had another name. NOT VALID: what they hold is kept, and refused
-- when it is read.
IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'dockhook_accounts'::regclass AND contype = 'c'
    AND pg_get_constraintdef(oid) LIKE '%like_regex%') THEN
  ALTER TABLE dockhook_accounts ADD CONSTRAINT dockhook_accounts_check ${GATEWAYS_ARE_SERIAL_NUMBERS} NOT VALID;
END IF;

-- An index on an expression, not on a column: the lists may be long, and Keyv reads rows with SELECT *.
IF to_regclass('dockhook_accounts_gateways') IS NULL THEN
  CREATE INDEX dockhook_accounts_gateways ON dockhook_accounts
    USING gin ((value::jsonb #> '{value,scope,gateways}') jsonb_path_ops) WITH (fastupdate = off);
END IF;

-- For triggers that told earlier versions of dockhook that an account changed. \`dockhook_changed\` tells more.
CREATE OR REPLACE FUNCTION dockhook_accounts_changed() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
  PERFORM pg_catalog.pg_notify('dockhook_accounts', TG_TABLE_SCHEMA);
  RETURN NULL;
END $function$;
${ownedWithTables('dockhook_accounts_changed')}

CREATE TABLE IF NOT EXISTS dockhook_organizations (
  key varchar(255) COLLATE "C" PRIMARY KEY,
  value text NOT NULL CHECK (coalesce(jsonb_typeof(value::jsonb -> 'value') = 'object', false)),
  binding_code text COLLATE "C" NOT NULL GENERATED ALWAYS AS (value::jsonb #>> '{value,bindingCode}') STORED UNIQUE
);

CREATE TABLE IF NOT EXISTS dockhook_bindings (
  key varchar(255) COLLATE "C" PRIMARY KEY,
  value text NOT NULL CHECK (coalesce(jsonb_typeof(value::jsonb -> 'value') = 'object', false)),
  organization_id text COLLATE "C" NOT NULL GENERATED ALWAYS AS (value::jsonb #>> '{value,organizationId}') STORED
    REFERENCES dockhook_organizations (key)
);
IF to_regclass('dockhook_bindings_organization_id') IS NULL THEN
  CREATE INDEX dockhook_bindings_organization_id ON dockhook_bindings (organization_id);
END IF;

CREATE TABLE IF NOT EXISTS dockhook_settings (
  key varchar(255) COLLATE "C" PRIMARY KEY,
  value text NOT NULL CHECK (coalesce(jsonb_typeof(value::jsonb -> 'value') = 'object', false))
);
-- Earlier versions of dockhook read this row. A breaking migration sets it to version 2, and they refuse to work, too.
INSERT INTO dockhook_settings (key, value) VALUES ('schema', '{"value":{"version":1}}') ON CONFLICT (key) DO NOTHING;

CREATE TABLE IF NOT EXISTS dockhook_timeline (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  last_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  gateway text COLLATE "C",
  own boolean NOT NULL,
  client_id text COLLATE "C" NOT NULL,
  account text COLLATE "C" NOT NULL,
  step text NOT NULL,
  outcome text NOT NULL,
  reason text,
  count integer NOT NULL,
  details jsonb NOT NULL
);
IF to_regclass('dockhook_timeline_gateway') IS NULL THEN
  CREATE INDEX dockhook_timeline_gateway ON dockhook_timeline (gateway, id) WHERE own;
END IF;
IF to_regclass('dockhook_timeline_strangers') IS NULL THEN
  CREATE INDEX dockhook_timeline_strangers ON dockhook_timeline (id) WHERE NOT own;
END IF;
IF to_regclass('dockhook_timeline_drone') IS NULL THEN
  CREATE INDEX dockhook_timeline_drone ON dockhook_timeline ((details ->> 'drone'))
    WHERE own AND step = 'status';
END IF;
IF to_regclass('dockhook_timeline_expires_at') IS NULL THEN
  CREATE INDEX dockhook_timeline_expires_at ON dockhook_timeline (expires_at);
END IF;
`,
};
