-- The tables of dockhook, for who does not want dockhook to make them itself. `npm run docs` makes this file from
-- src/stores/migrations/; it is the statement with which dockhook brings the tables up to date at its start. Run it as
-- the owner of the tables before the servers of a new version start, and roles.sql after it. It applies what is missing,
-- all of it or nothing, and refuses tables that a newer dockhook changed. The schema is public; for another one:
--
--   psql -v ON_ERROR_STOP=1 -d DATABASE -c "SET dockhook.schema = 'NAME'" -f schema.sql -f roles.sql

DO $dockhook$
DECLARE
  dockhook_schema text := coalesce(nullif(current_setting('dockhook.schema', true), ''), 'public');
  newer text;
  version text;
BEGIN
PERFORM pg_advisory_xact_lock(4022250775);
PERFORM set_config('lock_timeout', '1s', true);
IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = dockhook_schema) THEN
  EXECUTE format('CREATE SCHEMA %I', dockhook_schema);
END IF;
PERFORM set_config('search_path', format('%I, pg_temp', dockhook_schema), true);
-- PostgreSQL skips a schema that the role may not use, and would make the tables in the temporary one.
IF current_schema() IS DISTINCT FROM dockhook_schema THEN
  RAISE EXCEPTION 'role % may not use schema %: GRANT USAGE, CREATE ON SCHEMA % TO %',
    current_user, dockhook_schema, quote_ident(dockhook_schema), quote_ident(current_user)
    USING ERRCODE = 'insufficient_privilege';
END IF;

-- A new database must be UTF8. One with tables in another encoding goes on.
IF current_setting('server_encoding') <> 'UTF8' AND to_regclass('dockhook_settings') IS NULL THEN
  RAISE EXCEPTION 'the encoding of database % is %, and must be UTF8', current_database(), current_setting('server_encoding')
    USING ERRCODE = 'DH002';
END IF;

-- Everybody may read it: a role that cannot would not know that all is up to date.
IF NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = dockhook_schema AND tablename = 'dockhook_migrations') THEN
  CREATE TABLE dockhook_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    breaking boolean NOT NULL
  );
  GRANT SELECT ON dockhook_migrations TO PUBLIC;
END IF;

SELECT string_agg(to_char(number, 'FM0000 ') || name, ', ' ORDER BY number) INTO newer
  FROM dockhook_migrations WHERE breaking AND number > 1;
IF newer IS NOT NULL THEN
  RAISE EXCEPTION 'a newer dockhook changed the tables in a way that this one does not know (%)', newer
    USING ERRCODE = 'DH001';
END IF;

-- The record of versions before the migrations. A role that may not read it may not migrate either, but may go on.
IF has_table_privilege(to_regclass('dockhook_settings'), 'SELECT') THEN
  SELECT value::jsonb #>> '{value,version}' INTO version FROM dockhook_settings WHERE key = 'schema';
  IF version::int > 1 THEN
    RAISE EXCEPTION 'another dockhook gave the tables version %, which this one does not know', version
      USING ERRCODE = 'DH001';
  END IF;
END IF;

