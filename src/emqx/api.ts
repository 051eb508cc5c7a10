/** EMQX's REST API: one try with a deadline, and errors that tell people what to do. */
import { readFile } from 'node:fs/promises';
import type { Config } from '../config.js';
import { DockhookError, messageOf } from '../errors.js';
import { clipped, printableUrl } from '../text.js';
import type { Answer } from './api-answers.js';

/** For one request with its answer, in milliseconds. */
const DEADLINE_MS = 5000;
/** A page of a thousand clients has about a megabyte; what sends more is not EMQX. In bytes. */
const MAX_ANSWER = 16 * 1024 * 1024;
/** More of EMQX's own words would bury ours. */
const MAX_QUOTE = 300;

/** Each call rejects with an error whose text tells the operator what to do; see {@link statusOf}. */
export interface EmqxApi {
  /** Where it is, without key and secret: for texts. */
  address: string;
  /** @param path below `/api/v5`, its parts encoded */
  get<T>(path: string, answer: Answer<T>): Promise<T>;
  /** Like `get`; undefined if EMQX says that it has no such thing. */
  find<T>(path: string, answer: Answer<T>): Promise<T | undefined>;
  /** @param deadlineMs where EMQX does more than to look something up */
  send(method: 'POST' | 'PUT', path: string, body: unknown, deadlineMs?: number): Promise<void>;
  /** @returns whether it was there */
  remove(path: string): Promise<boolean>;
  /**
   * EMQX's clock, in milliseconds since the epoch: at most a second less than it is, and never more. Undefined if the
   * answer does not tell, since a proxy has taken its `Date` away.
   */
  clock(): Promise<number | undefined>;
}

interface ApiOptions {
  /** Of one request with its answer, in milliseconds. */
  deadlineMs?: number;
  /** Breaks off what is under way, and refuses what comes after. */
  signal?: AbortSignal;
}

interface EmqxAccess extends EmqxKey {
  url: URL;
  /** Reads key and secret again, for when they are refused. */
  renewed?: () => Promise<EmqxKey>;
}

interface EmqxKey {
  key: string;
  secret: string;
}

/**
 * The API that the settings name, or undefined if they name none. Key and secret are read now, and when they are refused.
 * @throws DockhookError `usage` if their files cannot be used
 */
export async function openEmqx(
  config: Pick<Config, 'emqxUrl' | 'emqxApiKeyFile' | 'emqxApiSecretFile'>,
  options: ApiOptions = {},
): Promise<EmqxApi | undefined> {
  const { emqxUrl: url, emqxApiKeyFile: keyFile, emqxApiSecretFile: secretFile } = config;
  if (url === undefined || keyFile === undefined || secretFile === undefined) return undefined;
  const renewed = async (): Promise<EmqxKey> => {
    const [key, secret] = await Promise.all([
      readLine('DOCKHOOK_EMQX_API_KEY_FILE', keyFile),
      readLine('DOCKHOOK_EMQX_API_SECRET_FILE', secretFile),
    ]);
    return { key, secret };
  };
  return connectEmqx({ url, ...(await renewed()), renewed }, options);
}

/**
 * Every method rejects with DockhookError `failed`; what EMQX answered, if it did, is told by {@link statusOf}.
 */
