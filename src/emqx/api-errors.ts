/** What to do when EMQX's REST API refuses, answers with something else, or does not answer: the texts of its errors. */
import { messageOf } from '../errors.js';
import { clipped, printableUrl } from '../text.js';
import type { Answer } from './api-answers.js';

/** Of EMQX's own words, in characters: more would bury ours. */
const MAX_QUOTE = 300;

/** An answer of EMQX, or of what stands in its place. */
export interface Reply {
  /** Of EMQX, without key and secret. */
  address: string;
  /** What it replies to, such as `GET /api/v5/nodes`. */
  call: string;
  status: number;
  text: string;
  location: string | null;
  date: string | null;
}

/** For a status that is not among the expected ones. */
export function refusalText(reply: Reply): string {
  const said = emqxError(reply.text);
  const quote = said ? `: ${said.code}${said.message ? `, ${said.message}` : ''}` : '';
  return `${explain(reply)}${quote}`;
}

function explain({ address, call, status, text, location }: Reply): string {
  if (status === 401) {
    return (
      `EMQX at ${address} refuses the API key (401). Check the files that DOCKHOOK_EMQX_API_KEY_FILE and ` +
      'DOCKHOOK_EMQX_API_SECRET_FILE name; keys are made in its dashboard, System, API Key'
    );
  }
  if (status === 403) {
    return (
      `EMQX at ${address} does not let this API key do ${call} (403). Give the key the role administrator, and ` +
      'from EMQX 6.2 on every scope'
    );
  }
  if (status >= 300 && status < 400) {
    return `${address} is not EMQX but leads to ${target(location, address)} (${status}). Give EMQX's own address with --emqx`;
  }
  if (status === 404 && !emqxError(text)) {
    return (
      `${address} does not know ${call} (404). Check that it is EMQX's REST API (port 18083, or the path that ` +
      'your proxy has for it), and that EMQX is 5.1.2 or later'
    );
  }
  if (status >= 500) return `EMQX at ${address} could not do ${call} (${status}); its log says why`;
  return `EMQX at ${address} refuses ${call} (${status})`;
}

/** Where a redirect leads. */
function target(location: string | null, address: string): string {
  if (location === null) return 'nowhere';
  return clip(printableUrl(URL.canParse(location, address) ? new URL(location, address).href : location));
}

/** For a reply that EMQX would not give; `errors` say what is wrong with its JSON. */
export function wrongAnswerText({ address, call, text }: Reply, errors: Answer<unknown>['errors']): string {
  const seen = parseJson(text) === undefined ? notJson(text) : wrongJson(errors);
  return (
    `${address} answered ${call} with ${seen}. Check that it is EMQX's REST API (port 18083) and that no proxy answers ` +
    'in its place'
  );
}

function notJson(text: string): string {
  return /^\s*</.test(text) ? 'a web page' : 'text that is not JSON, or only part of it';
}

function wrongJson(errors: Answer<unknown>['errors']): string {
  const [fault] = errors ?? [];
  const where = fault?.instancePath === '' ? 'the whole' : clip(fault?.instancePath ?? 'something');
  return `JSON in which ${where} ${clip(fault?.message ?? 'is not as expected')}`;
}

/** For a request without an answer. */
export function unreachedText(address: string, error: unknown, deadlineMs: number): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return `EMQX at ${address} did not answer within ${deadlineMs / 1000} s. Check that its dashboard can be opened there`;
  }
  const { code, text } = innermost(error);
  // Codes of OpenSSL and Node for a certificate that is not trusted.
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/.test(code)) {
    return (
      `the certificate of ${address} is not trusted (${code}). Name the CA that signed it with ` +
      'NODE_EXTRA_CA_CERTS=/path/to/ca.pem, and use a host name that is in the certificate'
    );
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return `${address} does not speak TLS (${code}). If that is intended, write http:// instead of https://`;
  }
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET') {
    return `${address} broke off its answer (${text}). If it expects TLS, write https://; if not, look into its log`;
  }
  return `cannot reach EMQX at ${address}: ${text}. Check that it runs there and listens for its dashboard`;
}

/** The innermost reason of `fetch failed`. */
function innermost(error: unknown): { code: string; text: string } {
  if (error instanceof AggregateError && error.errors.length > 0) return innermost(error.errors[0]);
  if (error instanceof Error && error.cause !== undefined) return innermost(error.cause);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return { code, text: clip(messageOf(error) || code) };
}

/** EMQX's own errors are `{code, message}`; `message` may be JSON itself. Undefined if somebody else answered. */
export function emqxError(text: string): { code: string; message: string } | undefined {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || !('code' in value)) return undefined;
  const message = 'message' in value ? value.message : '';
  return {
    code: clip(String(value.code)),
    message: clip(typeof message === 'string' ? message : JSON.stringify(message)),
  };
}

/** Undefined for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** EMQX's own words on one line. */
function clip(text: string): string {
  return clipped(text.replace(/\s+/g, ' ').trim(), MAX_QUOTE);
}
