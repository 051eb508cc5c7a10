/** Stores for tests of what uses them: records in Maps, without PostgreSQL's rules. They know no outage and no bad row. */
import { DockhookError } from '../../src/errors.js';
import type {
  Account,
  Binding,
  License,
  Organization,
  Stores,
  TimelineEntry,
} from '../../src/stores/types.js';

/** Opens empty stores. */
export function openFakeStores(): Stores {
  const accounts = new Map<string, Account>();
  const organizations = new Map<string, Organization>();
  const bindings = new Map<string, Binding>();
  let license: License | undefined;
  const timeline: TimelineEntry[] = [];
  const own = (): TimelineEntry[] => timeline.filter((entry) => entry.own);
  const scopes = () => [...accounts.values()].map(({ scope }) => scope);
  return {
    accounts: {
      ...recordsIn(accounts, ({ name }) => name),
      async addTogether(work) {
        const added: Account[] = [];
        const ending = await work(async (many) => {
          added.push(...many);
          return new Map();
        });
        if (ending === 'commit') for (const account of added) accounts.set(account.name, account);
      },
      async replaceHash(name, oldHash, newHash) {
        const account = accounts.get(name);
        if (account?.passwordHash !== oldHash) return false;
        accounts.set(name, { ...account, passwordHash: newHash });
        return true;
      },
      listsGateway: async (sn) =>
        scopes().some((scope) => scope.kind === 'gateways' && scope.gateways.includes(sn)),
      keepsClientId: async (clientId) =>
        scopes().some((scope) => scope.kind === 'service' && scope.clientIds?.includes(clientId) === true),
    },
    organizations: {
      ...recordsIn(organizations, ({ id }) => id),
      byBindingCode: async (code) =>
        [...organizations.values()].find(({ bindingCode }) => bindingCode === code),
    },
    bindings: {
      ...recordsIn(bindings, ({ sn }) => sn),
      getMany: async (sns) => pick(sns, (sn) => bindings.get(sn)),
      get: async (sn) => bindings.get(sn),
      getWithOrganizations: async (gateway, sns) =>
        pick([gateway, ...sns], (sn) => {
          const binding = bindings.get(sn);
          return binding && { ...binding, organization: () => organizations.get(binding.organizationId) };
        }),
      bind: async (many) =>
        many.map((binding) => {
          const organizationId = bindings.get(binding.sn)?.organizationId ?? binding.organizationId;
          if (!organizations.has(binding.organizationId)) return 'no_such_organization';
          if (organizationId !== binding.organizationId) return 'bound_elsewhere';
          bindings.set(binding.sn, binding);
          return 'bound';
        }),
      async move(sn, to) {
        const binding = bindings.get(sn);
        if (binding === undefined) throw notFound(sn);
        const moved = { ...binding, organizationId: to.organizationId ?? binding.organizationId };
        bindings.set(sn, moved);
        return moved;
      },
    },
    license: {
      get: async () => license,
      async set(newLicense) {
        license = newLicense;
      },
      async clear() {
        license = undefined;
      },
    },
    timeline: {
      async append(entries) {
        timeline.push(...entries);
        return 0;
      },
      sweep: async () => undefined,
      trim: async () => undefined,
      gateways: async (after, limit) =>
        [...new Set(own().map(({ gateway = '' }) => gateway))]
          .sort()
          .filter((sn) => sn > after)
          .slice(0, limit),
      of: async (gateways, limit) =>
        gateways.flatMap((sn) =>
          own()
            .filter(({ gateway }) => gateway === sn)
            .slice(-limit),
        ),
      others: async () => ({ entries: timeline.filter((entry) => !entry.own).reverse() }),
      gatewayOfDrone: async (sn) => own().findLast(({ details }) => details.drone === sn)?.gateway,
    },
    servers: { beat: async () => undefined, heard: async () => ({ servers: [] }) },
    ping: async () => undefined,
    unsound: async () => [],
    close: async () => undefined,
  };
}

function recordsIn<T>(records: Map<string, T>, keyOf: (record: T) => string) {
  return {
    get: async (key: string) => records.get(key),
    list: async () => ({ records: [...records.values()], badRows: [] }),
    async add(record: T) {
      if (records.has(keyOf(record))) throw new DockhookError('conflict', `${keyOf(record)} exists already`);
      records.set(keyOf(record), record);
    },
    async update(key: string, edit: (record: T) => T) {
      const record = records.get(key);
      if (record === undefined) throw notFound(key);
      const edited = edit(record);
      records.set(key, edited);
      return edited;
    },
    async remove(key: string) {
      if (!records.delete(key)) throw notFound(key);
    },
  };
}

function pick<T>(keys: readonly string[], find: (key: string) => T | undefined): Map<string, T> {
  const found = new Map<string, T>();
  for (const key of keys) {
    const record = find(key);
    if (record !== undefined) found.set(key, record);
  }
  return found;
}

function notFound(key: string): DockhookError {
  return new DockhookError('not_found', `there is no ${key}`);
}
