/**
 * What around our tables could make an answer wrong: hidden rows, checks that are off, and settings of the role, the
 * database or the server that change what a statement means. dockhook sets nothing per connection, since behind a pooler
 * that would hold for somebody else's statements, or for none. So it looks at them instead.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { findingText, type Finding } from '../finding.js';
import { sqlState, type Database, type Query, type Row } from './database.js';
import { CHANGE_TRIGGERS, inSchema, PUBLIC, ROWS_HIDDEN, tableNames } from './table-names.js';

const ourTables = (schema: string): string => `FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = '${schema}' AND c.relname IN (${tableNames.map((name) => `'${name}'`).join(', ')})`;

/** Our tables that may hide some of their rows from us. */
export const hiddenRowsIn = (schema: string): string => `
SELECT c.relname AS name, c.relkind::text AS kind, pg_has_role(current_user, c.relowner, 'USAGE') AS owned,
  format('%I', current_user) AS role
${ourTables(schema)} AND (c.relkind NOT IN ('r', 'p') OR row_security_active(c.oid))
ORDER BY c.relname`;

/** By `pg_class.relkind`. */
const KINDS: Readonly<Record<string, string>> = {
  v: 'VIEW',
  m: 'MATERIALIZED VIEW',
  f: 'FOREIGN TABLE',
  S: 'SEQUENCE',
  i: 'INDEX',
  c: 'TYPE',
};

/** What {@link hiddenRowsIn} found: dockhook must not take a hidden account for a missing one. */
function hiddenRows(rows: readonly Row[], schema: string): Finding[] {
  return rows.map((row) => {
    const [table, role] = [inSchema(schema, String(row['name'])), String(row['role'])];
    if (row['kind'] !== 'r' && row['kind'] !== 'p') {
      return {
        level: 'error',
        code: 'table_is_none',
        what: `${table} is not a table, but a view or the like`,
        why: 'it may hide rows, and dockhook would take hidden rows for missing ones: it refuses everything until this is fixed',
        fix: [`and give the table its name back: DROP ${KINDS[String(row['kind'])] ?? 'VIEW'} ${table}`],
      };
    }
    return {
      level: 'error',
      code: 'rows_hidden',
      what: `row level security may hide rows of ${table} from role ${role}`,
      why: 'dockhook would take hidden rows for missing ones: it refuses everything until this is fixed',
      // For an owner, row level security holds only if it is forced.
      fix: [
        row['owned'] === true
          ? `as its owner: ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`
          : `as a superuser: ALTER ROLE ${role} BYPASSRLS`,
      ],
    };
  });
}

const SETTINGS = `
SELECT format('%I', current_user) AS role, format('%I', current_database()) AS database,
  format('%I', current_database() || '_utf8') AS utf8,
  current_setting('server_encoding') AS encoding,
  current_setting('default_transaction_isolation') AS isolation,
  current_setting('session_replication_role') AS replication,
  (SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout') AS statement_timeout,
  (SELECT string_agg(quote_ident(s.name::text), ', ')
    FROM unnest(current_schemas(true)) WITH ORDINALITY AS s (name, place)
    WHERE s.place < array_position(current_schemas(true), 'pg_catalog'::name)
      AND s.name::text !~ '^pg_(toast_)?temp') AS shadows`;

const tablesIn = (schema: string): string => `
SELECT c.relname AS name, c.relpersistence <> 'p' AS unlogged,
  EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgisinternal AND tgenabled IN ('D', 'R')) AS unguarded,
  (SELECT string_agg(format('DROP TRIGGER %I ON %I.%I', tgname, n.nspname, c.relname), '; ') FROM pg_trigger
    WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgtype & 3 = 3) AS triggers,
  (SELECT string_agg(format('DROP RULE %I ON %I.%I', rulename, n.nspname, c.relname), '; ') FROM pg_rewrite
    WHERE ev_class = c.oid AND ev_type <> '1') AS rules
${ourTables(schema)} AND c.relkind IN ('r', 'p')
ORDER BY c.relname DESC`;

/** A shorter `statement_timeout` ends statements when many docks connect at once. In milliseconds. */
const MIN_STATEMENT_TIMEOUT_MS = 500;

/** Everything that is wrong, each with SQL that fixes it; hidden rows first. Changes nothing. */
export async function unsoundParts(query: Query, schema: string): Promise<Finding[]> {
  const hidden = hiddenRows(await query(hiddenRowsIn(schema)), schema);
  const [settings = {}] = await query(SETTINGS);
  const tables = await query(tablesIn(schema));
  return [...hidden, ...checkSettings(settings), ...tables.flatMap((row) => checkTable(row, schema))];
}

