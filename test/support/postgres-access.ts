/** Who a test server lets in, and how: pg_hba.conf and TLS of a {@link TestPostgres}. */
import { execFileSync } from 'node:child_process';
import { chownSync, copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { childrenOf, type TestPostgres } from './postgres.js';

/** Lets the superuser in as before, and others by these lines of pg_hba.conf. Holds for new connections. */
export async function setAccess(server: TestPostgres, ...lines: string[]): Promise<void> {
  const [row] = await server.query('SHOW hba_file');
  const trusted = ['local all all trust', 'host all postgres 127.0.0.1/32 trust'];
  writeFileSync(String(row?.['hba_file']), [...trusted, ...lines, ''].join('\n'));
  await reload(server);
}

/** Switches TLS on with this pair (PEM files), and makes clients' certificates be verified by this CA. */
export async function setTls(
  server: TestPostgres,
  { cert, key, clientCa }: { cert: string; key: string; clientCa: string },
): Promise<void> {
  for (const [setting, from] of Object.entries({
    ssl_cert_file: cert,
    ssl_key_file: key,
    ssl_ca_file: clientCa,
  })) {
    const to = join(server.socketDirectory, setting);
    copyFileSync(from, to);
    // PostgreSQL takes no key of anybody else.
    const { uid, gid } = statSync(server.socketDirectory);
    chownSync(to, uid, gid);
    await server.query(`ALTER SYSTEM SET ${setting} = '${to}'`);
  }
  await server.query('ALTER SYSTEM SET ssl = on');
  await reload(server);
}

/**
 * Connections of others than the superuser, by the processes that serve them: one that waits for a password is not in
 * pg_stat_activity before PostgreSQL 18, and takes one of the server's connections all the same.
 */
export function strangers({ pid }: TestPostgres): number {
  return childrenOf(pid).filter((child) => {
    // `postgres: role database 127.0.0.1(40000) authentication`
    const [, user] = /^postgres: (?:[^ ]*: )?(\S+) \S+ (?:\[local\]|\S+\(\d+\))/.exec(titleOf(child)) ?? [];
    return user !== undefined && user !== 'postgres';
  }).length;
}

/** Waits until they have left, much shorter than the minute that PostgreSQL itself waits for a password. */
export async function strangersGone(server: TestPostgres): Promise<void> {
  const end = Date.now() + 5000;
  while (strangers(server) > 0) {
    if (Date.now() > end) throw new Error(`there are still ${strangers(server)} connections`);
    await pause(10);
  }
}

function titleOf(pid: number): string {
  try {
    if (existsSync('/proc/self/cmdline'))
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    // Gone already.
    return '';
  }
}

/** The signal is on its way when the function answers; a setting that is changed with it has arrived when it is seen. */
async function reload(server: TestPostgres): Promise<void> {
  const loaded = async (): Promise<unknown> =>
    (await server.query('SELECT pg_conf_load_time()::text AS at'))[0]?.['at'];
  const before = String(await loaded());
  await server.query('SELECT pg_reload_conf()');
  while (String(await loaded()) === before);
}
