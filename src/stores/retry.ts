/** Statements that PostgreSQL took back because of others that ran beside them, and means to be sent again. */
import { answeredState, type Database, type Query } from './database.js';

const TO_BE_RETRIED: ReadonlySet<string | undefined> = new Set([
  // It could not be serialized, or was chosen to end a deadlock: nothing of it came to be.
  '40001',
  '40P01',
  // Another replica has made the table or trigger meanwhile, and with a stricter isolation ours could not see it.
  '42P07',
  '42710',
]);
/** With default_transaction_isolation = serializable one retry is not enough for eight replicas that race for one row. */
const ATTEMPTS = 5;

/**
 * The same database, which sends such a statement again, a few times and at once. Each is a transaction of its own. Those
 * within a transaction are left alone, for there all would have to be done anew.
 */
export function withRetries(database: Database): Database {
  const query: Query = async (sql, parameters) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await database.query(sql, parameters);
      } catch (error) {
        if (attempt === ATTEMPTS || !TO_BE_RETRIED.has(answeredState(error))) throw error;
      }
    }
  };
  return { ...database, query };
}
