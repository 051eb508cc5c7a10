/**
 * The database: whether it answers, may be written, and has its tables as dockhook makes them. Nothing is
 * changed, and no table is made: that is for `serve`, or for an administrator.
 */
import { hasCode, messageOf } from '../errors.js';
import type { Database, Row } from '../stores/database.js';
import { adviceFor } from '../stores/database-errors.js';
import { unsoundParts } from '../stores/soundness.js';
import {
  CHANGE_TRIGGERS,
  inSchema,
  PUBLIC,
  quoted,
  recordTables,
  tableNames,
  type TableName,
} from '../stores/table-names.js';
import { allOf, type Finding } from '../finding.js';
import { listed } from '../text.js';
import { migrationState, schemaCommand } from '../stores/migrate.js';
import { type Guard, tableGuards } from './table-guards.js';

/** Generated columns need it. */
const OLDEST_VERSION = 120_000;
/** An account's expiry is judged by the server's clock; more than this is more than the way to the database. */
const CLOCK_TOLERANCE_MS = 2000;

/** With one of these, nothing in the tables can be looked at. */
export const WITHOUT_TABLES: ReadonlySet<string> = new Set([
  'database_unreachable',
  'database_not_utf8',
  'tables_missing',
  'tables_outdated',
  'table_is_none',
  'rows_hidden',
]);

/** @param where the database in words, without a password */
export async function checkDatabase(database: Database, where: string, schema = PUBLIC): Promise<Finding[]> {
  let server: Row;
  const asked = Date.now();
  try {
    [server = {}] = await database.query(serverIn(schema));
  } catch (error) {
    return [unreachable(where, error)];
  }
  const answered = Date.now();
  const findings: Finding[] = [
    { level: 'ok', code: 'database', what: `${where} answers: version ${String(server['name'])}` },
  ];
  if (Number(server['version']) < OLDEST_VERSION) {
    findings.push({
      level: 'error',
      code: 'database_too_old',
      what: `PostgreSQL ${String(server['name'])} is too old`,
      why: 'the tables need generated columns',
      fix: ['upgrade to PostgreSQL 12 or later'],
    });
  }
  findings.push(checkClock(Number(server['now']), asked, answered));
  if (server['hasty'] === true) {
    const what =
      'synchronous_commit is off; dockhook turns it on for each binding, account and setting it writes';
    findings.push({ level: 'ok', code: 'synchronous_commit', what });
  }
  const tables = (await database.query(tablesIn(schema))).map(tableOf);
  const unsound = await unsoundParts(database.query, schema);
  findings.push(...unsound);
  // What they hold, and what they are, cannot be judged then.
  if (unsound.some(({ code }) => WITHOUT_TABLES.has(code))) return findings;
  const missing = tableNames.filter((name) => !tables.some((table) => table.name === name));
  if (missing.includes('dockhook_settings') && unsound.some(isEncoding)) {
    return findings.map((finding) => (isEncoding(finding) ? { ...finding, ...NOT_FOR_TABLES } : finding));
  }
  if (missing.length === tableNames.length) return [...findings, tablesMissing(server, schema)];
  const { pending } = await migrationState(database.query, schema);
  if (pending.length > 0) return [...findings, tablesOutdated(pending, server, schema)];
  if (missing.length > 0) return [...findings, tablesDropped(missing, schema)];
  return [
    ...findings,
    ...checkRights(tables, server, schema),
    checkGuards(tables, schema),
    ...allOf(checkTriggers(tables, server, schema)),
  ];
}

/** An empty database in another encoding is refused by `serve`, too. */
const NOT_FOR_TABLES = {
  level: 'error',
  code: 'database_not_utf8',
  why: 'dockhook makes no tables there, and lets nobody in',
} as const;

const isEncoding = ({ code }: Pick<Finding, 'code'>): boolean => code === 'database_encoding';

