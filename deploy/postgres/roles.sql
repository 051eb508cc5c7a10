-- Roles for dockhook with no more rights than each needs, in a database of dockhook's own. Run it after schema.sql,
-- as a superuser or as the owner of the database, and again after each upgrade: once more does no harm. The tables are in
-- schema public, or in the one that dockhook.schema names, see schema.sql.

BEGIN;
DO $$ BEGIN
  PERFORM set_config('search_path', format('%I, pg_temp', coalesce(nullif(current_setting('dockhook.schema', true), ''), 'public')), true);
END $$;

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
DO $$ BEGIN
  EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO dockhook_owner', current_schema());
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO dockhook_server, dockhook_operator, dockhook_reader', current_schema());
  EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
END $$;
ALTER TABLE dockhook_accounts OWNER TO dockhook_owner;
ALTER TABLE dockhook_organizations OWNER TO dockhook_owner;
ALTER TABLE dockhook_bindings OWNER TO dockhook_owner;
ALTER TABLE dockhook_settings OWNER TO dockhook_owner;
ALTER TABLE dockhook_timeline OWNER TO dockhook_owner;
ALTER TABLE dockhook_migrations OWNER TO dockhook_owner;
-- They tell servers what changed. The triggers of the tables run them whatever rights they have.
ALTER FUNCTION dockhook_accounts_changed() OWNER TO dockhook_owner;
ALTER FUNCTION dockhook_changed() OWNER TO dockhook_owner;
-- Where notify.sql was run. Its text is made anew by that file alone: run it after this one.
DO $$ BEGIN
  IF to_regprocedure('dockhook_notify_binding()') IS NOT NULL THEN
    ALTER FUNCTION dockhook_notify_binding() OWNER TO dockhook_owner;
  END IF;
END $$;

-- `dockhook serve`: reads everything, binds devices. It may rewrite an account for one reason: an imported password
-- hash becomes one of dockhook's at the next login. Without this right such hashes stay as they are.
ALTER ROLE dockhook_server LOGIN;
-- It waits 1.5 s for an answer. A statement that waits for a lock would else wait on in the server, more of them with
-- each attempt, until no connection is left.
ALTER ROLE dockhook_server SET statement_timeout = '2s';
-- Rows that row level security would hide must be an error: an account that is not seen would count as none.
ALTER ROLE dockhook_server SET row_security = off;
GRANT SELECT ON dockhook_accounts, dockhook_organizations, dockhook_bindings,
  dockhook_settings TO dockhook_server;
GRANT UPDATE (value) ON dockhook_accounts TO dockhook_server;
GRANT INSERT (key, value), UPDATE (value) ON dockhook_bindings TO dockhook_server;

-- The other commands, and people who write SQL.
ALTER ROLE dockhook_operator LOGIN;
ALTER ROLE dockhook_operator SET row_security = off;
GRANT SELECT, INSERT, UPDATE, DELETE ON dockhook_accounts, dockhook_organizations,
  dockhook_bindings, dockhook_settings TO dockhook_operator;

-- Dashboards: which device is bound to what, and how docks come in. No hash, code or license.
ALTER ROLE dockhook_reader LOGIN;
GRANT SELECT ON dockhook_bindings TO dockhook_reader;

-- The access timeline. UPDATE of one column is what Postgres asks for before it lets the sweep lock rows.
GRANT SELECT, INSERT, DELETE, UPDATE (count) ON dockhook_timeline TO dockhook_server;
GRANT SELECT ON dockhook_timeline TO dockhook_operator, dockhook_reader;
COMMIT;
