/**
 * What may get lost after the migrations were applied, as by `pg_restore --disable-triggers`, and what the tables of old
 * versions lack. dockhook works without it, but slower.
 */
import {
  CHANGE_TRIGGERS,
  CHANGES_CHANNEL,
  CLIENT_IDS_OF_ACCOUNT,
  EVERYTHING,
  inSchema,
  recordTables,
  triggersIn,
} from '../table-names.js';
import { ownedWithTables } from './migration.js';

const CLIENT_IDS_INDEX = 'dockhook_accounts_client_ids';

/** Whether {@link repairs} would find something to do. */
export function needsRepairs(schema: string): string {
  const accounts = inSchema(schema, 'dockhook_accounts');
  const index = inSchema(schema, CLIENT_IDS_INDEX);
  const tables = recordTables.map((table) => inSchema(schema, table));
  return `(to_regclass('${accounts}') IS NOT NULL
    AND (${lacksIndex(index)} OR ${lacksTriggers(tables)} OR ${isSomebodyElses(inSchema(schema, 'dockhook_changed'), accounts)}))`;
}

const lacksIndex = (index: string): string => `to_regclass('${index}') IS NULL`;

/** Or they are off, or do not run on a subscriber of logical replication. */
const lacksTriggers = (tables: readonly string[]): string =>
  `(SELECT count(*) FROM pg_trigger WHERE tgenabled = 'A'
    AND ${triggersIn(`(${tables.map((table) => `to_regclass('${table}')`).join(', ')})`)}) < ${CHANGE_TRIGGERS.length * tables.length}`;

/** Whether a function belongs to another role than a table, so that this role decides what the triggers do. */
const isSomebodyElses = (name: string, table: string): string =>
  `EXISTS (SELECT FROM pg_proc, pg_class WHERE pg_proc.oid = to_regprocedure('${name}()')
    AND pg_class.oid = to_regclass('${table}') AND proowner <> relowner)`;

/** Rows of one transaction that are told of; if there are more, it tells once that everything changed. */
const MAX_TOLD_ROWS = 1000;

/**
 * What the triggers call. It tells the buckets of the names under which the old and the new row are found, as `bucketOf`
 * in `changes.ts` has them. What an account lists is told only where it changed: a fleet that gets new password hashes
 * must not be read anew. Lax paths, since a list may be no list in a row that somebody typed. The rows are counted for
 * each table, and under the number of the transaction, so that no setting from elsewhere keeps it silent. Its search_path
 * keeps out functions and operators of others.
 */
const changed = `CREATE OR REPLACE FUNCTION dockhook_changed() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $function$
DECLARE
  setting text := 'dockhook.told_' || TG_RELID;
  counted text[] := string_to_array(current_setting(setting, true), ' ');
  told integer := 0;
  names text[];
  buckets text;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify('${CHANGES_CHANNEL}', '${EVERYTHING} ' || TG_TABLE_SCHEMA);
    RETURN NULL;
  END IF;
  IF counted[1] = txid_current()::text THEN told := counted[2]::integer; END IF;
  IF told > ${MAX_TOLD_ROWS} THEN RETURN NULL; END IF;
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
  IF cardinality(names) > ${MAX_TOLD_ROWS} OR getdatabaseencoding() <> 'UTF8' THEN told := ${MAX_TOLD_ROWS}; END IF;
  told := told + 1;
  PERFORM set_config(setting, txid_current() || ' ' || told, true);
  IF told > ${MAX_TOLD_ROWS} THEN
    buckets := '${EVERYTHING}';
  ELSE
    SELECT string_agg(DISTINCT left(encode(sha256(convert_to(name, 'UTF8')), 'hex'), 4), ',')
      INTO buckets FROM unnest(names) AS name;
  END IF;
  PERFORM pg_notify('${CHANGES_CHANNEL}', buckets || ' ' || TG_TABLE_SCHEMA);
  RETURN NULL;
END $function$;`;

/** Makes a trigger and has it run always. Names stand without a schema. */
const trigger = (name: string, on: string): string => `
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = name::regclass AND tgname = '${name}') THEN
      EXECUTE format('CREATE TRIGGER ${name} ${on} EXECUTE FUNCTION dockhook_changed()', name);
    END IF;
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = name::regclass AND tgname = '${name}' AND tgenabled = 'A') THEN
      EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER ${name}', name);
    END IF;`;

/**
 * Comes after the migrations, and only where something is missing. A failure is a warning. Names stand without a schema,
 * as in a migration.
 */
export const repairs = `
-- Lost or never made. The tables work without it, only slower: nobody waits long for a lock, and a failure is a warning.
IF ${lacksIndex(CLIENT_IDS_INDEX)} THEN
BEGIN
  PERFORM set_config('lock_timeout', '500ms', true);
  CREATE INDEX ${CLIENT_IDS_INDEX} ON dockhook_accounts
    USING gin (${CLIENT_IDS_OF_ACCOUNT} jsonb_path_ops) WITH (fastupdate = off)
    WHERE ${CLIENT_IDS_OF_ACCOUNT} IS NOT NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'dockhook_accounts lacks the index of client ids, so that a look-up reads all accounts: %', SQLERRM;
END;
END IF;
IF ${lacksTriggers(recordTables)}
  OR ${isSomebodyElses('dockhook_changed', 'dockhook_accounts')} THEN
DECLARE
  name text;
BEGIN
  ${changed}
  ${ownedWithTables('dockhook_changed')}
  -- ALWAYS and FOR EACH ROW: a subscriber of logical replication runs no other triggers. None is dropped and made anew: that
  -- would wait for readers, perhaps for a backup, and all other readers would wait behind it.
  FOREACH name IN ARRAY ARRAY[${recordTables.map((table) => `'${table}'`).join(', ')}] LOOP
  BEGIN
    PERFORM set_config('lock_timeout', '500ms', true);${trigger('dockhook_changed', 'AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW')}${trigger('dockhook_emptied', 'AFTER TRUNCATE ON %I FOR EACH STATEMENT')}
  EXCEPTION WHEN OTHERS THEN
    RAISE WARNING '% lacks its triggers, so that records are read each time: %', name, SQLERRM;
  END;
  END LOOP;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'the triggers of the tables cannot be made as they should be, so that records may be read each time: %', SQLERRM;
END;
END IF;
`;
