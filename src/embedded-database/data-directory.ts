/**
 * The data directory of the embedded database: who holds it, and how others work with it meanwhile.
 *
 * Its socket `control.sock` is the lock. Whoever listens there holds the directory; the kernel lets go when
 * that process dies, however it dies. (A file with a pid would not do: pids are given out again, and in a
 * container every server has the same one.) The database itself lies in `postgres/`.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DockhookError, messageOf } from '../errors.js';
import type { Database } from '../stores/database.js';
import { connectToHolder, serveDatabase, type Holder } from './control-socket.js';
import { openPglite } from './pglite.js';

interface DataDirectoryOptions {
  /** What people call this process, for whoever finds the directory held: `dockhook serve`. */
  command: string;
  onProgress?: (text: string) => void;
  /** How long a transaction of another process may take. */
  transactionLimitMs?: number;
}

/**
 * Opens the database in a directory, which is created if absent, and serves it to commands on the socket.
 * Rejects with `locked` while another process holds the directory. `close()` gives it free.
 */
export async function openDataDirectory(directory: string, options: DataDirectoryOptions): Promise<Database> {
  const path = socketPath(directory);
  await makeDirectory(directory);
  await checkOwner(directory);
  const holder: Holder = { pid: process.pid, command: options.command };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // Commands may connect while the database is still opening.
    void serveDatabase(socket, holder, opening, options.transactionLimitMs);
  });
  const opening = hold(directory, path, server).then(() => openDatabase(directory, options));
  const release = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    // Removes the socket, too.
    if (server.listening) await new Promise((done) => server.close(done));
  };
  try {
    const database = await opening;
    let closing: Promise<void> | undefined;
    return {
      query: (sql, parameters) => database.query(sql, parameters),
      transaction: (work) => database.transaction(work),
      // The lock goes last.
      close: () => (closing ??= database.close().finally(release)),
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * The database in a directory for a short while: through the process that holds it, once that has opened
 * it, or else by holding it. Through a process, a query may take 5 s.
 */
export async function connectDataDirectory(
  directory: string,
  options: Partial<DataDirectoryOptions> = {},
): Promise<Database> {
  await checkOwner(directory);
  for (;;) {
    const connection = await connectToHolder(socketPath(directory));
    if (connection !== undefined) {
      try {
        return await connection.database();
      } catch (error) {
        const { holder } = connection;
        throw new DockhookError(
          'store_unavailable',
          `the data directory ${directory} is held by ${nameOf(holder)}, ` +
            'whose database cannot be reached; try again, or stop that process',
          { cause: error },
        );
      }
    }
    try {
      return await openDataDirectory(directory, { command: 'a dockhook command', ...options });
    } catch (error) {
      // Somebody else was quicker: ask them.
      if (!(error instanceof DockhookError && error.code === 'locked')) throw error;
    }
  }
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new DockhookError(
      'failed',
      `the data directory ${directory} cannot be created: ${messageOf(error)}`,
    );
  }
}

/** Whose directory it is, his process is asked for everything and told everything: it must be our own. */
async function checkOwner(directory: string): Promise<void> {
  const owner = await stat(directory).catch(() => undefined);
  if (owner === undefined) return;
  if (!owner.isDirectory()) {
    throw new DockhookError(
      'usage',
      `the data directory ${directory} is not a directory; set DOCKHOOK_DATA_DIR to one`,
    );
  }
  const user = process.getuid?.();
  if (user !== undefined && owner.uid !== user) {
    throw new DockhookError(
      'usage',
      `the data directory ${directory} belongs to user ${owner.uid}, and this is user ${user}: ` +
        'run dockhook as that user, or set DOCKHOOK_DATA_DIR to a directory of your own',
    );
  }
  if (user !== undefined && (owner.mode & 0o022) !== 0) {
    throw new DockhookError(
      'usage',
      `others may write in the data directory ${directory}: chmod go-w ${directory}`,
    );
  }
}

async function openDatabase(directory: string, options: DataDirectoryOptions): Promise<Database> {
  try {
    return await openPglite(join(directory, 'postgres'), options);
  } catch (error) {
    throw new DockhookError(
      'failed',
      `the embedded database in ${directory} cannot be opened: ${messageOf(error)}. ` +
        'Check that the disk has room and that this user may write there. If the files are damaged, ' +
        'restore the directory from a backup, or move it away to begin with an empty one.',
      { cause: error },
    );
  }
}

/** Makes the server listen on the directory's socket, unless another process does. */
async function hold(directory: string, path: string, server: Server): Promise<void> {
  // Of two processes that find a dead holder's socket, the second must not remove what the first has put there.
  await alone(join(directory, 'control.guard'), async () => {
    const connection = await connectToHolder(path);
    if (connection !== undefined) {
      connection.close();
      throw new DockhookError(
        'locked',
        `the data directory ${directory} is in use by ${nameOf(connection.holder)}; ` +
          'stop that process, or choose another directory with DOCKHOOK_DATA_DIR',
      );
    }
    await rm(path, { force: true });
    await listen(server, path);
  });
}

function nameOf(holder: Holder | undefined): string {
  return holder === undefined
    ? 'a process that does not answer'
    : `"${holder.command}" (process ${holder.pid})`;
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((done, reject) => {
    server.on('error', reject);
    // The socket is bound within this call; it must never be open to others, not even for a moment.
    const umask = process.umask(0o177);
    server.listen(path, done);
    process.umask(umask);
  });
}

/** Linux allows 107 bytes for a socket's path, macOS 103. */
const PATH_LIMIT = 100;

function socketPath(directory: string): string {
  const absolute = join(resolve(directory), 'control.sock');
  const path = [absolute, relative(process.cwd(), absolute)].find(
    (candidate) => Buffer.byteLength(candidate) <= PATH_LIMIT,
  );
  if (path !== undefined) return path;
  throw new DockhookError(
    'usage',
    `the data directory ${directory} has too long a path for a socket in it ` +
      `(${PATH_LIMIT} bytes); choose a shorter one with DOCKHOOK_DATA_DIR`,
  );
}

/** A guard is held for milliseconds; one this old belongs to a process that died with it. */
const GUARD_STALE_MS = 10_000;
const GUARD_POLL_MS = 20;

/** Does a short piece of work while no other process does it, by the existence of a file. */
async function alone(guard: string, work: () => Promise<void>): Promise<void> {
  while (!(await create(guard))) {
    const found = await stat(guard).catch(() => undefined);
    if (found === undefined) continue;
    if (Math.abs(Date.now() - found.mtimeMs) > GUARD_STALE_MS) await removeStale(guard, found.mtimeMs);
    else await sleep(GUARD_POLL_MS);
  }
  try {
    await work();
  } finally {
    await rm(guard, { force: true });
  }
}

async function create(guard: string): Promise<boolean> {
  try {
    await (await open(guard, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new DockhookError('failed', `the data directory cannot be used: ${messageOf(error)}`);
  }
}

/** Removes a guard unless another process has put a new one in its place; then that one is put back. */
async function removeStale(guard: string, mtimeMs: number): Promise<void> {
  const aside = `${guard}.${randomUUID()}`;
  const moved = await rename(guard, aside).then(
    () => true,
    () => false,
  );
  if (!moved) return;
  if ((await stat(aside)).mtimeMs !== mtimeMs) await link(aside, guard).catch(() => undefined);
  await rm(aside);
}