export function connectEmqx(
  { url, renewed, ...access }: EmqxAccess,
  { deadlineMs = DEADLINE_MS, signal: stopped }: ApiOptions = {},
): EmqxApi {
  const path = url.pathname.replace(/\/+$/, '').replace(/\/api\/v5$/, '');
  const address = `${url.origin}${path}`;
  let authorization = authorizationOf(access);

  async function request(
    method: string,
    where: string,
    body?: unknown,
    limitMs = deadlineMs,
  ): Promise<Reply> {
    const used = authorization;
    const reply = await requestOnce(method, where, body, limitMs);
    if (reply.status !== 401 || renewed === undefined) return reply;
    // Whoever asked at the same time may have read the new ones already.
    if (authorization === used) authorization = authorizationOf(await renewed());
    return authorization === used ? reply : requestOnce(method, where, body, limitMs);
  }

  async function requestOnce(method: string, where: string, body: unknown, limitMs: number): Promise<Reply> {
    // By hand: AbortSignal.any() would keep something of each request for as long as the long-lived signal is there.
    const over = new AbortController();
    const timer = setTimeout(() => {
      over.abort(new DOMException('too late', 'TimeoutError'));
    }, limitMs);
    const onStop = (): void => {
      over.abort(stopped?.reason);
    };
    try {
      stopped?.throwIfAborted();
      stopped?.addEventListener('abort', onStop);
      const response = await fetch(`${address}/api/v5${where}`, {
        method,
        headers: {
          accept: 'application/json',
          authorization,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // The key is for this address and no other.
        redirect: 'manual',
        signal: over.signal,
      });
      return {
        status: response.status,
        text: await bodyOf(response, address),
        location: response.headers.get('location'),
        date: response.headers.get('date'),
      };
    } catch (error) {
      if (error instanceof DockhookError) throw error;
      throw new DockhookError('failed', whyUnreached(address, error, limitMs), { cause: error });
    } finally {
      clearTimeout(timer);
      stopped?.removeEventListener('abort', onStop);
    }
  }

  function refuse(call: string, { status, text, location }: Reply): never {
    const said = jsonError(text);
    const quote = said ? `: ${said.code}${said.message ? `, ${said.message}` : ''}` : '';
    throw new DockhookError('failed', `${explain(status, said !== undefined)}${quote}`, {
      cause: { status },
    });

    function explain(code: number, isEmqx: boolean): string {
      if (code === 401) {
        return (
          `EMQX at ${address} refuses the API key (401). Check the files that DOCKHOOK_EMQX_API_KEY_FILE and ` +
          'DOCKHOOK_EMQX_API_SECRET_FILE name; keys are made in its dashboard, System, API Key'
        );
      }
      if (code === 403) {
        return (
          `EMQX at ${address} does not let this API key do ${call} (403). Give the key the role administrator, and ` +
          'from EMQX 6.2 on every scope'
        );
      }
      if (code >= 300 && code < 400) {
        return `${address} is not EMQX but leads to ${target(location, address)} (${code}). Give EMQX's own address with --emqx`;
      }
      if (code === 404 && !isEmqx) {
        return (
          `${address} does not know ${call} (404). Check that it is EMQX's REST API (port 18083, or the path that ` +
          'your proxy has for it), and that EMQX is 5.1.2 or later'
        );
      }
      if (code >= 500) return `EMQX at ${address} could not do ${call} (${code}); its log says why`;
      return `EMQX at ${address} refuses ${call} (${code})`;
    }
  }

  function read<T>(call: string, { text }: Reply, answer: Answer<T>): T {
    const value = parse(text);
    if (answer(value)) return value;
    const [fault] = answer.errors ?? [];
    const seen =
      value !== undefined
        ? `JSON in which ${fault?.instancePath === '' ? 'the whole' : clip(fault?.instancePath ?? 'something')} ${clip(fault?.message ?? 'is not as expected')}`
        : /^\s*</.test(text)
          ? 'a web page'
          : 'what is no JSON, or only part of it';
    throw new DockhookError(
      'failed',
      `${address} answered ${call} with ${seen}. Check that it is EMQX's REST API (port 18083) and that no proxy answers in its place`,
    );
  }

  async function find<T>(where: string, answer: Answer<T>): Promise<T | undefined> {
    const call = `GET /api/v5${where}`;
    const reply = await request('GET', where);
    if (reply.status === 404 && jsonError(reply.text)) return undefined;
    return reply.status === 200 ? read(call, reply, answer) : refuse(call, reply);
  }

  return {
    address,
    find,
    async get(where, answer) {
      const call = `GET /api/v5${where}`;
      const reply = await request('GET', where);
      return reply.status === 200 ? read(call, reply, answer) : refuse(call, reply);
    },
    async send(method, where, body, limitMs) {
      const reply = await request(method, where, body, limitMs);
      // 202: published, and nobody subscribes to it.
      if (![200, 201, 202, 204].includes(reply.status)) refuse(`${method} /api/v5${where}`, reply);
    },
    async remove(where) {
      const reply = await request('DELETE', where);
      if (reply.status === 404 && jsonError(reply.text)) return false;
      if (![200, 204].includes(reply.status)) refuse(`DELETE /api/v5${where}`, reply);
      return true;
    },
    async clock() {
      const reply = await request('GET', '/nodes');
      if (reply.status !== 200) refuse('GET /api/v5/nodes', reply);
      const now = Date.parse(reply.date ?? '');
      return Number.isNaN(now) ? undefined : now;
    },
  };
}

/** As `get` of {@link EmqxApi}, for what not every version or edition has: undefined for any kind of 404. */
export async function getIfThere<T>(api: EmqxApi, path: string, answer: Answer<T>): Promise<T | undefined> {
  try {
    return await api.get(path, answer);
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

/** The HTTP status with which EMQX, or what stands in its place, refused; undefined if there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const cause: unknown = error instanceof DockhookError ? error.cause : undefined;
  return typeof cause === 'object' && cause !== null && 'status' in cause && typeof cause.status === 'number'
    ? cause.status
    : undefined;
}

/** Where a redirect leads. */
function target(location: string | null, address: string): string {
  if (location === null) return 'nowhere';
  return clip(printableUrl(URL.canParse(location, address) ? new URL(location, address).href : location));
}

function authorizationOf({ key, secret }: EmqxKey): string {
  return `Basic ${Buffer.from(`${key}:${secret}`).toString('base64')}`;
}

interface Reply {
  status: number;
  text: string;
  location: string | null;
  date: string | null;
}

async function readLine(setting: string, path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new DockhookError('usage', `${setting}: cannot read ${path}: ${messageOf(error)}`);
  });
  const line = text.replace(/\r?\n$/, '');
  if (line === '' || /[\r\n]/.test(line)) {
    throw new DockhookError('usage', `${setting}: ${path} must hold one line and nothing else`);
  }
  return line;
}

function whyUnreached(address: string, error: unknown, deadlineMs: number): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return `EMQX at ${address} did not answer within ${deadlineMs / 1000} s. Check that its dashboard can be opened there`;
  }
  const { code, text } = reasonOf(error);
  // Names of OpenSSL and Node for a certificate that was not believed.
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/.test(code)) {
    return (
      `the certificate of ${address} is not trusted (${code}). Name the CA that signed it with ` +
      'NODE_EXTRA_CA_CERTS=/path/to/ca.pem, and use the host name that stands in it'
    );
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return `${address} does not speak TLS (${code}). Write http:// in place of https:// if that is meant`;
  }
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET') {
    return `${address} broke off its answer (${text}). If it expects TLS, write https://; else look into its log`;
  }
  return `cannot reach EMQX at ${address}: ${text}. Check that it runs there and listens for its dashboard`;
}

/** The innermost reason of `fetch failed`. */
function reasonOf(error: unknown): { code: string; text: string } {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (error instanceof Error && error.cause !== undefined) return reasonOf(error.cause);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return { code, text: clip(messageOf(error) || code) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** EMQX's own errors are `{code, message}`; `message` may be JSON itself. */
function jsonError(text: string): { code: string; message: string } | undefined {
  const value = parse(text);
  if (typeof value !== 'object' || value === null || !('code' in value)) return undefined;
  const message = 'message' in value ? value.message : '';
  return {
    code: clip(String(value.code)),
    message: clip(typeof message === 'string' ? message : JSON.stringify(message)),
  };
}

/** Of EMQX's own words, one line; it is made fit to be shown where it is shown. */
function clip(text: string): string {
  return clipped(text.replace(/\s+/g, ' ').trim(), MAX_QUOTE);
}

async function bodyOf({ body }: Response, address: string): Promise<string> {
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
