/** One request to EMQX's REST API: within its deadline and with a bounded answer. */
import { DockhookError } from '../errors.js';
import { unreachedText, type Reply } from './api-errors.js';

/** A page of a thousand clients has about a megabyte; what sends more is not EMQX. In bytes. */
const MAX_ANSWER = 16 * 1024 * 1024;

interface ApiRequest {
  method: string;
  /** Below `/api/v5`. */
  path: string;
  body?: unknown;
  /** Of the request with its answer, in milliseconds. */
  deadlineMs: number;
}

interface Connection {
  address: string;
  authorization: string;
  /** Breaks the request off, or refuses it. */
  signal: AbortSignal | undefined;
}

/** @throws DockhookError `failed` if there is no answer; an answer may have any status */
export async function request(
  { method, path, body, deadlineMs }: ApiRequest,
  { address, authorization, signal }: Connection,
): Promise<Reply> {
  // AbortSignal.any() would keep a part of each request in memory for as long as the long-lived signal exists.
  const over = new AbortController();
  const timer = setTimeout(() => {
    over.abort(new DOMException('too late', 'TimeoutError'));
  }, deadlineMs);
  const onStop = (): void => {
    over.abort(signal?.reason);
  };
  try {
    signal?.throwIfAborted();
    signal?.addEventListener('abort', onStop);
    const headers = new Headers({ accept: 'application/json', authorization });
    if (body !== undefined) headers.set('content-type', 'application/json');
    const response = await fetch(`${address}/api/v5${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      // The key is for this address and no other.
      redirect: 'manual',
      signal: over.signal,
    });
    return {
      address,
      call: `${method} /api/v5${path}`,
      status: response.status,
      text: await textOf(response, address),
      location: response.headers.get('location'),
      date: response.headers.get('date'),
    };
  } catch (error) {
    if (error instanceof DockhookError) throw error;
    throw new DockhookError('failed', unreachedText(address, error, deadlineMs), { cause: error });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onStop);
  }
}

async function textOf({ body }: Response, address: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_ANSWER) {
      throw new DockhookError(
        'failed',
        `${address} sends more than ${MAX_ANSWER} bytes and is not EMQX's REST API`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
