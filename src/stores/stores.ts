/**
 * Accounts, organizations, bindings, the license and the access timeline, in Postgres.
 *
 * Owns: the tables (`table-names.ts`), how they come to be and change (`migrate.ts`, `migrations/`), the records and their
 * schemas (`records.ts`, `codec.ts`), connecting (`connect-postgres.ts`), what around the tables could make an answer wrong
 * (`soundness.ts`), and the meaning of each operation (this file).
 * It is the only importer of keyv and pg. From an operation to the database: what was read before (`remembered-stores.ts`),
 * one table's records (`record-table.ts`, `merged-reads.ts`), Keyv (`keyv.ts`, `record-sql.ts`), the pool (`postgres-pool.ts`).
 *
 * Does not own: who may connect (`access/`), what a dock is told (`dock/`), how long a hook waits for the
 * store (`time-limits.ts`), and where an embedded database lives (`embedded-database/`).
 */
import { command } from '../command.js';
import { isSerialNumber } from '../serial-number.js';
import { DockhookError } from '../errors.js';
import { bindDevices } from './bind-devices.js';
import { hearChanges, type ChangesOptions } from './changes.js';
import {
  accountType,
  bindingType,
  decode,
  decodeRow,
  encode,
  isKey,
  LICENSE_KEY,
  licenseType,
  nameOf,
  organizationType,
} from './codec.js';
import type { Database } from './database.js';
import { mergeBinds } from './merged-binds.js';
import { mergeReads, type Read } from './merged-reads.js';
import { withMemory } from './remembered-stores.js';
import { failureOf, createAttempt, type OnQuery } from './database-errors.js';
import { openSql, type Sql } from './record-sql.js';
import { openRecordTable } from './record-table.js';
import type {
  Accounts,
  Binding,
  BindOutcome,
  Bindings,
  LicenseStore,
  Organizations,
  Servers,
  ServerStores,
  Stores,
  Timeline,
} from './types.js';

export interface StoresOptions {
  /** Where the tables are; `public` unless given. */
  schema?: string | undefined;
  onQuery?: OnQuery | undefined;
}

/**
 * Opens the stores on a database, which `close()` closes too. Returns at once: the database may be absent,
 * and the tables are brought up to date by the first operation that reaches it.
 */
export function openStores(database: Database, { schema, onQuery }: StoresOptions = {}): Stores {
  return storesOn(openSql(database, schema), onQuery);
}

/**
 * Opens the stores of a server. What was read is answered from memory for as long as changes are heard of; see
 * `changes.ts`.
 * @param options.onHeard told when that begins, and why it is not so
 */
export function openServerStores(
  database: Database,
  { schema, onQuery, onHeard }: StoresOptions & Pick<ChangesOptions, 'onHeard'> = {},
): ServerStores {
  const sql = openSql(database, schema);
  const stores = storesOn(sql, onQuery);
  const { openSession, seenWhole } = sql;
  const changes = openSession && hearChanges(openSession, { schema, onHeard, onWhole: seenWhole });
  return {
    ...withMemory(stores, changes),
    close() {
      changes?.close();
      return stores.close();
    },
  };
}

/** The stores whose statements these are. */
function storesOn(sql: Sql, onQuery?: OnQuery): Stores {
  const attempt = createAttempt('all', onQuery);
  return {
    accounts: openAccounts(sql, onQuery),
    organizations: openOrganizations(sql, onQuery),
    bindings: openBindings(sql, onQuery),
    license: openLicense(sql, onQuery),
    timeline: openTimeline(sql, onQuery),
    servers: openServers(sql, onQuery),
    ping: () => attempt('ping', 'one round trip', () => sql.ping()),
    unsound: () => attempt('unsound', 'its settings', () => sql.unsound()),
    close: () => sql.close(),
  };
}

