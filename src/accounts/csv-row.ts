/** Accounts as lines of CSV: from a line to an account and back. */
import { accountNameFault } from '../access/unsafe-names.js';
import { isRfc3339, parseMoment } from '../dates.js';
import { DockhookError, messageOf } from '../errors.js';
import { fromEmqx, hashFault, passwordKind, type EmqxAlgorithm } from '../password-hashes/index.js';
import { accountType, encode } from '../stores/codec.js';
import type { Account, Scope } from '../stores/types.js';
import { COLUMNS, type Column } from './csv-columns.js';
import {
  checkedClientIds,
  checkedFilters,
  checkedGateways,
  demandUsedOrganization,
  gatewaysIn,
} from './scope.js';

/** Names that other systems use for a column, and advice. */
const HINTS: Readonly<Record<string, string>> = {
  username: 'write name',
  user_id: 'write name',
  account: 'write name',
  sn: 'write gateways',
  gateway: 'write gateways',
  gateway_sn: 'write gateways',
  hash: 'write password_hash',
  organization_id: 'write organization',
  cert_cn: 'write certificate_cn',
  expires_at: 'write expires',
  is_superuser: 'leave it out: dockhook has no superusers; a backend has the scope service',
  clientid: 'leave it out: an account with the scope client-id acts for the gateway in its client id',
};

/** What an account's hash is to be made of. */
type Secret =
  { kind: 'generate' } | { kind: 'chosen'; password: string } | { kind: 'hash'; passwordHash: string };

/** An account of which the password is not hashed yet. */
export interface ImportedLine {
  account: Omit<Account, 'passwordHash'>;
  secret: Secret;
}

/** A placeholder where no hash need be made. It fits no password. */
export const PLACEHOLDER_HASH = `$dockhook-sha256$AA$${'A'.repeat(43)}`;

/** The columns that a header line names. Throws `usage`. */
export function readHeader(cells: readonly string[]): Column[] {
  const names = cells.map((cell) => cell.trim());
  const columns = names.map((name) => {
    if (Object.hasOwn(COLUMNS, name)) return name as Column;
    const hint = HINTS[name.toLowerCase()] ?? `the columns are ${Object.keys(COLUMNS).join(', ')}`;
    throw new DockhookError('usage', `unknown column "${name}"; ${hint}`);
  });
  const twice = columns.find((column, index) => columns.indexOf(column) !== index);
  if (twice !== undefined) throw new DockhookError('usage', `the column "${twice}" appears twice`);
  if (!columns.includes('name')) {
    throw new DockhookError('usage', 'the first line must name the columns, and one of them is name');
  }
  return columns;
}

/** What a line says. Throws `usage`; never quotes a password or a hash. */
export function readLine(
  columns: readonly Column[],
  cells: readonly string[],
  options: { now: number; algorithm?: EmqxAlgorithm | undefined },
): ImportedLine {
  if (cells.length !== columns.length) {
    const [has, wanted] = [cells.length, columns.length];
    throw new DockhookError('usage', `columns: ${has} here, ${wanted} in the first line`);
  }
  // A decoder puts this in place of bytes that it cannot read.
  if (cells.some((cell) => cell.includes('\uFFFD'))) {
    throw new DockhookError('usage', 'has characters that are not UTF-8; save the file as "CSV UTF-8"');
  }
  const row = Object.fromEntries(columns.map((column, index) => [column, cells[index]])) as Row;
  const { name = '', organization, certificate_cn: certificateCn, expires, note, created } = row;
  const fault = accountNameFault(name);
  if (fault !== undefined) throw new DockhookError('usage', `the name ${fault}`);
  const { now } = options;
  const account: Omit<Account, 'passwordHash'> = {
    name,
    scope: readScope(row),
    createdAt: created ? readMoment('created', created, now) : new Date(now).toISOString(),
  };
  if (organization) account.organizationId = organization;
  demandUsedOrganization(account);
  if (certificateCn) account.certificateCn = certificateCn;
  if (expires) account.expiresAt = readMoment('expires', expires, now);
  if (readDisabled(row.disabled)) account.disabled = true;
  if (note) account.note = note;
  // All other faults, above all lengths.
  encode(accountType, { ...account, passwordHash: PLACEHOLDER_HASH });
  return { account, secret: readSecret(row, options.algorithm) };
}

type Row = Partial<Record<Column, string>>;