/** The finding for a database that failed with `error`; `where` names it without a password. */
export function unreachable(where: string, error: unknown): Finding {
  return {
    level: 'error',
    code: 'database_unreachable',
    what: `${where} cannot be used: ${messageOf(error)}`,
    why: 'nobody new gets in while the database is away, and docks that are in go on for ten minutes',
    fix: [
      adviceFor(error) ??
        (hasCode(error, 'usage')
          ? 'correct DATABASE_URL; deploy/postgres/README.md has examples'
          : 'check that it runs, and that DATABASE_URL is the one of the server'),
    ],
  };
}

/** Opening the embedded database would make it. */
export function noDatabase(directory: string): Finding {
  return {
    level: 'error',
    code: 'database_absent',
    what: `there is no database in ${directory}`,
    why: 'dockhook was never started on this directory, or its server has another database',
    fix: ['set DATABASE_URL or --data-dir as the server has it, or start dockhook serve'],
  };
}

const serverIn = (schema: string): string => `
SELECT current_setting('server_version') AS name, current_setting('server_version_num')::int AS version,
  (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now, format('%I', current_user) AS role, current_database() AS database,
  pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only') = 'on' AS read_only,
  format('BEGIN READ WRITE; ALTER ROLE %I IN DATABASE %I SET default_transaction_read_only = off; COMMIT', current_user, current_database()) AS writable,
  current_setting('synchronous_commit') = 'off' AS hasty,
  (SELECT has_schema_privilege(current_user, oid, 'CREATE') AND has_schema_privilege(current_user, oid, 'USAGE')
    FROM pg_namespace WHERE nspname = '${schema}') AS may_create,
  has_database_privilege(current_database(), 'CREATE') AS may_create_schema`;

const tablesIn = (schema: string): string => `
SELECT c.relname AS name,
  (SELECT coalesce(string_agg(DISTINCT contype::text, '' ORDER BY contype::text), '')
    FROM pg_constraint WHERE conrelid = c.oid AND contype IN ('c', 'f', 'p', 'u')) AS constraints,
  (SELECT coalesce(string_agg(attname::text, ' '), '')
    FROM pg_attribute WHERE attrelid = c.oid AND attgenerated = 's') AS generated,
  (SELECT coalesce(string_agg(i.relname::text, ' '), '')
    FROM pg_index JOIN pg_class i ON i.oid = indexrelid WHERE indrelid = c.oid AND indisvalid) AS indexes,
  (SELECT coalesce(string_agg(tgname::text, ' '), '')
    FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled = 'A') AS triggers,
  concat_ws(' ',
    CASE WHEN has_table_privilege(current_user, c.oid, 'SELECT') THEN 'SELECT' END,
    CASE WHEN has_any_column_privilege(current_user, c.oid, 'INSERT') THEN 'INSERT' END,
    CASE WHEN has_any_column_privilege(current_user, c.oid, 'UPDATE') THEN 'UPDATE' END,
    CASE WHEN has_table_privilege(current_user, c.oid, 'DELETE') THEN 'DELETE' END) AS rights
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = '${schema}' AND c.relkind = 'r' AND c.relname LIKE 'dockhook\\_%'`;

type Table = Record<'name' | 'constraints' | 'generated' | 'indexes' | 'triggers' | 'rights', string>;

function tableOf(row: Row): Table {
  const text = (name: string): string => String(row[name]);
  return {
    name: text('name'),
    constraints: text('constraints'),
    generated: text('generated'),
    indexes: text('indexes'),
    triggers: text('triggers'),
    rights: text('rights'),
  };
}

function checkClock(now: number, asked: number, answered: number): Finding {
  // The database looked at its clock between these two.
  const skew = now < asked ? asked - now : Math.max(0, now - answered);
  if (skew <= CLOCK_TOLERANCE_MS) {
    return { level: 'ok', code: 'clock', what: 'the clocks of this machine and of the database agree' };
  }
  return {
    level: 'warning',
    code: 'clock_skew',
    what: `the clock of this machine and that of the database are ${(skew / 1000).toFixed(0)} s apart`,
    why: 'accounts expire by the clock of the server, and a dock compares clocks, too (319008)',
    fix: ['synchronise both with NTP: timedatectl set-ntp true'],
  };
}