function checkSettings(row: Row): Finding[] {
  const text = (name: string): string => String(row[name]);
  const [role, database, encoding] = [text('role'), text('database'), text('encoding')];
  /** Such a setting wins over one for the role, for the database, or for the server. */
  const set = (setting: string, by = 'and restart dockhook serve'): string =>
    `${by}: ALTER ROLE ${role} IN DATABASE ${database} SET ${setting}`;
  const faults: Finding[] = [];
  if (encoding !== 'UTF8') {
    faults.push({
      level: encoding === 'SQL_ASCII' ? 'warning' : 'error',
      code: 'database_encoding',
      what: `the encoding of database ${database} is ${encoding}, and must be UTF8`,
      why:
        encoding === 'SQL_ASCII'
          ? 'it counts names and callsigns in bytes, and does not refuse bytes that are not text'
          : 'it cannot keep names and callsigns with other letters: such an account is unknown, such a bind fails',
      fix: [
        `make another, and move the rows with pg_dump OLD | psql NEW: CREATE DATABASE ${text('utf8')} ` +
          `OWNER ${role} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`,
      ],
    });
  }
  if (row['isolation'] !== 'read committed') {
    faults.push({
      level: 'warning',
      code: 'database_isolation',
      what: `default_transaction_isolation is ${text('isolation')} for role ${role}`,
      why: 'binds at the same time must be repeated, and may fail',
      fix: [set("default_transaction_isolation = 'read committed'")],
    });
  }
  if (row['replication'] === 'replica') {
    faults.push({
      level: 'error',
      code: 'database_replica_role',
      what: `session_replication_role is replica for role ${role}`,
      why: 'PostgreSQL does not check foreign keys: an organization with devices can be removed',
      fix: [set('session_replication_role = origin', 'as a superuser, and restart dockhook serve')],
    });
  }
  const timeout = Number(row['statement_timeout']);
  if (timeout > 0 && timeout < MIN_STATEMENT_TIMEOUT_MS) {
    faults.push({
      level: 'warning',
      code: 'database_statement_timeout',
      what: `statement_timeout is ${timeout} ms for role ${role}`,
      why: 'PostgreSQL ends statements when it is busy, and dockhook refuses the docks that need them',
      fix: [set("statement_timeout = '2s'")],
    });
  }
  if (row['shadows'] !== null) {
    faults.push({
      level: 'error',
      code: 'database_search_path',
      what: `search_path has ${text('shadows')} before pg_catalog for role ${role}`,
      why: 'PostgreSQL runs functions from there instead of its own functions with the same names',
      fix: [set('search_path = "$user", public')],
    });
  }
  return faults;
}

const alwaysOn = CHANGE_TRIGGERS.map((trigger) => `ENABLE ALWAYS TRIGGER ${trigger}`).join(', ');

function checkTable(row: Row, schema: string): Finding[] {
  const name = inSchema(schema, String(row['name']));
  const faults: Finding[] = [];
  if (row['unlogged'] === true) {
    faults.push({
      level: 'error',
      code: 'table_unlogged',
      what: `${name} is UNLOGGED`,
      why: 'PostgreSQL empties it after a crash, and does not copy it to a standby',
      fix: [`as its owner: ALTER TABLE ${name} SET LOGGED`],
    });
  }
  if (row['unguarded'] === true) {
    faults.push({
      level: 'error',
      code: 'table_unguarded',
      what: `the foreign key of ${name} is switched off (DISABLE TRIGGER ALL, as pg_restore --disable-triggers does)`,
      why: 'a device can be bound to an organization that is gone, and an organization with devices can be removed',
      // Those of ours are then on, but not always on.
      fix: [`as a superuser: ALTER TABLE ${name} ENABLE TRIGGER ALL, ${alwaysOn}`],
    });
  }
  for (const [what, drop] of [
    ['trigger', row['triggers']],
    ['rule', row['rules']],
  ] as const) {
    if (typeof drop !== 'string') continue;
    faults.push({
      level: 'warning',
      code: `table_${what}s`,
      what: `${name} has a ${what} that is not from dockhook, and runs before or instead of a change`,
      why: 'it may change what dockhook writes, or prevent it',
      fix: [`unless you know what it does: ${drop}`],
    });
  }
  return faults;
}

/** How old the last look may be when rows are read, in milliseconds. */
const LOOK_MS = 1000;
/** How old the last look that found all rows may be, in milliseconds, while later ones fail for other reasons. */
const MAX_AGE_MS = 10_000;
/** A look that gets no answer for so long holds up nobody any longer: what it was for tries itself. */
const LATE_MS = 250;

/** A database that makes sure of whole rows. */
interface WholeDatabase extends Database {
  /** Somebody else looked at this time, and found no rows hidden: nobody need look for a second. */
  seenWhole(at: number): void;
}

/**
 * The same database, which runs a query only if it was seen that no rows are hidden: a second ago, or ten if it cannot be
 * looked at since. PostgreSQL itself would say so with row_security = off, but a pooler hands that to whoever comes next.
 * @param now monotonic clock in milliseconds; for tests
 */
export function withWholeRows(
  database: Database,
  schema = PUBLIC,
  now = () => performance.now(),
): WholeDatabase {
  /** When the last look was begun that found all rows; none since rows were found hidden. */
  let wholeAt = -Infinity;
  let lookedAt = -Infinity;
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    const begun = now();
    lookedAt = begun;
    const [fault] = hiddenRows(await database.query(hiddenRowsIn(schema)), schema);
    wholeAt = fault === undefined ? begun : -Infinity;
    if (fault === undefined) return;
    throw Object.assign(new Error(findingText(fault)), { code: ROWS_HIDDEN });
  }

  async function ensure(): Promise<void> {
    if (now() - wholeAt >= MAX_AGE_MS) {
      looking ??= look().finally(() => (looking = undefined));
      await looking;
    } else if (now() - lookedAt >= LOOK_MS) {
      const again = look().catch((error: unknown) => {
        if (sqlState(error) === ROWS_HIDDEN) throw error;
      });
      await Promise.race([again, pause(LATE_MS, undefined, { ref: false })]);
    }
  }

  return {
    ...database,
    seenWhole(at) {
      wholeAt = Math.max(wholeAt, at);
      lookedAt = Math.max(lookedAt, at);
    },
    async query(sql, parameters) {
      await ensure();
      return database.query(sql, parameters);
    },
    async transaction(work) {
      await ensure();
      return database.transaction(work);
    },
  };
}
