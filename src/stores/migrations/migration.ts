/** A change of the tables. It stays as it is once a dockhook with it is in use; what comes later is another migration. */
export interface Migration {
  number: number;
  name: string;
  /**
   * Whether earlier versions of dockhook cannot work with the changed tables. They then refuse to, so stop them before
   * the first one with this migration starts. Without it both may run side by side.
   */
  breaking: boolean;
  /**
   * Statements as a PL/pgSQL block takes them: `IF … THEN … END IF;` is allowed, and what a query returns is dropped with
   * `PERFORM`. Names stand without a schema: `search_path` leads to the right one.
   */
  sql: string;
}

/**
 * Gives a trigger's function to the owner of the tables. `CREATE OR REPLACE` leaves it to whoever made one of that name
 * before, and its owner decides what it does, with the rights of everybody who changes a row.
 */
export const ownedWithTables = (name: string): string =>
  `EXECUTE format('ALTER FUNCTION ${name}() OWNER TO %s',
    (SELECT relowner::regrole FROM pg_class WHERE oid = 'dockhook_accounts'::regclass));`;
