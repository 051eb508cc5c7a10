/** All migrations, and the SQL that applies those that a database lacks. */
import { NEWER_TABLES, NOT_UTF8 } from '../table-names.js';
import { tables } from './0001-tables.js';
import type { Migration } from './migration.js';
import { repairs } from './repairs.js';

/** In order. */
export const migrations: readonly Migration[] = [tables];

/** An arbitrary number, the same in every dockhook: replicas that start together migrate in turn. */
const MIGRATION_LOCK = 4_022_250_775;

/**
 * One statement, hence one transaction. `dockhook.schema` names the schema, `public` unless it is set. It waits for
 * another migration as long as that takes, but not for somebody else who has locked a table: whoever wants to read that
 * table would wait behind it.
 */
export function migrationScript(all: readonly Migration[] = migrations): string {
  const known = Math.max(...all.map(({ number }) => number));
  return `DO $dockhook$
DECLARE
  dockhook_schema text := coalesce(nullif(current_setting('dockhook.schema', true), ''), 'public');
  newer text;
  version text;
BEGIN
PERFORM pg_advisory_xact_lock(${MIGRATION_LOCK});
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
    USING ERRCODE = '${NOT_UTF8}';
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
  FROM dockhook_migrations WHERE breaking AND number > ${known};
IF newer IS NOT NULL THEN
  RAISE EXCEPTION 'a newer dockhook changed the tables in a way that this one does not know (%)', newer
    USING ERRCODE = '${NEWER_TABLES}';
END IF;

-- The record of versions before the migrations. A role that may not read it may not migrate either, but may go on.
IF has_table_privilege(to_regclass('dockhook_settings'), 'SELECT') THEN
  SELECT value::jsonb #>> '{value,version}' INTO version FROM dockhook_settings WHERE key = 'schema';
  IF version::int > ${all.some(({ breaking }) => breaking) ? 2 : 1} THEN
    RAISE EXCEPTION 'another dockhook gave the tables version %, which this one does not know', version
      USING ERRCODE = '${NEWER_TABLES}';
  END IF;
END IF;
${all.map(step).join('')}${repairs}END $dockhook$`;
}

function step({ number, name, breaking, sql }: Migration): string {
  return `
-- ${titleOf({ number, name })}
IF NOT EXISTS (SELECT FROM dockhook_migrations WHERE number = ${number}) THEN
INSERT INTO dockhook_migrations (number, name, breaking) VALUES (${number}, '${name}', ${breaking});
${sql.trim()}
END IF;
`;
}

/** As people call it: `0001 tables`. */
export function titleOf({ number, name }: Pick<Migration, 'number' | 'name'>): string {
  return `${String(number).padStart(4, '0')} ${name}`;
}
