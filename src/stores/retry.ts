/** Statements that PostgreSQL took back because of others that ran beside them, and means to be sent again. */
import { setTimeout as pause } from 'node:timers/promises';
import { answeredState, type Database, type Query } from './database.js';

const TO_BE_RETRIED: ReadonlySet<string | undefined> = new Set([
  // It could not be serialized, or was chosen to end a deadlock: nothing of it came to be.
  '40001',
  '40P01',
]);
/**
 * With default_transaction_isolation = serializable, one of those who race for a row gets through in each round, and the others
 * must try again. Eight replicas that raced for one row needed more than five attempts on a busy machine.
 */
const ATTEMPTS = 12;
/** The longest pause before an attempt. All of them together stay below half a second, and so within a hook's time for the store. */
const LONGEST_PAUSE_MS = 50;

/**
 * The same database, which sends such a statement again, a few times. The first time at once, then after pauses of chance
 * length, so that those who race do not meet again. Each is a transaction of its own. Those within a transaction are left alone,
 * for there all would have to be done anew.
 */
export function withRetries(database: Database): Database {
  const query: Query = async (sql, parameters) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await database.query(sql, parameters);
      } catch (error) {
        if (attempt === ATTEMPTS || !TO_BE_RETRIED.has(answeredState(error))) throw error;
        if (attempt > 1) await pause(Math.random() * Math.min(2 ** attempt, LONGEST_PAUSE_MS));
      }
    }
  };
  return { ...database, query };
}
