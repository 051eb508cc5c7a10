/** The stores of a server: what was read is answered from memory, as long as changes are heard. */
import type { Changes, Kind } from './changes.js';
import { LICENSE_KEY } from './codec.js';
import { createMemory, type Memory } from './remembered-reads.js';
import type {
  Account,
  Accounts,
  Binding,
  Bindings,
  BindingWithOrganization,
  License,
  LicenseStore,
  Organization,
  Organizations,
  RememberedAccounts,
  RememberedLicense,
  ServerStores,
  Stores,
} from './types.js';

/** The same stores, which remember what they read. Without `changes` nothing is answered from memory, only recalled. */
export function withMemory(stores: Stores, changes?: Changes): ServerStores {
  const organizations = rememberOrganizations(stores.organizations, changes);
  return {
    ...stores,
    accounts: rememberAccounts(stores.accounts, changes),
    organizations,
    bindings: rememberBindings(stores.bindings, organizations, changes),
    license: rememberLicense(stores.license, changes),
  };
}

function memoryOf<T>(kind: Kind, changes: Changes | undefined, maxAgeMs?: number): Memory<T> {
  return createMemory<T>({ kind, changes, maxAgeMs });
}

/** The same accounts, which are remembered as they were read. */
export function rememberAccounts(accounts: Accounts, changes?: Changes): RememberedAccounts {
  const byName = memoryOf<Account>('account', changes);
  const listed = memoryOf<boolean>('gateway', changes);
  const kept = memoryOf<boolean>('client id', changes);
  return {
    ...accounts,
    get: (name) => byName.get(name, () => accounts.get(name)),
    async recall(name, within) {
      return (await byName.recall(name, () => within(accounts.get(name)))).value;
    },
    listsGateway: async (sn) => (await listed.get(sn, () => accounts.listsGateway(sn))) ?? false,
    keepsClientId: async (clientId) =>
      (await kept.get(clientId, () => accounts.keepsClientId(clientId))) ?? false,
    async replaceHash(name, oldHash, newHash) {
      try {
        return await accounts.replaceHash(name, oldHash, newHash);
      } finally {
        changes?.changed('account', name);
      }
    },
  };
}

function rememberOrganizations(organizations: Organizations, changes: Changes | undefined): Organizations {
  const byId = memoryOf<Organization>('organization', changes);
  const byCode = memoryOf<Organization>('code', changes);
  return {
    ...organizations,
    get: (id) => byId.get(id, () => organizations.get(id)),
    byBindingCode: (code) => byCode.get(code, () => organizations.byBindingCode(code)),
  };
}

function rememberBindings(
  bindings: Bindings,
  organizations: Organizations,
  changes: Changes | undefined,
): Bindings {
  const bySn = memoryOf<Binding>('binding', changes);

  async function getWithOrganizations(
    gateway: string,
    sns: readonly string[],
  ): Promise<Map<string, BindingWithOrganization>> {
    const read = new Map<string, BindingWithOrganization>();
    const load = async ([first = '', ...rest]: readonly string[]): Promise<Map<string, Binding>> => {
      const plain = new Map<string, Binding>();
      for (const [sn, binding] of await bindings.getWithOrganizations(first, rest)) {
        read.set(sn, binding);
        const { organization: _organization, ...record } = binding;
        plain.set(sn, record);
      }
      return plain;
    };
    const known = await bySn.getMany([gateway, ...sns], load, bySn.peek(gateway) !== undefined);
    const found = new Map<string, BindingWithOrganization>();
    for (const [sn, binding] of known) {
      const organization = read.get(sn)?.organization ?? (await organizationOf(binding.organizationId));
      found.set(sn, { ...binding, organization });
    }
    return found;
  }

  /** Only who asks for an organization must hear that it cannot be read. */
  async function organizationOf(id: string): Promise<BindingWithOrganization['organization']> {
    try {
      const organization = await organizations.get(id);
      return () => organization;
    } catch (error) {
      return () => {
        throw error;
      };
    }
  }

  return {
    ...bindings,
    get: (sn) => bySn.get(sn, () => bindings.get(sn)),
    getMany: (sns) => bySn.getMany(sns, (missing) => bindings.getMany(missing), false),
    getWithOrganizations,
    async bind(devices) {
      try {
        return await bindings.bind(devices);
      } finally {
        for (const { sn } of devices) changes?.changed('binding', sn);
      }
    },
  };
}

/** The same license, which is remembered as it was read. */
export function rememberLicense(license: LicenseStore, changes?: Changes): RememberedLicense {
  const memory = memoryOf<License>('setting', changes, Infinity);
  return {
    ...license,
    get: () => memory.get(LICENSE_KEY, () => license.get()),
    recall: (within) => memory.recall(LICENSE_KEY, () => within(license.get())),
  };
}
