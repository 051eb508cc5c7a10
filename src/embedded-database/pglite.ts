/** The embedded Postgres: PGlite (PostgreSQL 18 as WebAssembly) in this process. */
import fs from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { PGlite } from '@electric-sql/pglite';
import type { Database, Row } from '../stores/database.js';

/**
 * Opens the database in a directory, or a new one in memory without a directory. Queries run one after
 * another on this thread, some 0.3 ms each, and have no time limit. There is no lock: the caller sees to
 * it that nobody else has the directory open.
 *
 * A commit is on the disk before its query resolves. A creation that was cut short begins anew.
 */
export async function openPglite(
  directory?: string,
  options: { onProgress?: (text: string) => void } = {},
): Promise<Database> {
  const { PGlite } = await import('@electric-sql/pglite');
  if (directory === undefined) return databaseOn(await PGlite.create());

  // Present from before the first file until the database is whole, so that a half-made one is known.
  const incomplete = `${directory}.incomplete`;
  if (fs.existsSync(incomplete)) await rm(directory, { recursive: true, force: true });
  const isNew = !fs.existsSync(directory);
  if (isNew) {
    options.onProgress?.(`creating the embedded database in ${directory}; this takes some seconds, once`);
    await writeFile(incomplete, '');
    // PGlite 0.5 makes its files readable for everybody.
    await mkdir(directory, { mode: 0o700 });
  }
  let lastWords = '';
  const pglite = await PGlite.create(directory, {
    // Its default `-F` is fsync = off, and Emscripten takes fdatasync for done without doing it.
    startParams: [
      ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
      '-c',
      'wal_sync_method=fsync',
    ],
    onStderr(text) {
      lastWords = /(?:FATAL|PANIC): +(.*)/.exec(text)?.[1] ?? lastWords;
      return true;
    },
  }).catch((error: unknown) => {
    throw new Error(reasonOf(error, lastWords), { cause: error });
  });
  syncToDisk(pglite);
  if (isNew) await rm(incomplete);
  return databaseOn(pglite);
}

/** The part of Emscripten's module that {@link syncToDisk} needs; PGlite's own types leave it open. */
interface EmscriptenModule {
  ENV: { PGDATA: string };
  FS: {
    lookupPath(path: string): { node: { stream_ops: { fsync?: (stream: { nfd?: number }) => number } } };
  };
}

/**
 * Emscripten's file system for Node has no fsync operation, which then counts as done; so give it one.
 * All files share one table of operations. Seen with PGlite 0.5.16; a test counts the calls.
 */
function syncToDisk(pglite: PGlite): void {
  const { FS, ENV } = pglite.Module as unknown as EmscriptenModule;
  const anyFile = FS.lookupPath(`${ENV.PGDATA}/PG_VERSION`).node;
  anyFile.stream_ops.fsync = ({ nfd }) => {
    // A directory has no descriptor here.
    if (nfd !== undefined) fs.fsyncSync(nfd);
    return 0;
  };
}

/** WASI's numbers for what can go wrong with a file; Emscripten throws them in plain objects. */
const fileErrors: Partial<Record<number, string>> = {
  2: 'permission denied',
  51: 'no space left on the disk',
  54: 'not a directory',
  63: 'operation not permitted',
  69: 'read-only file system',
};

/** Postgres ends itself with a last word on stderr, which PGlite reports as "Aborted()" only. */
function reasonOf(error: unknown, lastWords: string): string {
  if (lastWords !== '') return lastWords;
  if (error instanceof Error) return error.message;
  const { errno = -1 } = error as { errno?: number };
  return fileErrors[errno] ?? `file system error ${errno}`;
}

function databaseOn(pglite: PGlite): Database {
  return {
    async query(sql, parameters = []) {
      // Its queries resolve as microtasks: a busy caller would keep timers and sockets from ever running.
      await setImmediate();
      const { rows } = await pglite.query<Row>(sql, [...parameters]);
      return rows;
    },
    async transaction(work) {
      await pglite.transaction(async (transaction) => {
        const ending = await work(async (sql, parameters = []) => {
          await setImmediate();
          return (await transaction.query<Row>(sql, [...parameters])).rows;
        });
        if (ending === 'rollback') await transaction.rollback();
      });
    },
    close: () => pglite.close(),
  };
}