function readScope({
  scope,
  gateways = '',
  publish = '',
  subscribe = '',
  client_ids: clientIds = '',
}: Row): Scope {
  const kind = scope ? scope : 'gateways';
  if (kind !== 'service' && (publish !== '' || subscribe !== '' || clientIds !== '')) {
    throw new DockhookError('usage', 'publish, subscribe and client_ids are for the scope service');
  }
  if (kind !== 'gateways' && gateways !== '') {
    throw new DockhookError('usage', `it has gateways, and the scope ${kind}`);
  }
  switch (kind) {
    case 'gateways': {
      const sns = words(gateways);
      if (sns.length > 0) return { kind, gateways: checkedGateways('gateway', sns) };
      throw new DockhookError('usage', 'has neither gateways nor another scope');
    }
    case 'client-id':
    case 'any-gateway':
      return { kind };
    case 'service': {
      const service: Scope = {
        kind,
        publish: readFilters('publish', publish),
        subscribe: readFilters('subscribe', subscribe),
      };
      if (clientIds !== '')
        service.clientIds = checkedClientIds('client_ids', readList('client_ids', clientIds));
      return service;
    }
    default:
      throw new DockhookError(
        'usage',
        `scope "${kind}": there are gateways, client-id, any-gateway, service`,
      );
  }
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}

function readFilters(column: string, text: string): string[] {
  return text === '' ? ['#'] : checkedFilters(column, readList(column, text));
}

/** Texts with spaces between them, or a JSON array of texts. */
function readList(column: string, text: string): string[] {
  if (!text.startsWith('[')) return words(text);
  const list = parseJson(text);
  if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return list;
  throw new DockhookError('usage', `${column} begins with [ but is not a JSON array of texts`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readMoment(column: string, text: string, now: number): string {
  try {
    const moment = parseMoment(text, now);
    return isRfc3339(text) ? text : moment;
  } catch (error) {
    throw new DockhookError('usage', `${column} ${messageOf(error)}`);
  }
}

function readDisabled(text = ''): boolean {
  if (text === 'yes') return true;
  if (text === '' || text === 'no') return false;
  throw new DockhookError('usage', `disabled "${text}": write yes or no`);
}

function readSecret(
  { password = '', password_hash: given = '', salt = '' }: Row,
  algorithm: EmqxAlgorithm | undefined,
): Secret {
  if (password !== '' && given !== '') {
    throw new DockhookError('usage', 'has a password and a password_hash; leave one of them empty');
  }
  if (password !== '') return { kind: 'chosen', password };
  if (given === '') {
    if (algorithm === undefined) return { kind: 'generate' };
    throw new DockhookError('usage', 'has no password_hash');
  }
  const isOurs = given.startsWith('$') && !(algorithm && passwordKind(given) === 'imported');
  if (algorithm === undefined && !given.startsWith('$')) {
    throw new DockhookError(
      'usage',
      'has a password_hash of EMQX: say how it is made, --password-hash-algorithm',
    );
  }
  const passwordHash = algorithm && !isOurs ? fromEmqx(algorithm, salt, given) : given;
  const fault = hashFault(passwordHash);
  if (fault !== undefined) throw new DockhookError('usage', `the password_hash ${fault}`);
  return { kind: 'hash', passwordHash };
}

/** An account as the cells of {@link COLUMNS}, without its password; the hash only on demand. */
export function toCells(account: Account, columns: readonly Column[]): string[] {
  const { scope } = account;
  const service = scope.kind === 'service' ? scope : undefined;
  const row: Record<Column, string | undefined> = {
    name: account.name,
    scope: scope.kind,
    gateways: gatewaysIn(scope).join(' '),
    publish: service && listCell(service.publish),
    subscribe: service && listCell(service.subscribe),
    client_ids: service?.clientIds && listCell(service.clientIds),
    password: undefined,
    password_hash: account.passwordHash,
    salt: undefined,
    organization: account.organizationId,
    certificate_cn: account.certificateCn,
    expires: account.expiresAt,
    disabled: account.disabled ? 'yes' : undefined,
    note: account.note,
    created: account.createdAt,
  };
  return columns.map((column) => row[column] ?? '');
}

function listCell(texts: readonly string[]): string {
  const isPlain = texts.length > 0 && texts.every((text) => !/\s|^\[/.test(text));
  return isPlain ? texts.join(' ') : JSON.stringify(texts);
}
