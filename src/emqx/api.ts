/** EMQX's REST API: one try with a deadline, and errors that tell people what to do. */
import { readFile } from 'node:fs/promises';
import type { Config } from '../config.js';
import { DockhookError, messageOf } from '../errors.js';
import type { Answer } from './api-answers.js';
import { emqxError, parseJson, refusalText, wrongAnswerText, type Reply } from './api-errors.js';
import { request } from './api-request.js';

/** Of one request with its answer, in milliseconds. */
const DEADLINE_MS = 5000;

/** Each call rejects with an error whose text tells the operator what to do; see {@link statusOf}. */
export interface EmqxApi {
  /** Where it is, without key and secret: for texts. */
  address: string;
  /** @param path below `/api/v5`, its parts encoded */
  get<T>(path: string, answer: Answer<T>): Promise<T>;
  /** Like `get`; undefined if EMQX says that it has no such thing. */
  find<T>(path: string, answer: Answer<T>): Promise<T | undefined>;
  /** @param deadlineMs for what takes EMQX longer than other calls */
  send(method: 'POST' | 'PUT', path: string, body: unknown, deadlineMs?: number): Promise<void>;
  /** @returns whether it was there */
  remove(path: string): Promise<boolean>;
  /**
   * EMQX's clock, in milliseconds since the epoch: up to a second behind, and never ahead. Undefined if the answer has
   * no `Date`, because a proxy has removed it.
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

/** Every method rejects with DockhookError `failed`; {@link statusOf} tells the HTTP status, if EMQX answered. */
export function connectEmqx(
  { url, renewed, ...access }: EmqxAccess,
  { deadlineMs = DEADLINE_MS, signal }: ApiOptions = {},
): EmqxApi {
  const address = `${url.origin}${url.pathname.replace(/\/+$/, '').replace(/\/api\/v5$/, '')}`;
  let authorization = authorizationOf(access);

  async function ask(method: string, path: string, body?: unknown, limitMs = deadlineMs): Promise<Reply> {
    const used = authorization;
    const send = (): Promise<Reply> =>
      request({ method, path, body, deadlineMs: limitMs }, { address, authorization, signal });
    let reply = await send();
    if (reply.status === 401 && renewed !== undefined) {
      // A request that was sent at the same time may have read the new key already.
      if (authorization === used) authorization = authorizationOf(await renewed());
      if (authorization !== used) reply = await send();
    }
    return reply;
  }

  return {
    address,
    async get(path, answer) {
      return readAs(await ask('GET', path), answer);
    },
    async find(path, answer) {
      const reply = await ask('GET', path);
      return isMissing(reply) ? undefined : readAs(reply, answer);
    },
    async send(method, path, body, limitMs) {
      // 202: published, and nobody subscribes to it.
      expectStatus(await ask(method, path, body, limitMs), [200, 201, 202, 204]);
    },
    async remove(path) {
      const reply = await ask('DELETE', path);
      if (isMissing(reply)) return false;
      expectStatus(reply, [200, 204]);
      return true;
    },
    async clock() {
      const reply = await ask('GET', '/nodes');
      expectStatus(reply, [200]);
      const now = Date.parse(reply.date ?? '');
      return Number.isNaN(now) ? undefined : now;
    },
  };
}

/** Whether EMQX itself says that it has no such thing. */
function isMissing({ status, text }: Reply): boolean {
  return status === 404 && emqxError(text) !== undefined;
}

function expectStatus(reply: Reply, expected: readonly number[]): void {
  const { status } = reply;
  if (expected.includes(status)) return;
  throw new DockhookError('failed', refusalText(reply), { cause: { status } });
}

function readAs<T>(reply: Reply, answer: Answer<T>): T {
  expectStatus(reply, [200]);
  const value = parseJson(reply.text);
  if (answer(value)) return value;
  throw new DockhookError('failed', wrongAnswerText(reply, answer.errors));
}

/** Like `get` of {@link EmqxApi}, for what only some versions or editions have: undefined after any 404. */
export async function getIfThere<T>(api: EmqxApi, path: string, answer: Answer<T>): Promise<T | undefined> {
  try {
    return await api.get(path, answer);
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

/** The HTTP status with which EMQX, or a proxy in front of it, refused; undefined if there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const cause: unknown = error instanceof DockhookError ? error.cause : undefined;
  return typeof cause === 'object' && cause !== null && 'status' in cause && typeof cause.status === 'number'
    ? cause.status
    : undefined;
}

function authorizationOf({ key, secret }: EmqxKey): string {
  return `Basic ${Buffer.from(`${key}:${secret}`).toString('base64')}`;
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