-- 0001 tables
IF NOT EXISTS (SELECT FROM dockhook_migrations WHERE number = 1) THEN
INSERT INTO dockhook_migrations (number, name, breaking) VALUES (1, 'tables', false);
CREATE TABLE IF NOT EXISTS dockhook_accounts (
  key varchar(255) COLLATE "C" PRIMARY KEY,
  value text NOT NULL CHECK (coalesce(jsonb_typeof(value::jsonb -> 'value') = 'object', false)),
  CONSTRAINT dockhook_accounts_check CHECK (
    value::jsonb #>> '{value,scope,kind}' IS DISTINCT FROM 'gateways'
    OR coalesce(jsonb_typeof(value::jsonb #> '{value,scope,gateways}') = 'array'
      AND NOT jsonb_path_exists(value::jsonb #> '{value,scope,gateways}',
        '$[*] ? (@.type() != "string" || !(@ like_regex "^[A-Za-z0-9]{1,64}$"))'), false))
);
-- The first tables lacked the second check, and in 0.1.0 it had another name. NOT VALID: what they hold is kept, and refused
-- when it is read.
IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'dockhook_accounts'::regclass AND contype = 'c'
    AND pg_get_constraintdef(oid) LIKE '%like_regex%') THEN
  ALTER TABLE dockhook_accounts ADD CONSTRAINT dockhook_accounts_check CHECK (
    value::jsonb #>> '{value,scope,kind}' IS DISTINCT FROM 'gateways'
    OR coalesce(jsonb_typeof(value::jsonb #> '{value,scope,gateways}') = 'array'
      AND NOT jsonb_path_exists(value::jsonb #> '{value,scope,gateways}',
        '$[*] ? (@.type() != "string" || !(@ like_regex "^[A-Za-z0-9]{1,64}$"))'), false)) NOT VALID;
END IF;

-- An index on an expression, not on a column: the lists may be long, and Keyv reads rows with SELECT *.
IF to_regclass('dockhook_accounts_gateways') IS NULL THEN
  CREATE INDEX dockhook_accounts_gateways ON dockhook_accounts
    USING gin ((value::jsonb #> '{value,scope,gateways}') jsonb_path_ops) WITH (fastupdate = off);
END IF;

-- For triggers that told earlier versions of dockhook that an account changed. `dockhook_changed` tells more.
CREATE OR REPLACE FUNCTION dockhook_accounts_changed() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
  PERFORM pg_catalog.pg_notify('dockhook_accounts', TG_TABLE_SCHEMA);
  RETURN NULL;
END $function$;
EXECUTE format('ALTER FUNCTION dockhook_accounts_changed() OWNER TO %s',
    (SELECT relowner::regrole FROM pg_class WHERE oid = 'dockhook_accounts'::regclass));

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
END IF;

-- Lost or never made. The tables work without it, only slower: nobody waits long for a lock, and a failure is a warning.
IF to_regclass('dockhook_accounts_client_ids') IS NULL THEN
BEGIN
  PERFORM set_config('lock_timeout', '500ms', true);
  CREATE INDEX dockhook_accounts_client_ids ON dockhook_accounts
    USING gin ((value::jsonb #> '{value,scope,clientIds}') jsonb_path_ops) WITH (fastupdate = off)
    WHERE (value::jsonb #> '{value,scope,clientIds}') IS NOT NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'dockhook_accounts lacks the index of client ids, so that a look-up reads all accounts: %', SQLERRM;
END;
END IF;
IF (SELECT count(*) FROM pg_trigger WHERE tgenabled = 'A'
    AND tgrelid IN (to_regclass('dockhook_accounts'), to_regclass('dockhook_organizations'), to_regclass('dockhook_bindings'), to_regclass('dockhook_settings')) AND tgname IN ('dockhook_changed', 'dockhook_emptied')) < 8
  OR EXISTS (SELECT FROM pg_proc, pg_class WHERE pg_proc.oid = to_regprocedure('dockhook_changed()')
    AND pg_class.oid = to_regclass('dockhook_accounts') AND proowner <> relowner) THEN
DECLARE
  name text;
BEGIN
  CREATE OR REPLACE FUNCTION dockhook_changed() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  setting text := 'dockhook.told_' || TG_RELID;
  counted text[] := string_to_array(current_setting(setting, true), ' ');
  told integer := 0;
  names text[];
  buckets text;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify('dockhook_changes', 'everything ' || TG_TABLE_SCHEMA);
    RETURN NULL;
  END IF;
  IF counted[1] = txid_current()::text THEN told := counted[2]::integer; END IF;
  IF told > 1000 THEN RETURN NULL; END IF;
  CASE TG_TABLE_NAME
  WHEN 'dockhook_accounts' THEN
    names := ARRAY['account ' || OLD.key, 'account ' || NEW.key] || ARRAY(
      SELECT kind || (entry #>> '{}')
      FROM (VALUES ('old', OLD.value::jsonb), ('new', NEW.value::jsonb)) AS versions (version, value),
        (VALUES ('gateway ', '$.value.scope.gateways[*]'::jsonpath), ('client id ', '$.value.scope.clientIds[*]')) AS lists (kind, path),
        jsonb_path_query(value, path) AS entry
      GROUP BY 1 HAVING count(DISTINCT version) = 1);
  WHEN 'dockhook_organizations' THEN
    names := ARRAY['organization ' || OLD.key, 'organization ' || NEW.key, 'code'];
  WHEN 'dockhook_bindings' THEN
    names := ARRAY['binding ' || OLD.key, 'binding ' || NEW.key];
  ELSE
    names := ARRAY['setting ' || OLD.key, 'setting ' || NEW.key];
  END CASE;
  -- Not all bytes of another encoding may be text, and a row must be changed all the same.
  IF cardinality(names) > 1000 OR getdatabaseencoding() <> 'UTF8' THEN told := 1000; END IF;
  told := told + 1;
  PERFORM set_config(setting, txid_current() || ' ' || told, true);
  IF told > 1000 THEN
    buckets := 'everything';
  ELSE
    SELECT string_agg(DISTINCT left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 4), ',')
      INTO buckets FROM unnest(names) AS name;
  END IF;
  PERFORM pg_notify('dockhook_changes', buckets || ' ' || TG_TABLE_SCHEMA);
  RETURN NULL;
END $function$;
  EXECUTE format('ALTER FUNCTION dockhook_changed() OWNER TO %s',
    (SELECT relowner::regrole FROM pg_class WHERE oid = 'dockhook_accounts'::regclass));
  -- ALWAYS and FOR EACH ROW: a subscriber of logical replication runs no other triggers. None is dropped and made anew: that
  -- would wait for readers, perhaps for a backup, and all other readers would wait behind it.
  FOREACH name IN ARRAY ARRAY['dockhook_accounts', 'dockhook_organizations', 'dockhook_bindings', 'dockhook_settings'] LOOP
  BEGIN
    PERFORM set_config('lock_timeout', '500ms', true);
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = name::regclass AND tgname = 'dockhook_changed') THEN
      EXECUTE format('CREATE TRIGGER dockhook_changed AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION dockhook_changed()', name);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = name::regclass AND tgname = 'dockhook_changed' AND tgenabled = 'A') THEN
      EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER dockhook_changed', name);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = name::regclass AND tgname = 'dockhook_emptied') THEN
      EXECUTE format('CREATE TRIGGER dockhook_emptied AFTER TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION dockhook_changed()', name);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = name::regclass AND tgname = 'dockhook_emptied' AND tgenabled = 'A') THEN
      EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER dockhook_emptied', name);
    END IF;
  EXCEPTION WHEN OTHERS THEN
    RAISE WARNING '% lacks its triggers, so that records are read each time: %', name, SQLERRM;
  END;
  END LOOP;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'the triggers of the tables cannot be made as they should be, so that records may be read each time: %', SQLERRM;
END;
END IF;
END $dockhook$;
