/** The tables: their names, and what statements share with their indexes and triggers. `migrations/` makes them. */

/** A table of records. */
export type RecordTable =
  'dockhook_accounts' | 'dockhook_organizations' | 'dockhook_bindings' | 'dockhook_settings';

/** Any of {@link tableNames}. */
export type TableName = RecordTable | 'dockhook_timeline';

/** The tables that dockhook reads and writes, beside `dockhook_migrations`. */
export const tableNames: readonly TableName[] = [
  'dockhook_accounts',
  'dockhook_organizations',
  'dockhook_bindings',
  'dockhook_settings',
  'dockhook_timeline',
];

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

/** Carries a notification of each change of accounts. Its payload is the schema, or nothing from tables of before that. */
export const ACCOUNTS_CHANNEL = 'dockhook_accounts';

/** They send these notifications. */
export const ACCOUNT_TRIGGERS = ['dockhook_accounts_changed', 'dockhook_accounts_emptied'];

/** The row of the table of accounts in `pg_class`; none if it is gone. */
export function accountsOid(schema: string): string {
  return `(SELECT oid FROM pg_class WHERE relname = 'dockhook_accounts'
    AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = '${schema}'))`;
}

/** What is true of {@link ACCOUNT_TRIGGERS} in `pg_trigger`. */
export function areAccountTriggers(schema: string): string {
  const names = ACCOUNT_TRIGGERS.map((name) => `'${name}'`).join(', ');
  return `tgrelid = ${accountsOid(schema)} AND tgname IN (${names})`;
}

/** SQLSTATEs of ours, in a class that is free for applications. A newer dockhook made a breaking change of the tables. */
export const NEWER_TABLES = 'DH001';
/** An empty database cannot keep all text. */
export const NOT_UTF8 = 'DH002';
/** Rows may be hidden. */
export const ROWS_HIDDEN = 'DH003';
/** The tables are not up to date, and the role may not change them. */
export const MAY_NOT_MIGRATE = 'DH004';