function tablesMissing(server: Row, schema: string): Finding {
  const role = String(server['role']);
  const hasSchema = server['may_create'] !== null;
  const mayCreate = hasSchema ? server['may_create'] === true : server['may_create_schema'] === true;
  const right = hasSchema
    ? `as a superuser, or the owner of schema ${schema}: GRANT USAGE, CREATE ON SCHEMA ${quoted(schema)} TO ${role}`
    : `as a superuser, or the owner of the database: CREATE SCHEMA ${quoted(schema)} AUTHORIZATION ${role}`;
  const refusal = isReadOnly(server) ? readOnly(server).fix[0] : mayCreate ? undefined : right;
  return {
    level: 'error',
    code: 'tables_missing',
    what: `there are no tables in schema ${schema}`,
    why:
      refusal === undefined
        ? 'dockhook was never started on this database, or the server has another database or schema'
        : `role ${role} may not make them there, so dockhook serve cannot do it at its start`,
    fix: [
      refusal ??
        'start dockhook serve, which makes them; if it runs, set DATABASE_URL and DOCKHOOK_DATABASE_SCHEMA here as it has them',
    ],
  };
}

/** They were there once. */
function tablesDropped(missing: readonly string[], schema: string): Finding {
  return {
    level: 'error',
    code: 'tables_missing',
    what: `tables are missing in schema ${schema}: ${missing.join(', ')}`,
    why: 'somebody dropped them: dockhook makes no empty ones in their place',
    fix: [
      `restore them from a backup, or for empty ones, before you restart dockhook serve: ${applyAgain(schema)}`,
    ],
  };
}

function tablesOutdated(pending: readonly string[], server: Row, schema: string): Finding {
  return {
    level: 'error',
    code: 'tables_outdated',
    what: `the tables in schema ${schema} are not up to date: ${pending.join(', ')}`,
    why: 'an earlier dockhook made them; this one changes them before it uses them',
    fix: [
      `start dockhook serve, or as the owner of the tables: ${schemaCommand(String(server['database']), schema)}`,
    ],
  };
}

/** The first migration makes what is missing, however often it is applied. */
const applyAgain = (schema: string): string =>
  `DELETE FROM ${inSchema(schema, 'dockhook_migrations')} WHERE number = 1`;

const isReadOnly = (server: Row): boolean => server['standby'] === true || server['read_only'] === true;

function readOnly(server: Row): Required<Finding> {
  const isStandby = server['standby'] === true;
  return {
    level: 'error',
    code: 'database_read_only',
    what: isStandby
      ? 'the database can only be read: it is a standby'
      : `default_transaction_read_only is on for role ${String(server['role'])}`,
    why: 'no dock can be bound, and no account added',
    fix: [
      isStandby
        ? 'let DATABASE_URL name the primary: by a DNS name that always leads to it, or by a proxy that does'
        : `and restart dockhook serve: ${String(server['writable'])}`,
    ],
  };
}

function checkRights(tables: readonly Table[], server: Row, schema: string): Finding[] {
  if (isReadOnly(server)) return [readOnly(server)];
  const lacking = Object.entries(USES).map(([use, needs]) => ({ use, lacks: lackingFor(needs, tables) }));
  const able = lacking.filter(({ lacks }) => lacks.length === 0).map(({ use }) => use);
  if (able.length > 0) {
    const what = `role ${String(server['role'])} has the rights that ${able.join(' and ')} need`;
    return [{ level: 'ok', code: 'database_rights', what }];
  }
  // What it is nearest to is what it is for.
  const [nearest] = lacking.sort((a, b) => a.lacks.length - b.lacks.length);
  return (nearest?.lacks ?? []).map(({ table, rights }) => ({
    level: 'error',
    code: 'database_rights',
    what: `role ${String(server['role'])} lacks ${rights.join(', ')} on ${table} for ${nearest?.use ?? ''}`,
    why: 'what needs it is refused to docks and operators',
    fix: [
      `run deploy/postgres/roles.sql, or as the owner of the table: GRANT ${rights.join(', ')} ON ${inSchema(schema, table)} TO ${String(server['role'])}`,
    ],
  }));
}

