/**
 * The data directory of the embedded database: one process holds it, and others work with it through that process.
 *
 * `lock.ts` decides who holds it, `server.ts` answers the others, `client.ts` is their side. The database itself is in
 * `postgres/`.
 */
import { existsSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { devDataDir } from '../command.js';
import { DockhookError, hasCode, messageOf } from '../errors.js';
import type { Database } from '../stores/database.js';
import { connectToHolder, type HolderConnection } from './client.js';
import { lock, nameOf, socketPath } from './lock.js';
import { openPglite } from './pglite.js';
import { serveDatabase } from './server.js';

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
  await makeDirectory(directory);
  await checkOwner(directory);
  const holder = { pid: process.pid, command: options.command };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // Commands may connect while the database is still opening.
    void serveDatabase(socket, holder, opening, options.transactionLimitMs);
  });
  const opening = lock(directory, server).then(() => openDatabase(directory, options));
  const hangUp = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const release = async (): Promise<void> => {
    hangUp();
    // Removes the socket, too.
    if (server.listening) await new Promise((done) => server.close(done));
  };
  const database = await opening.catch(async (error: unknown) => {
    await release();
    throw error;
  });
  const close = async (): Promise<void> => {
    // The database would wait for their transactions.
    hangUp();
    // The lock goes last.
    await database.close().finally(release);
  };
  let closing: Promise<void> | undefined;
  return { ...database, close: () => (closing ??= close()) };
}

/**
 * The database in a directory for a short while: through the process that holds it, once that has opened
 * it, or else by holding it. Through a process, a query may take 5 s.
 * @param options `mayMake`: whether a directory without a database gets one; otherwise rejects with `not_found`
 */
export async function connectDataDirectory(
  directory: string,
  { mayMake = true, ...options }: Partial<DataDirectoryOptions> & { mayMake?: boolean | undefined } = {},
): Promise<Database> {
  await checkOwner(directory);
  const path = socketPath(directory);
  for (;;) {
    const connection = await connectToHolder(path);
    if (connection !== undefined) return databaseOf(connection, directory);
    if (!mayMake && !existsSync(join(directory, 'postgres'))) throw noDatabase(directory);
    try {
      return await openDataDirectory(directory, { command: 'a dockhook command', ...options });
    } catch (error) {
      // Somebody else was quicker: ask them.
      if (!hasCode(error, 'locked')) throw error;
    }
  }
}

function noDatabase(directory: string): DockhookError {
  const ofDev = devDataDir(directory);
  const dev = existsSync(ofDev) ? `; that of dockhook dev: --data-dir ${ofDev}` : '';
  return new DockhookError(
    'not_found',
    `there is no database in ${directory}: set DATABASE_URL, or --data-dir as the server has it${dev}. The first ` +
      'account, organization or license makes a new one',
  );
}

async function databaseOf({ holder, database }: HolderConnection, directory: string): Promise<Database> {
  try {
    return await database();
  } catch (error) {
    throw new DockhookError(
      'store_unavailable',
      `the data directory ${directory} is held by ${nameOf(holder)}, ` +
        'whose database cannot be reached; try again, or stop that process',
      { cause: error },
    );
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

/** Commands trust the process that listens there with everything, so only our own user may have put it there. */
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
