/** h2load (nghttp2) as a load of unary gRPC calls: in C, so that it takes less of the machine than what it drives. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { serviceName } from '../../src/exhook/proto.js';
import { quantile } from './statistics.js';

/** EMQX's `pool_size`. */
const MAX_CONNECTIONS = 8;

/** The first line of `h2load --version`; `undefined` if it is not installed. */
export function h2loadVersion(): string | undefined {
  try {
    return execFileSync('h2load', ['--version'], { encoding: 'utf8' }).split('\n')[0];
  } catch {
    return undefined;
  }
}

export interface Load {
  /** Of ExHook v3. */
  method: string;
  /** The framed request, the same for every call. */
  body: Buffer;
  inFlight: number;
  calls: number;
}

/** Of one run, in calls a second and milliseconds. */
export interface Run {
  perSecond: number;
  p50: number;
  p99: number;
}

/**
 * Makes these calls to a port of 127.0.0.1, over up to eight connections. Rejects unless each was answered with HTTP
 * status 200; the gRPC status comes in a trailer, which h2load does not look at.
 */
export async function h2load(port: number, { method, body, inFlight, calls }: Load): Promise<Run> {
  const directory = mkdtempSync(join(tmpdir(), 'dockhook-h2load-'));
  const [bodyFile, logFile] = [join(directory, 'body'), join(directory, 'log')];
  try {
    writeFileSync(bodyFile, body);
    const connections = Math.min(MAX_CONNECTIONS, inFlight);
    await promisify(execFile)('h2load', [
      `--clients=${connections}`,
      `--max-concurrent-streams=${inFlight / connections}`,
      `--requests=${calls}`,
      '--header=content-type: application/grpc+proto',
      '--header=te: trailers',
      `--data=${bodyFile}`,
      `--log-file=${logFile}`,
      `http://127.0.0.1:${port}/${serviceName('v3')}/${method}`,
    ]);
    return readLog(readFileSync(logFile, 'utf8'), calls);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A line per call: start in microseconds since the epoch, HTTP status, microseconds to the end of the answer. */
function readLog(log: string, calls: number): Run {
  const lines = log
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t').map(Number) as [start: number, status: number, took: number]);
  const answered = lines.filter(([, status]) => status === 200).length;
  if (answered !== calls) throw new Error(`${answered} of ${calls} calls were answered with HTTP status 200`);
  const begin = lines.reduce((first, [start]) => Math.min(first, start), Infinity);
  const end = lines.reduce((last, [start, , took]) => Math.max(last, start + took), 0);
  const milliseconds = lines.map(([, , took]) => took / 1000);
  return {
    perSecond: calls / ((end - begin) / 1e6),
    p50: quantile(milliseconds, 0.5),
    p99: quantile(milliseconds, 0.99),
  };
}
