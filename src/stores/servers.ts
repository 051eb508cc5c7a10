/**
 * Which dockhook servers were heard of, and when: one row for each in the table of the timeline, so that no role needs a right
 * that the server does not have. `count` is how many seconds after `at` it was heard last, since that is the only column that
 * the role of the server may change, and no index has it.
 */
import type { Database, Row } from './database.js';
import { inSchema } from './table-names.js';
import { impatient, literal, millisecondsOf, RETENTION } from './timeline.js';
import type { HeardServer, Servers } from './types.js';

/** Rows of servers that were not heard for so long go when another starts. */
const FORGOTTEN = "interval '10 minutes'";

/** What is true of their rows: the gateway is that of the broker's own entries, and no SN is empty. */
const OF_SERVERS = `own AND gateway = '' AND step = 'server'`;

const HEARD_AT = "at + count * interval '1 second'";

function beat(table: string, name: string, details: object): string {
  const server = `client_id = ${literal(name)} #>> '{}'`;
  return impatient(`
UPDATE ${table} SET count = extract(epoch FROM clock_timestamp() - at)::integer
  WHERE ${OF_SERVERS} AND ${server} AND details = ${literal(details)};
IF NOT FOUND THEN
  DELETE FROM ${table} WHERE ${OF_SERVERS} AND (${server} OR ${HEARD_AT} < clock_timestamp() - ${FORGOTTEN});
  INSERT INTO ${table} (at, last_at, expires_at, gateway, own, client_id, account, step, outcome, count, details)
    VALUES (clock_timestamp(), clock_timestamp(), clock_timestamp() + ${RETENTION}, '', true, ${literal(name)} #>> '{}', '',
      'server', 'ok', 0, ${literal(details)});
END IF`);
}

/** By the clock of the database alone: those of servers and commands may differ. */
const heard = (table: string): string => `
SELECT client_id AS name, details::text AS details, ${millisecondsOf(HEARD_AT)} AS heard_at,
  ${millisecondsOf(`clock_timestamp() - (${HEARD_AT})`)} AS ago
FROM ${table} WHERE ${OF_SERVERS} ORDER BY ${HEARD_AT} DESC`;

const newestEntry = (table: string): string => `
SELECT ${millisecondsOf('clock_timestamp() - last_at')} AS ago
FROM ${table} WHERE step <> 'server' ORDER BY id DESC LIMIT 1`;

function serverOf(row: Row): HeardServer {
  const details = JSON.parse(String(row['details'])) as Partial<Pick<HeardServer, 'isStopped' | 'brokers'>>;
  return {
    name: String(row['name']),
    isStopped: details.isStopped === true,
    brokers: details.brokers ?? [],
    heardAt: Number(row['heard_at']),
    agoMs: Number(row['ago']),
  };
}

/** Runs no statement yet. Rejects with the driver's own errors. */
export function serversOn(database: Database, schema: string): Servers {
  const table = inSchema(schema, 'dockhook_timeline');
  return {
    async beat({ name, ...details }) {
      await database.query(beat(table, name, details));
    },
    async heard() {
      const servers = (await database.query(heard(table))).map(serverOf);
      const [newest] = await database.query(newestEntry(table));
      return { servers, ...(newest && { lastEntryAgoMs: Number(newest['ago']) }) };
    },
  };
}
