-- Roles for dockhook with no more rights than each needs, in a database of dockhook's own. Run it after schema.sql,
-- as a superuser or as the owner of the database, and again after each upgrade: once more does no harm.

DO $$
DECLARE name text;
BEGIN
FOREACH name IN ARRAY ARRAY['dockhook_owner', 'dockhook_server', 'dockhook_operator', 'dockhook_reader'] LOOP
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN EXECUTE format('CREATE ROLE %I', name); END IF;
END LOOP;
END $$;

-- What PUBLIC may do by default is more than any role here needs.
DO $$ BEGIN EXECUTE format('REVOKE CONNECT, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;
DO $$ BEGIN
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO dockhook_server, dockhook_operator, dockhook_reader', current_database());
END $$;

-- dockhook_owner has the tables and never logs in; the others cannot change or drop what they did not make.
GRANT dockhook_owner TO CURRENT_USER;
GRANT USAGE, CREATE ON SCHEMA public TO dockhook_owner;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
ALTER TABLE public.dockhook_accounts OWNER TO dockhook_owner;
ALTER TABLE public.dockhook_organizations OWNER TO dockhook_owner;
ALTER TABLE public.dockhook_bindings OWNER TO dockhook_owner;
ALTER TABLE public.dockhook_settings OWNER TO dockhook_owner;

-- `dockhook serve`: reads everything, binds devices. It may rewrite an account for one reason: an imported password
-- hash becomes one of dockhook's at the next login. Without this right such hashes stay as they are.
ALTER ROLE dockhook_server LOGIN;
-- It waits 1.5 s for an answer. A statement that waits for a lock would else wait on in the server, more of them with
-- each attempt, until no connection is left.
ALTER ROLE dockhook_server SET statement_timeout = '2s';
-- Rows that row level security would hide must be an error: an account that is not seen would count as none.
ALTER ROLE dockhook_server SET row_security = off;
GRANT USAGE ON SCHEMA public TO dockhook_server;
GRANT SELECT ON public.dockhook_accounts, public.dockhook_organizations, public.dockhook_bindings,
  public.dockhook_settings TO dockhook_server;
GRANT UPDATE (value) ON public.dockhook_accounts TO dockhook_server;
GRANT INSERT (key, value), UPDATE (value) ON public.dockhook_bindings TO dockhook_server;

-- The other commands, and people who write SQL.
ALTER ROLE dockhook_operator LOGIN;
ALTER ROLE dockhook_operator SET row_security = off;
GRANT USAGE ON SCHEMA public TO dockhook_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.dockhook_accounts, public.dockhook_organizations,
  public.dockhook_bindings, public.dockhook_settings TO dockhook_operator;

-- Dashboards: which device is bound to what, and how docks come in. No hash, code or license.
ALTER ROLE dockhook_reader LOGIN;
GRANT USAGE ON SCHEMA public TO dockhook_reader;
GRANT SELECT ON public.dockhook_bindings TO dockhook_reader;

-- What tells servers of changed accounts. Its triggers run it whatever rights it has.
DO $$
BEGIN
IF to_regprocedure('public.dockhook_accounts_changed()') IS NOT NULL THEN
  ALTER FUNCTION public.dockhook_accounts_changed() OWNER TO dockhook_owner;
END IF;
END $$;

-- The access timeline. UPDATE of one column is what Postgres asks for before it lets the sweep lock rows.
DO $$
BEGIN
IF EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'dockhook_timeline') THEN
  ALTER TABLE public.dockhook_timeline OWNER TO dockhook_owner;
  GRANT SELECT, INSERT, DELETE, UPDATE (count) ON public.dockhook_timeline TO dockhook_server;
  GRANT SELECT ON public.dockhook_timeline TO dockhook_operator, dockhook_reader;
END IF;
END $$;
