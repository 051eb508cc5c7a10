/**
 * What may get lost after the migrations were applied, as by `pg_restore --disable-triggers`, and what the tables of old
 * versions lack. dockhook works without it, but slower.
 */
import { ACCOUNT_TRIGGERS, CLIENT_IDS_OF_ACCOUNT, inSchema } from '../table-names.js';

const CLIENT_IDS_INDEX = 'dockhook_accounts_client_ids';

/** Whether {@link repairs} would find something to do. */
export function needsRepairs(schema: string): string {
  const accounts = inSchema(schema, 'dockhook_accounts');
  const index = inSchema(schema, CLIENT_IDS_INDEX);
  return `(to_regclass('${accounts}') IS NOT NULL AND (${lacksIndex(index)} OR ${lacksTriggers(accounts)}))`;
}

const lacksIndex = (index: string): string => `to_regclass('${index}') IS NULL`;

/** Or they are off, or do not run on a subscriber of logical replication. */
const lacksTriggers = (accounts: string): string =>
  `(SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass('${accounts}') AND tgenabled = 'A'
    AND tgname IN (${ACCOUNT_TRIGGERS.map((name) => `'${name}'`).join(', ')})) < ${ACCOUNT_TRIGGERS.length}`;

/** What the triggers call. The first migration makes it, too, so that only the owner of the tables can apply that. */
export const accountsChanged = `CREATE OR REPLACE FUNCTION dockhook_accounts_changed() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
  PERFORM pg_catalog.pg_notify('dockhook_accounts', TG_TABLE_SCHEMA);
  RETURN NULL;
END $function$;`;

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
IF ${lacksTriggers('dockhook_accounts')} THEN
BEGIN
  PERFORM set_config('lock_timeout', '500ms', true);
  ${accountsChanged}
  -- ALWAYS and FOR EACH ROW: a subscriber of logical replication runs no other triggers. None is dropped and made anew: that
  -- would wait for readers, perhaps for a backup, and all other readers would wait behind it.
  IF NOT EXISTS (SELECT FROM pg_trigger
      WHERE tgrelid = 'dockhook_accounts'::regclass AND tgname = 'dockhook_accounts_changed') THEN
    CREATE TRIGGER dockhook_accounts_changed AFTER UPDATE OR DELETE ON dockhook_accounts
      FOR EACH ROW EXECUTE FUNCTION dockhook_accounts_changed();
  END IF;
  IF NOT EXISTS (SELECT FROM pg_trigger
      WHERE tgrelid = 'dockhook_accounts'::regclass AND tgname = 'dockhook_accounts_emptied') THEN
    CREATE TRIGGER dockhook_accounts_emptied AFTER TRUNCATE ON dockhook_accounts
      FOR EACH STATEMENT EXECUTE FUNCTION dockhook_accounts_changed();
  END IF;
  ALTER TABLE dockhook_accounts ENABLE ALWAYS TRIGGER dockhook_accounts_changed;
  ALTER TABLE dockhook_accounts ENABLE ALWAYS TRIGGER dockhook_accounts_emptied;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'dockhook_accounts lacks its triggers, so that accounts are read each time: %', SQLERRM;
END;
END IF;
`;
