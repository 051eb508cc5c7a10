/** The tables: their names, and what statements share with their indexes and triggers. `migrations/` makes them. */

/** A table of records. */
export type RecordTable =
  'dockhook_accounts' | 'dockhook_organizations' | 'dockhook_bindings' | 'dockhook_settings';

/** Any of {@link tableNames}. */
export type TableName = RecordTable | 'dockhook_timeline';

/** The tables of records. */
export const recordTables: readonly RecordTable[] = [
  'dockhook_accounts',
  'dockhook_organizations',
  'dockhook_bindings',
  'dockhook_settings',
];

/** The tables that dockhook reads and writes, beside `dockhook_migrations`. */
export const tableNames: readonly TableName[] = [...recordTables, 'dockhook_timeline'];

/** The schema of the tables unless the operator names another. */
export const PUBLIC = 'public';

/** A name as statements write it, whatever `search_path` says. The settings let no schema pass that could end the quotes. */
export function inSchema(schema: string, table: string): string {
  return `${quoted(schema)}.${table}`;
}

/** The schema itself as statements write it. */
export function quoted(schema: string): string {
  return schema === PUBLIC ? schema : `"${schema}"`;
}

/** The gateways that an account's scope lists, as their index has them. */
export const GATEWAYS_OF_ACCOUNT = `(value::jsonb #> '{value,scope,gateways}')`;

/** The client ids that an account keeps for itself, as their index has them; few accounts keep any. */
export const CLIENT_IDS_OF_ACCOUNT = `(value::jsonb #> '{value,scope,clientIds}')`;

/**
 * Carries notifications of changed records. The payload is a list of buckets (see `changes.ts`) or {@link EVERYTHING}, a
 * space, and the schema.
 */
export const CHANGES_CHANNEL = 'dockhook_changes';

/** Instead of buckets: too many records changed to name them, or a table was emptied. */
export const EVERYTHING = 'everything';

/** They send these notifications, and each table of records has them. */
export const CHANGE_TRIGGERS = ['dockhook_changed', 'dockhook_emptied'];

/** What is true of the tables of records in `pg_class`. */
export function recordTablesIn(schema: string): string {
  return `relname IN (${sqlList(recordTables)})
    AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = '${schema}')`;
}

/** What is true of {@link CHANGE_TRIGGERS} in `pg_trigger`. */
export function triggersIn(tables: string): string {
  return `tgrelid IN ${tables} AND tgname IN (${sqlList(CHANGE_TRIGGERS)})`;
}

/** Names as a statement lists them. */
function sqlList(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}

/** SQLSTATEs of ours, in a class that is free for applications. A newer dockhook made a breaking change of the tables. */
export const NEWER_TABLES = 'DH001';
/** An empty database cannot keep all text. */
export const NOT_UTF8 = 'DH002';
/** Rows may be hidden. */
export const ROWS_HIDDEN = 'DH003';
/** The tables are not up to date, and the role may not change them. */
export const MAY_NOT_MIGRATE = 'DH004';
