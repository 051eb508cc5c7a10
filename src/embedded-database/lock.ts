/**
 * Who holds a data directory: whoever listens on its socket `control.sock`. The kernel lets go when that process dies,
 * however it dies. (A file with a pid would not do: pids are given out again, and in a container every server has the
 * same one.)
 */
import { randomUUID } from 'node:crypto';
import { link, open, rename, rm, stat } from 'node:fs/promises';
import type { Server } from 'node:net';
import { join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DockhookError, messageOf } from '../errors.js';
import { connectToHolder } from './client.js';
import type { Holder } from './protocol.js';

/** Makes the server listen on the directory's socket. Rejects with `locked` if another process does. */
export async function lock(directory: string, server: Server): Promise<void> {
  const path = socketPath(directory);
  // Of two processes that find a dead holder's socket, the second must not remove what the first has put there.
  await alone(join(directory, 'control.guard'), async () => {
    const connection = await connectToHolder(path);
    if (connection !== undefined) {
      await connection.close();
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

/** Words for the holder; undefined stands for one that does not answer. */
export function nameOf(holder: Holder | undefined): string {
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

/** The shortest path of the directory's socket. */
export function socketPath(directory: string): string {
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
