-- The tables of dockhook, for who does not want dockhook to make them itself. Made from src/stores/tables.ts by
-- `npm run docs`; it is the statement that dockhook runs when it starts. Run it again after an upgrade: it makes
-- what is missing, and refuses tables of a newer dockhook.

DO $$
DECLARE found int;
BEGIN
IF EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'dockhook_settings') THEN
SELECT (value::jsonb #>> '{value,version}')::int INTO found FROM public.dockhook_settings
  WHERE key = 'schema';
IF found > 1 THEN
RAISE EXCEPTION 'the tables have schema version %, and this dockhook knows 1', found
  USING ERRCODE = 'DH001';
END IF;
END IF;
IF found IS NULL OR NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'dockhook_accounts')
  OR NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'dockhook_organizations')
  OR NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'dockhook_bindings')
  OR NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'dockhook_settings')
  OR NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'dockhook_timeline') THEN
-- Tables that are there already go on; a new database had better be right.
IF NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'dockhook_settings') AND current_setting('server_encoding') <> 'UTF8' THEN
RAISE EXCEPTION 'the encoding of database % is %, and must be UTF8', current_database(), current_setting('server_encoding')
  USING ERRCODE = 'DH002';
END IF;
PERFORM pg_advisory_xact_lock(4022250775);
IF NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'dockhook_accounts') THEN 
CREATE TABLE public.dockhook_accounts (
  key varchar(255) COLLATE "C" PRIMARY KEY,
  value text NOT NULL CHECK (coalesce(jsonb_typeof(value::jsonb -> 'value') = 'object', false)),
  CHECK (value::jsonb #>> '{value,scope,kind}' IS DISTINCT FROM 'gateways'
    OR coalesce(jsonb_typeof((value::jsonb #> '{value,scope,gateways}')) = 'array'
      AND NOT jsonb_path_exists((value::jsonb #> '{value,scope,gateways}'), '$[*] ? (@.type() != "string" || !(@ like_regex "^[A-Za-z0-9]{1,64}$"))'), false)));
CREATE INDEX dockhook_accounts_gateways ON public.dockhook_accounts
  USING gin ((value::jsonb #> '{value,scope,gateways}') jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX dockhook_accounts_client_ids ON public.dockhook_accounts
  USING gin ((value::jsonb #> '{value,scope,clientIds}') jsonb_path_ops) WITH (fastupdate = off) WHERE (value::jsonb #> '{value,scope,clientIds}') IS NOT NULL; END IF;
IF NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'dockhook_organizations') THEN 
CREATE TABLE public.dockhook_organizations (
  key varchar(255) COLLATE "C" PRIMARY KEY,
  value text NOT NULL CHECK (coalesce(jsonb_typeof(value::jsonb -> 'value') = 'object', false)),
  binding_code text COLLATE "C" NOT NULL GENERATED ALWAYS AS (value::jsonb #>> '{value,bindingCode}') STORED UNIQUE); END IF;
IF NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'dockhook_bindings') THEN 
CREATE TABLE public.dockhook_bindings (
  key varchar(255) COLLATE "C" PRIMARY KEY,
  value text NOT NULL CHECK (coalesce(jsonb_typeof(value::jsonb -> 'value') = 'object', false)),
  organization_id text COLLATE "C" NOT NULL GENERATED ALWAYS AS (value::jsonb #>> '{value,organizationId}') STORED REFERENCES public.dockhook_organizations (key));
CREATE INDEX dockhook_bindings_organization_id ON public.dockhook_bindings (organization_id); END IF;
IF NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'dockhook_settings') THEN CREATE TABLE public.dockhook_settings (
  key varchar(255) COLLATE "C" PRIMARY KEY,
  value text NOT NULL CHECK (coalesce(jsonb_typeof(value::jsonb -> 'value') = 'object', false))); END IF;
IF NOT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'dockhook_timeline') THEN 
CREATE TABLE public.dockhook_timeline (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL, last_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
  gateway text COLLATE "C", own boolean NOT NULL,
  client_id text COLLATE "C" NOT NULL, account text COLLATE "C" NOT NULL,
  step text NOT NULL, outcome text NOT NULL, reason text, count integer NOT NULL, details jsonb NOT NULL);
CREATE INDEX dockhook_timeline_gateway ON public.dockhook_timeline (gateway, id) WHERE own;
CREATE INDEX dockhook_timeline_strangers ON public.dockhook_timeline (id) WHERE NOT own;
CREATE INDEX dockhook_timeline_drone ON public.dockhook_timeline ((details ->> 'drone')) WHERE own AND step = 'status';
CREATE INDEX dockhook_timeline_expires_at ON public.dockhook_timeline (expires_at); END IF;
INSERT INTO public.dockhook_settings (key, value)
VALUES ('schema', '{"value":{"version":1}}')
ON CONFLICT (key) DO NOTHING;
END IF;
-- Tables of before client ids were kept get the index from their owner; without it a lookup reads all accounts.
IF NOT EXISTS (SELECT FROM pg_indexes WHERE schemaname = 'public' AND indexname = 'dockhook_accounts_client_ids') THEN
BEGIN
PERFORM set_config('lock_timeout', '500ms', true);
PERFORM pg_advisory_xact_lock(4022250775);
IF NOT EXISTS (SELECT FROM pg_indexes WHERE schemaname = 'public' AND indexname = 'dockhook_accounts_client_ids') THEN
CREATE INDEX dockhook_accounts_client_ids ON public.dockhook_accounts
  USING gin ((value::jsonb #> '{value,scope,clientIds}') jsonb_path_ops) WITH (fastupdate = off) WHERE (value::jsonb #> '{value,scope,clientIds}') IS NOT NULL;
END IF;
EXCEPTION WHEN insufficient_privilege OR read_only_sql_transaction OR lock_not_available THEN
RAISE WARNING 'dockhook_accounts has not got the index of client ids, so that a lookup reads all accounts: %', SQLERRM;
END;
END IF;
-- Tables of before the triggers came get them from their owner; without them accounts are read each time.
IF (SELECT count(*) FROM pg_trigger WHERE tgrelid = (SELECT oid FROM pg_class WHERE relname = 'dockhook_accounts'
    AND relnamespace = 'public'::regnamespace) AND tgname IN ('dockhook_accounts_changed', 'dockhook_accounts_emptied') AND tgenabled = 'A') < 2 THEN
BEGIN
PERFORM set_config('lock_timeout', '500ms', true);
PERFORM pg_advisory_xact_lock(4022250775);

CREATE OR REPLACE FUNCTION public.dockhook_accounts_changed() RETURNS trigger LANGUAGE plpgsql
  AS $changed$ BEGIN NOTIFY dockhook_accounts; RETURN NULL; END $changed$;
IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = (SELECT oid FROM pg_class WHERE relname = 'dockhook_accounts'
    AND relnamespace = 'public'::regnamespace) AND tgname IN ('dockhook_accounts_changed', 'dockhook_accounts_emptied') AND tgname = 'dockhook_accounts_changed') THEN
CREATE TRIGGER dockhook_accounts_changed AFTER UPDATE OR DELETE ON public.dockhook_accounts FOR EACH ROW EXECUTE FUNCTION public.dockhook_accounts_changed();
END IF;
ALTER TABLE public.dockhook_accounts ENABLE ALWAYS TRIGGER dockhook_accounts_changed;
IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = (SELECT oid FROM pg_class WHERE relname = 'dockhook_accounts'
    AND relnamespace = 'public'::regnamespace) AND tgname IN ('dockhook_accounts_changed', 'dockhook_accounts_emptied') AND tgname = 'dockhook_accounts_emptied') THEN
CREATE TRIGGER dockhook_accounts_emptied AFTER TRUNCATE ON public.dockhook_accounts FOR EACH STATEMENT EXECUTE FUNCTION public.dockhook_accounts_changed();
END IF;
ALTER TABLE public.dockhook_accounts ENABLE ALWAYS TRIGGER dockhook_accounts_emptied;
EXCEPTION WHEN insufficient_privilege OR read_only_sql_transaction OR lock_not_available THEN
RAISE WARNING 'dockhook_accounts has not got its triggers, so that accounts are read each time: %', SQLERRM;
END;
END IF;
END $$;