function openAccounts(sql: Sql, onQuery: OnQuery | undefined): Accounts {
  const attempt = createAttempt(accountType.table, onQuery);
  const table = openRecordTable(sql, accountType, attempt);
  return {
    get: (name) => table.get(name),
    list: () => table.list(),
    add: (account) => table.add(account),
    addTogether: (work) =>
      attempt('addTogether', 'accounts', () =>
        sql.transaction((insertMany) =>
          work(async (many) => {
            const rows = many.map((account) => encode(accountType, account));
            const leftOut = await insertMany(accountType.table, rows);
            return new Map([...leftOut].map(([name, why]) => [name, whyLeftOut(name, why)]));
          }),
        ),
      ),
    update: (name, edit) => table.update(name, edit),
    async replaceHash(name, oldHash, newHash) {
      return attempt('replaceHash', nameOf(accountType, name), async () => {
        const text = await table.rows.text(name);
        const account = text === undefined ? undefined : decodeRow(accountType, { key: name, text });
        if (text === undefined || account?.passwordHash !== oldHash) return false;
        const row = encode(accountType, { ...account, passwordHash: newHash });
        return table.rows.replace(name, text, row.text);
      });
    },
    remove: (name) => table.remove(name),
    async listsGateway(sn) {
      // Whatever else is no row's list, so nothing that PostgreSQL would refuse is asked.
      if (!isSerialNumber(sn)) return false;
      return attempt('listsGateway', `gateway ${JSON.stringify(sn)}`, () => sql.listsGateway(sn));
    },
    async keepsClientId(clientId) {
      if (!isKey(clientId)) return false;
      return attempt('keepsClientId', 'client ids', () => sql.keepsClientId(clientId));
    },
  };
}

function whyLeftOut(name: string, why: 'taken' | Error): DockhookError {
  const subject = nameOf(accountType, name);
  return why === 'taken'
    ? new DockhookError('conflict', `${subject} exists already`)
    : failureOf('add', subject, why);
}

function openOrganizations(sql: Sql, onQuery: OnQuery | undefined): Organizations {
  const attempt = createAttempt(organizationType.table, onQuery);
  const table = openRecordTable(sql, organizationType, attempt);
  const organizationsByCode = mergeReads((codes) => sql.organizationsByCode(codes));
  return {
    get: (id) => table.get(id),
    list: () => table.list(),
    async byBindingCode(code) {
      if (!isKey(code)) return undefined;
      return attempt('byBindingCode', 'the organization of a device binding code', async () => {
        const row = (await organizationsByCode([code])).get(code);
        return row && decodeRow(organizationType, row);
      });
    },
    add: (organization) => table.add(organization, { unique: () => codeTaken(organization.id) }),
    update: (id, edit) => table.update(id, edit, 'update', { unique: () => codeTaken(id) }),
    async remove(id) {
      const subject = nameOf(organizationType, id);
      // PostgreSQL does not guard this: the column for it would lock out all docks while a large table of accounts is rewritten.
      const names = isKey(id)
        ? await attempt('accountsOf', subject, () => sql.accountsOf(id, NAMED_ACCOUNTS + 1))
        : [];
      if (names.length > 0) throw usedByAccounts(subject, names);
      await table.remove(id, {
        reference: async () => {
          const count = await attempt('countBindings', subject, () => sql.countBindings(id));
          throw new DockhookError(
            'conflict',
            `${subject} cannot be removed: ${count} ${count === 1 ? 'device is' : 'devices are'} bound to it; ` +
              'move or remove these bindings first',
          );
        },
      });
    },
  };
}

/** Accounts that an error names. */
const NAMED_ACCOUNTS = 5;

function usedByAccounts(subject: string, names: readonly string[]): DockhookError {
  const named = names.slice(0, NAMED_ACCOUNTS).map((name) => nameOf(accountType, name));
  const all = [...named, ...(names.length > NAMED_ACCOUNTS ? ['others'] : [])].join(', ');
  return new DockhookError(
    'conflict',
    `${subject} cannot be removed: ${all} ${names.length === 1 ? 'belongs' : 'belong'} to it; ` +
      `take it away first: ${command('account', 'set', 'NAME', '--no-organization')}`,
  );
}

function codeTaken(id: string): never {
  throw new DockhookError(
    'conflict',
    `${nameOf(organizationType, id)} cannot have this device binding code: ` +
      'another organization has it; choose another code',
  );
}

