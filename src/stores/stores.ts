/**
 * Accounts, organizations, bindings, the license and the access timeline, in Postgres.
 *
 * Owns: the tables and what Postgres guards in them (`tables.ts`), the records and their schemas
 * (`records.ts`, `codec.ts`), connecting (`postgres.ts`), what around the tables could make an answer wrong
 * (`soundness.ts`), and the meaning of each operation (this file).
 * It is the only importer of keyv and pg. `sql.ts` and `memory.ts` are the two backends.
 *
 * Does not own: who may connect (`access/`), what a dock is told (`dock/`), how long a hook waits for the
 * store (`time-limits.ts`), and where an embedded database lives (`embedded/`).
 */
import { isSerialNumber } from '../topics.js';
import { DockhookError } from '../errors.js';
import { hearAccountChanges, type AccountChangesOptions } from './account-changes.js';
import type { Backend } from './backend.js';
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
import { mergeReads, type Read } from './merged-reads.js';
import { createMemory, type Changes } from './memory.js';
import { failureOf, createAttempt, type OnQuery } from './database-errors.js';
import { openSqlBackend } from './sql.js';
import { openRecordTable } from './record-table.js';
import type {
  Account,
  Accounts,
  Binding,
  BindOutcome,
  Bindings,
  License,
  LicenseStore,
  Organizations,
  RememberedAccounts,
  RememberedLicense,
  ServerStores,
  Stores,
  Timeline,
} from './types.js';

/**
 * Opens the stores on a database, which `close()` closes too. Returns at once: the database may be absent,
 * and the tables are created by the first operation that reaches it.
 */
export function openStores(database: Database, options: { onQuery?: OnQuery } = {}): Stores {
  return storesOn(openSqlBackend(database), options.onQuery);
}

/**
 * Opens the stores of a server. Accounts that were read are answered from memory for as long as changes of accounts
 * are heard of; see `account-changes.ts`.
 * @param options.onHeard told when that begins, and why it is not so
 */
export function openServerStores(
  database: Database,
  { onQuery, onHeard }: { onQuery?: OnQuery; onHeard?: AccountChangesOptions['onHeard'] } = {},
): ServerStores {
  const backend = openSqlBackend(database);
  const stores = storesOn(backend, onQuery);
  const { openSession } = backend;
  const changes = openSession && hearAccountChanges(openSession, { onHeard });
  return {
    ...withMemory(stores, changes),
    close() {
      changes?.close();
      return stores.close();
    },
  };
}

/** The same stores, which remember what they read. */
export function withMemory(stores: Stores, changes?: Changes): ServerStores {
  return {
    ...stores,
    accounts: rememberAccounts(stores.accounts, changes),
    license: rememberLicense(stores.license),
  };
}

/** The same accounts, which are remembered as they were read. */
export function rememberAccounts(accounts: Accounts, changes?: Changes): RememberedAccounts {
  const memory = createMemory<Account>({ changes });
  return {
    ...accounts,
    get: (name) => memory.get(name, () => accounts.get(name)),
    async recall(name, within) {
      return (await memory.recall(name, () => within(accounts.get(name)))).value;
    },
  };
}

/** The same license, which is remembered as it was read. */
export function rememberLicense(license: LicenseStore): RememberedLicense {
  const memory = createMemory<License>({ maxAgeMs: Infinity });
  return {
    ...license,
    get: () => memory.get(LICENSE_KEY, () => license.get()),
    recall: (within) => memory.recall(LICENSE_KEY, () => within(license.get())),
  };
}

/** The stores on a backend. */
export function storesOn(backend: Backend, onQuery?: OnQuery): Stores {
  const attempt = createAttempt('all', onQuery);
  return {
    accounts: openAccounts(backend, onQuery),
    organizations: openOrganizations(backend, onQuery),
    bindings: openBindings(backend, onQuery),
    license: openLicense(backend, onQuery),
    timeline: openTimeline(backend, onQuery),
    ping: () => attempt('ping', 'one round trip', () => backend.ping()),
    unsound: () => attempt('unsound', 'its settings', () => backend.unsound()),
    close: () => backend.close(),
  };
}

function openAccounts(backend: Backend, onQuery: OnQuery | undefined): Accounts {
  const attempt = createAttempt(accountType.table, onQuery);
  const table = openRecordTable(backend, accountType, attempt);
  return {
    get: (name) => table.get(name),
    list: () => table.list(),
    add: (account) => table.add(account),
    addTogether: (work) =>
      attempt('addTogether', 'accounts', () =>
        backend.transaction((insertMany) =>
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
      return attempt('listsGateway', `gateway ${JSON.stringify(sn)}`, () => backend.listsGateway(sn));
    },
    async keepsClientId(clientId) {
      if (!isKey(clientId)) return false;
      return attempt('keepsClientId', 'client ids', () => backend.keepsClientId(clientId));
    },
  };
}

function whyLeftOut(name: string, why: 'taken' | Error): DockhookError {
  const subject = nameOf(accountType, name);
  return why === 'taken'
    ? new DockhookError('conflict', `${subject} exists already`)
    : failureOf('add', subject, why);
}

function openOrganizations(backend: Backend, onQuery: OnQuery | undefined): Organizations {
  const attempt = createAttempt(organizationType.table, onQuery);
  const table = openRecordTable(backend, organizationType, attempt);
  const organizationsByCode = mergeReads((codes) => backend.organizationsByCode(codes));
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
    remove: (id) =>
      table.remove(id, {
        reference: async () => {
          const subject = nameOf(organizationType, id);
          const count = await attempt('countBindings', subject, () => backend.countBindings(id));
          throw new DockhookError(
            'conflict',
            `${subject} cannot be removed: ${count} ${count === 1 ? 'device is' : 'devices are'} bound to it; ` +
              'move or remove these bindings first',
          );
        },
      }),
  };
}

function codeTaken(id: string): never {
  throw new DockhookError(
    'conflict',
    `${nameOf(organizationType, id)} cannot have this device binding code: ` +
      'another organization has it; choose another code',
  );
}

function openBindings(backend: Backend, onQuery: OnQuery | undefined): Bindings {
  const attempt = createAttempt(bindingType.table, onQuery);
  const table = openRecordTable(backend, bindingType, attempt);
  const withOrganizations = mergeReads((sns) => backend.bindingsWithOrganizations(sns));

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

  return {
    getMany: (sns) => readMany('getMany', sns, table.read, (sn, value) => decode(bindingType, sn, value)),
    getManyWithOrganizations: (sns) =>
      readMany('getManyWithOrganizations', sns, withOrganizations, (_sn, row) => ({
        ...decodeRow(bindingType, row),
        // Only when asked for: who may not see it must not stumble over it.
        organization: () => row.organization && decodeRow(organizationType, row.organization),
      })),
    list: () => table.list(),
    async bind(binding) {
      const row = encode(bindingType, binding);
      return attempt<BindOutcome>(
        'bind',
        nameOf(bindingType, row.key),
        async () => ((await backend.bind(row)) ? 'bound' : 'bound_elsewhere'),
        { reference: () => 'no_such_organization' },
      );
    },
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

function openLicense(backend: Backend, onQuery: OnQuery | undefined): LicenseStore {
  const attempt = createAttempt(licenseType.table, onQuery);
  const table = openRecordTable(backend, licenseType, attempt);
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

function openTimeline({ timeline }: Backend, onQuery: OnQuery | undefined): Timeline {
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
