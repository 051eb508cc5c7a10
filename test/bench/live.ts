/**
 * The journey on two brokers that run already, as live EMQX: one asks a dockhook that runs already, the other has an
 * authenticator and an ACL file of its own. This fills both databases, starts the client of the classic design, and sends
 * the docks on their way.
 *
 * Both databases must be new. What the classic broker must be set up with:
 * - authentication by table `mqtt_user` of its database (see below; EMQX wants it to be there when it starts): SHA-256 of
 *   password and salt, EMQX's own default and as costly as what dockhook does with a generated password;
 * - the topics of `classic-rules.ts` for docks, by their username, and for the account `backend`; nothing else.
 */
import { createHash, randomBytes } from 'node:crypto';
import pg from 'pg';
import { generatePassword } from '../../src/access/generate-password.js';
import { hashGenerated } from '../../src/password-hashes/index.js';
import type { Bench } from './bench.js';
import { BACKEND } from './classic-rules.js';
import { addFleet, dockOf } from './fleet.js';
import { compareWays, docksNeeded, startClassicClient, TITLE } from './journey.js';
import type { Report } from './report.js';

/** URLs, as the options of `main.ts` with these names. */
export interface Live {
  /** The brokers. */
  ours: string;
  classic: string;
  /** The database of the dockhook that `ours` asks, and that of the authenticator of `classic`. */
  oursDatabase: string;
  classicDatabase: string;
  /** What the brokers are called, with their version. */
  broker: string;
}

export async function live({ scale, live: given }: Bench): Promise<Report> {
  if (given === undefined) throw new Error('no brokers were named');
  const { ours, classic, oursDatabase, classicDatabase, broker } = given;
  const password = generatePassword();
  const docks = Array.from({ length: docksNeeded(scale) }, (_, number) => ({ ...dockOf(number), password }));
  await withQuery(oursDatabase, (query) =>
    addFleet({ url: oursDatabase, query }, docks.length, hashGenerated(password)),
  );
  await withQuery(classicDatabase, (query) =>
    addUsers(query, [...docks.map(({ sn }) => sn), BACKEND], password),
  );
  const backend = await startClassicClient(classic, password, classicDatabase);
  try {
    const rows = await compareWays({ ours, classic }, docks, scale);
    return { title: TITLE, rows: rows.map((row) => ({ broker, ...row })) };
  } finally {
    await backend.stop();
  }
}

type Query = (sql: string, parameters?: unknown[]) => Promise<Record<string, unknown>[]>;

async function withQuery(connectionString: string, work: (query: Query) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    await work(
      async (sql, parameters) => (await client.query<Record<string, unknown>>(sql, parameters)).rows,
    );
  } finally {
    await client.end();
  }
}

const USERS =
  'CREATE TABLE IF NOT EXISTS mqtt_user (username text PRIMARY KEY, password_hash text NOT NULL, salt text NOT NULL)';

async function addUsers(query: Query, usernames: readonly string[], password: string): Promise<void> {
  await query(USERS);
  const salts = usernames.map(() => randomBytes(16).toString('hex'));
  const hashes = salts.map((salt) => createHash('sha256').update(`${password}${salt}`).digest('hex'));
  await query('INSERT INTO mqtt_user SELECT * FROM unnest($1::text[], $2::text[], $3::text[])', [
    usernames,
    hashes,
    salts,
  ]);
  await query('ANALYZE mqtt_user');
}