function openBindings(sql: Sql, onQuery: OnQuery | undefined): Bindings {
  const attempt = createAttempt(bindingType.table, onQuery);
  const table = openRecordTable(sql, bindingType, attempt);
  const withOrganizations = mergeReads((sns) => sql.bindingsWithOrganizations(sns));
  const binds = { bind: mergeBinds(sql.bind), bindAlone: sql.bind, boundGateways: sql.boundGateways };

  /** Reads what there is of these SNs, and decodes it. */
  async function readMany<Row, T extends Binding>(
    operation: string,
    sns: readonly string[],
    read: Read<Row>,
    decoded: (sn: string, row: Row) => T,
  ): Promise<Map<string, T>> {
    const keys = [...new Set(sns)].filter(isKey);
    const bindings = new Map<string, T>();
    if (keys.length === 0) return bindings;
    return attempt(operation, `bindings of ${keys.length} devices`, async () => {
      const rows = await read(keys);
      for (const sn of keys) {
        const row = rows.get(sn);
        if (row !== undefined) bindings.set(sn, decoded(sn, row));
      }
      return bindings;
    });
  }

  /** As an operation of its own, so that it is counted and logged with its device. */
  async function refused(sn: string, error: Error): Promise<BindOutcome | DockhookError> {
    return attempt<BindOutcome | DockhookError>(
      'bind',
      nameOf(bindingType, sn),
      () => Promise.reject(error),
      { reference: () => 'no_such_organization' },
    ).catch((failure: unknown) => failure as DockhookError);
  }

  return {
    get: (sn) => table.get(sn),
    getMany: (sns) => readMany('getMany', sns, table.read, (sn, value) => decode(bindingType, sn, value)),
    getWithOrganizations: (gateway, sns) =>
      readMany('getWithOrganizations', [gateway, ...sns], withOrganizations, (_sn, row) => ({
        ...decodeRow(bindingType, row),
        // Only when asked for: who may not see it must not stumble over it.
        organization: () => row.organization && decodeRow(organizationType, row.organization),
      })),
    list: () => table.list(),
    bind: (bindings) =>
      attempt('bind', `bindings of ${bindings.length} devices`, () => bindDevices(binds, bindings, refused)),
    move: (sn, { organizationId, account }) =>
      table.update(
        sn,
        (binding) => ({
          ...binding,
          ...(organizationId === undefined ? {} : { organizationId }),
          ...(account === undefined ? {} : { account }),
        }),
        'move',
        {
          reference: () => {
            throw new DockhookError(
              'not_found',
              `there is no ${nameOf(organizationType, organizationId ?? '')}`,
            );
          },
        },
      ),
    remove: (sn) => table.remove(sn),
  };
}

function openLicense(sql: Sql, onQuery: OnQuery | undefined): LicenseStore {
  const attempt = createAttempt(licenseType.table, onQuery);
  const table = openRecordTable(sql, licenseType, attempt);
  const subject = nameOf(licenseType, LICENSE_KEY);
  return {
    get: () => table.get(LICENSE_KEY),
    async set(license) {
      encode(licenseType, license);
      await attempt('set', subject, () => table.rows.keyv.set(LICENSE_KEY, license));
    },
    async clear() {
      await attempt('clear', subject, () => table.rows.keyv.delete(LICENSE_KEY));
    },
  };
}

function openTimeline({ timeline }: Sql, onQuery: OnQuery | undefined): Timeline {
  const attempt = createAttempt('dockhook_timeline', onQuery);
  const subject = 'the access timeline';
  return {
    append: (entries) => attempt('append', subject, () => timeline.append(entries)),
    sweep: (limits) => attempt('sweep', subject, () => timeline.sweep(limits)),
    trim: (gateways, limit) => attempt('trim', subject, () => timeline.trim(gateways, limit)),
    gateways: (after, limit) => attempt('gateways', subject, () => timeline.gateways(after, limit)),
    of: (gateways, limit) => attempt('of', subject, () => timeline.of(gateways, limit)),
    others: (before, limit) => attempt('others', subject, () => timeline.others(before, limit)),
    gatewayOfDrone: (sn) => attempt('gatewayOfDrone', subject, () => timeline.gatewayOfDrone(sn)),
  };
}

function openServers({ servers }: Sql, onQuery: OnQuery | undefined): Servers {
  const attempt = createAttempt('dockhook_timeline', onQuery);
  return {
    beat: (server) => attempt('beat', 'that this server is there', () => servers.beat(server)),
    heard: () => attempt('heard', 'which servers are there', () => servers.heard()),
  };
}
