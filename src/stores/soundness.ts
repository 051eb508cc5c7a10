/**
 * What around our tables could make an answer wrong: rows that are hidden, guards that are off, settings of the role, the
 * database or the server that change what a statement means. dockhook sets nothing per connection: behind a pooler that
 * would hold for another's statement, or for none. What a statement cannot bring along itself is looked for here.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { findingText, type Finding } from '../finding.js';
import { sqlState, type Database, type Query, type Row } from './database.js';
import { tableNames } from './tables.js';

const OUR_TABLES = `FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relname IN (${tableNames.map((name) => `'${name}'`).join(', ')})`;

/** Tables whose rows we may not all see, whatever is asked for. No rows if there are none. */
export const HIDDEN_ROWS = `
SELECT c.relname AS name, c.relkind::text AS kind, pg_has_role(current_user, c.relowner, 'USAGE') AS owned,
  format('%I', current_user) AS role
${OUR_TABLES} AND (c.relkind NOT IN ('r', 'p') OR row_security_active(c.oid))
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

/** What {@link HIDDEN_ROWS} found: an account that is not seen must not count as none. */
export function hiddenRows(rows: readonly Row[]): Finding[] {
  return rows.map((row) => {
    const [name, role] = [String(row['name']), String(row['role'])];
    if (row['kind'] !== 'r' && row['kind'] !== 'p') {
      return {
        level: 'error',
        code: 'table_is_none',
        what: `public.${name} is no table but a view or the like`,
        why: 'it may hide rows, and what is hidden would count as absent: dockhook refuses all until this is mended',
        fix: [
          `and give the table its name back: DROP ${KINDS[String(row['kind'])] ?? 'VIEW'} public.${name}`,
        ],
      };
    }
    return {
      level: 'error',
      code: 'rows_hidden',
      what: `row level security may hide rows of public.${name} from role ${role}`,
      why: 'what is hidden would count as absent: dockhook refuses all until this is mended',
      // An owner is bound by it only if that is forced.
      fix: [
        row['owned'] === true
          ? `as its owner: ALTER TABLE public.${name} NO FORCE ROW LEVEL SECURITY`
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
  (SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout') AS patience,
  (SELECT string_agg(quote_ident(s.name::text), ', ')
    FROM unnest(current_schemas(true)) WITH ORDINALITY AS s (name, place)
    WHERE s.place < array_position(current_schemas(true), 'pg_catalog'::name)
      AND s.name::text !~ '^pg_(toast_)?temp') AS shadows`;

const TABLES = `
SELECT c.relname AS name, c.relpersistence <> 'p' AS unlogged,
  EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgisinternal AND tgenabled IN ('D', 'R')) AS unguarded,
  (SELECT string_agg(format('DROP TRIGGER %I ON public.%I', tgname, c.relname), '; ') FROM pg_trigger
    WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgtype & 3 = 3) AS triggers,
  (SELECT string_agg(format('DROP RULE %I ON public.%I', rulename, c.relname), '; ') FROM pg_rewrite
    WHERE ev_class = c.oid AND ev_type <> '1') AS rules
${OUR_TABLES} AND c.relkind IN ('r', 'p')
ORDER BY c.relname DESC`;

/** A statement that is ended sooner than this would fail in a storm; in milliseconds. */
const MIN_STATEMENT_TIMEOUT_MS = 500;

/** Everything that is not as it should be, each with SQL that fixes it; what {@link HIDDEN_ROWS} finds first. Changes nothing. */
export async function unsoundParts(query: Query): Promise<Finding[]> {
  const hidden = hiddenRows(await query(HIDDEN_ROWS));
  const [settings = {}] = await query(SETTINGS);
  const tables = await query(TABLES);
  return [...hidden, ...faultsOfSettings(settings), ...tables.flatMap(faultsOfTable)];
}

function faultsOfSettings(row: Row): Finding[] {
  const text = (name: string): string => String(row[name]);
  const [role, database, encoding] = [text('role'), text('database'), text('encoding')];
  /** It goes before what is set for the role, for the database, or for the server. */
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
          ? 'names and callsigns are counted in bytes there, and text that is none is not refused'
          : 'names and callsigns with other letters cannot be kept: such an account is unknown, such a bind fails',
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
      why: 'binds that race must be sent again and again, and may fail',
      fix: [set("default_transaction_isolation = 'read committed'")],
    });
  }
  if (row['replication'] === 'replica') {
    faults.push({
      level: 'error',
      code: 'database_replica_role',
      what: `session_replication_role is replica for role ${role}`,
      why: 'foreign keys are not looked at: an organization that has devices can be removed',
      fix: [set('session_replication_role = origin', 'as a superuser, and restart dockhook serve')],
    });
  }
  const patience = Number(row['patience']);
  if (patience > 0 && patience < MIN_STATEMENT_TIMEOUT_MS) {
    faults.push({
      level: 'warning',
      code: 'database_statement_timeout',
      what: `statement_timeout is ${patience} ms for role ${role}`,
      why: 'statements of a busy moment are ended, and their docks refused',
      fix: [set("statement_timeout = '2s'")],
    });
  }
  if (row['shadows'] !== null) {
    faults.push({
      level: 'error',
      code: 'database_search_path',
      what: `search_path has ${text('shadows')} before pg_catalog for role ${role}`,
      why: "what has the name of one of PostgreSQL's own functions there is run in its place",
      fix: [set('search_path = "$user", public')],
    });
  }
  return faults;
}

function faultsOfTable(row: Row): Finding[] {
  const name = `public.${String(row['name'])}`;
  const faults: Finding[] = [];
  if (row['unlogged'] === true) {
    faults.push({
      level: 'error',
      code: 'table_unlogged',
      what: `${name} is UNLOGGED`,
      why: 'PostgreSQL empties it after a crash, and no standby has it',
      fix: [`as its owner: ALTER TABLE ${name} SET LOGGED`],
    });
  }
  if (row['unguarded'] === true) {
    faults.push({
      level: 'error',
      code: 'table_unguarded',
      what: `the foreign key of ${name} is switched off (DISABLE TRIGGER ALL, as pg_restore --disable-triggers does)`,
      why: 'devices can be bound to an organization that is gone, and one that has devices can be removed',
      fix: [`as a superuser: ALTER TABLE ${name} ENABLE TRIGGER ALL`],
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
      what: `${name} has a ${what} of somebody else that runs before or instead of a change`,
      why: 'it may change what dockhook writes, or keep it from being written',
      fix: [`unless you know what it does: ${drop}`],
    });
  }
  return faults;
}

/** The SQLSTATE, in a class that is free for applications, of rows that may be hidden. */
export const ROWS_HIDDEN = 'DH003';
/** How old the last look may be when rows are read, in milliseconds. */
const LOOK_MS = 1000;
/** How old the last look that found all rows may be, in milliseconds, while later ones fail for other reasons. */
const MAX_AGE_MS = 10_000;
/** A look that gets no answer for so long holds up nobody any longer: what it was for tries itself. */
const LATE_MS = 250;

/**
 * The same database, which runs a query only if it was seen that no rows are hidden: a second ago, or ten if it cannot be
 * looked at since. PostgreSQL itself would say so with row_security = off, but a pooler hands that to whoever comes next.
 * @param now monotonic clock in milliseconds; for tests
 */
export function withWholeRows(database: Database, now = () => performance.now()): Database {
  /** When the last look was begun that found all rows; none since rows were found hidden. */
  let wholeAt = -Infinity;
  let lookedAt = -Infinity;
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    const begun = now();
    lookedAt = begun;
    const [fault] = hiddenRows(await database.query(HIDDEN_ROWS));
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