type Needs = Readonly<Record<TableName, string>>;

/**
 * Rights that a use of dockhook takes, as deploy/postgres/roles.sql grants them. A role for one of them has no more
 * and is none the worse; whose `UPDATE` on accounts the server has only to replace imported hashes.
 */
const USES: Readonly<Record<string, Needs>> = {
  'dockhook serve': {
    dockhook_accounts: 'SELECT',
    dockhook_organizations: 'SELECT',
    dockhook_bindings: 'SELECT INSERT UPDATE',
    dockhook_settings: 'SELECT',
    dockhook_timeline: 'SELECT INSERT UPDATE DELETE',
  },
  'the other commands': {
    dockhook_accounts: 'SELECT INSERT UPDATE DELETE',
    dockhook_organizations: 'SELECT INSERT UPDATE DELETE',
    dockhook_bindings: 'SELECT INSERT UPDATE DELETE',
    dockhook_settings: 'SELECT INSERT UPDATE DELETE',
    dockhook_timeline: 'SELECT',
  },
};

function lackingFor(needs: Needs, tables: readonly Table[]): { table: string; rights: string[] }[] {
  return tables.flatMap(({ name, rights }) => {
    const needed = (needs[name as TableName] as string | undefined)?.split(' ') ?? [];
    const lacks = needed.filter((right) => !rights.split(' ').includes(right));
    return lacks.length === 0 ? [] : [{ table: name, rights: lacks }];
  });
}

/** A table made by hand, or restored in part, lacks what keeps two docks from one binding. */
function checkGuards(tables: readonly Table[], schema: string): Finding {
  const lacks = tables.flatMap(({ name, constraints, generated, indexes }) =>
    tableGuards(schema)
      .filter(({ table, part }) => {
        if (table !== name) return false;
        if ('constraint' in part) return !constraints.includes(part.constraint);
        if ('generated' in part) return !generated.split(' ').includes(part.generated);
        return !indexes.split(' ').includes(part.index);
      })
      .map(({ part, make }) => ({ what: `${name} lacks ${partInWords(part)}`, make })),
  );
  if (lacks.length === 0)
    return { level: 'ok', code: 'tables', what: 'its tables are as dockhook makes them' };
  return {
    level: 'error',
    code: 'tables_unsound',
    what: listed(lacks.map(({ what }) => what)),
    why: 'what PostgreSQL guards is not guarded: one code for two organizations, devices bound to none, slow look-ups',
    fix: [
      `as their owner, and mend the rows that it names if it is refused: ${lacks.map(({ make }) => make.replace(/\s+/g, ' ')).join('; ')}`,
    ],
  };
}

function partInWords(part: Guard['part']): string {
  if ('constraint' in part) return CONSTRAINTS[part.constraint] ?? part.constraint;
  return 'generated' in part ? `the generated column ${part.generated}` : `the index ${part.index}`;
}

/** Tables of before dockhook had triggers, or whose triggers somebody switched off. */
function checkTriggers(tables: readonly Table[], server: Row, schema: string): Finding | undefined {
  const lacks = tables
    .filter(({ name }) => (recordTables as readonly string[]).includes(name))
    .flatMap(({ name, triggers }) => {
      const enabled = triggers.split(' ');
      const missing = CHANGE_TRIGGERS.filter((trigger) => !enabled.includes(trigger));
      return missing.length === 0 ? [] : [`${name} lacks ${missing.join(' and ')}`];
    });
  if (lacks.length === 0) return undefined;
  return {
    level: 'warning',
    code: 'change_triggers',
    what: `triggers are missing or off: ${lacks.join(', ')}`,
    why: 'the server is not told of changes, and so reads the records at each call: right, but slower',
    fix: [
      `restart dockhook serve if its role owns the tables, or as their owner: ${schemaCommand(String(server['database']), schema)}`,
    ],
  };
}

const CONSTRAINTS: Readonly<Record<string, string>> = {
  c: 'its CHECK constraint',
  f: 'its foreign key',
  p: 'its primary key',
  u: 'its UNIQUE constraint',
};
