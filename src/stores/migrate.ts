/** Brings the tables up to date before anything is read from them or written to them. */
import { messageOf } from '../errors.js';
import {
  answeredState,
  INSUFFICIENT_PRIVILEGE,
  sqlState,
  type Database,
  type Query,
  type Row,
  type SessionListener,
} from './database.js';
import { migrations, migrationScript, titleOf } from './migrations/script.js';
import { inSchema, MAY_NOT_MIGRATE, PUBLIC, quoted } from './table-names.js';

const UNDEFINED_TABLE = '42P01';
/**
 * A migration that PostgreSQL refused is not tried again for so long, in milliseconds. Each attempt may keep readers of the
 * tables waiting, and costs a new connection.
 */
const REFUSED_MS = 5000;

/**
 * The same database, whose every query first makes sure that the tables are up to date: tried until it succeeded once, and
 * again when a table is found to be gone. PostgreSQL may be absent when dockhook starts. After a refused migration the queries
 * of the next `refusedMs` get the same error.
 */
export function withTables(
  database: Database,
  schema: string,
  all = migrations,
  refusedMs = REFUSED_MS,
): Database {
  const { openSession } = database;
  let upToDate: Promise<void> | undefined;
  const tryAgain = (): void => {
    upToDate = undefined;
  };

  async function migrateOnce(): Promise<void> {
    const attempt = { isRefused: false };
    try {
      await migrate(database, schema, all, (error) => {
        attempt.isRefused = answeredState(error) !== undefined;
      });
    } catch (error) {
      if (attempt.isRefused) setTimeout(tryAgain, refusedMs).unref();
      else tryAgain();
      throw error;
    }
  }

  async function onTables<T>(work: () => Promise<T>): Promise<T> {
    upToDate ??= migrateOnce();
    await upToDate;
    try {
      return await work();
    } catch (error) {
      if (sqlState(error) === UNDEFINED_TABLE) tryAgain();
      throw error;
    }
  }

  return {
    query: (sql, parameters) => onTables(() => database.query(sql, parameters)),
    transaction: (work) => onTables(() => database.transaction(work)),
    ...(openSession === undefined
      ? {}
      : { openSession: (listener: SessionListener) => onTables(() => openSession(listener)) }),
    close: () => database.close(),
  };
}

/** One query if nothing is to be done. Nothing is left behind by a migration that fails. */
async function migrate(
  database: Database,
  schema: string,
  all: typeof migrations,
  onFailure: (error: unknown) => void,
): Promise<void> {
  try {
    const { pending, isNewer } = await migrationState(database.query, schema, all);
    if (pending.length === 0 && !isNewer) return;
    await database.transaction(async (query) => {
      await query(`SELECT set_config('dockhook.schema', $1, true)`, [schema]);
      await query(migrationScript(all)).catch((error: unknown) => {
        onFailure(error);
        throw error;
      });
      return 'commit';
    });
  } catch (error) {
    if (sqlState(error) !== INSUFFICIENT_PRIVILEGE) throw error;
    throw await refusal(database.query, schema, error);
  }
}

interface MigrationState {
  /** What the database lacks. */
  pending: string[];
  /** Whether a newer dockhook made a breaking change: {@link migrationScript} then ends with an error that names it. */
  isNewer: boolean;
}

/** Looks only. */
export async function migrationState(
  query: Query,
  schema: string,
  all = migrations,
): Promise<MigrationState> {
  const sql = `SELECT number, breaking FROM ${inSchema(schema, 'dockhook_migrations')}`;
  const applied = await query(sql).catch((error: unknown): Row[] => {
    if (sqlState(error) === UNDEFINED_TABLE) return [];
    throw error;
  });
  const known = Math.max(...all.map(({ number }) => number));
  return {
    pending: all.filter(({ number }) => applied.every((row) => row['number'] !== number)).map(titleOf),
    isNewer: applied.some((row) => row['breaking'] === true && Number(row['number']) > known),
  };
}

/** What must be done for a role that may not do it: by the owner of the tables, or by the owner of the schema. */
async function refusal(query: Query, schema: string, error: unknown): Promise<Error> {
  const [row = {}] = await query(`
SELECT format('%I', current_user) AS role, current_database() AS database,
  (SELECT has_schema_privilege(current_user, oid, 'CREATE') AND has_schema_privilege(current_user, oid, 'USAGE')
    FROM pg_namespace WHERE nspname = '${schema}') AS may_create,
  EXISTS (SELECT FROM pg_class WHERE relkind = 'r' AND relname LIKE 'dockhook\\_%' AND NOT pg_has_role(relowner, 'USAGE')
    AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = '${schema}')) AS others_own`);
  const role = String(row['role']);
  const byOwner = `have their owner or a superuser run ${schemaCommand(String(row['database']), schema)}`;
  const right =
    row['may_create'] === null
      ? `CREATE SCHEMA ${quoted(schema)} AUTHORIZATION ${role}`
      : `GRANT USAGE, CREATE ON SCHEMA ${quoted(schema)} TO ${role}`;
  // The right to make tables helps no role whose tables belong to another.
  const isEnough = row['may_create'] !== true && row['others_own'] !== true;
  const text =
    `role ${role} may not bring the tables up to date (${messageOf(error)}): ${byOwner}` +
    (isEnough ? `; or, to let the role do it, ${right}` : '') +
    `. They are in schema ${schema}, whatever search_path says; DOCKHOOK_DATABASE_SCHEMA can name another`;
  return Object.assign(new Error(text), { code: MAY_NOT_MIGRATE });
}

/** The shell command that makes the tables and gives roles their rights. */
export function schemaCommand(database: string, schema: string): string {
  const set = schema === PUBLIC ? '' : ` -c "SET dockhook.schema = '${schema}'"`;
  return `psql -v ON_ERROR_STOP=1 -d '${database}'${set} -f deploy/postgres/schema.sql -f deploy/postgres/roles.sql`;
}
