/** The stores without Postgres, for tests: Keyv on Maps, gone with the process. */
import type { Backend, Rows, StoredRow } from '../../src/stores/backend.js';
import { deserialize, openKeyv } from '../../src/stores/keyv.js';
import type {
  Account,
  Binding,
  Organization,
  Stores,
  Timeline,
  TimelineEntry,
} from '../../src/stores/types.js';
import { storesOn } from '../../src/stores/stores.js';
import { FOREIGN_KEY_VIOLATION, UNIQUE_VIOLATION } from '../../src/stores/database.js';
import type { RecordTable } from '../../src/stores/tables.js';

/** Opens empty stores with the semantics of {@link openStores}. */
export function openMemoryStores(): Stores {
  return storesOn(openMemoryBackend());
}

type Table = Map<string, string>;

/** What Postgres forbids by its constraints: throws if a change must not be made. */
interface Guard {
  change?(key: string, text: string): void;
  removal?(key: string): void;
}

function openMemoryBackend(): Backend {
  const accounts: Table = new Map();
  const organizations: Table = new Map();
  const bindings: Table = new Map();
  const tables: Record<RecordTable, Rows> = {
    dockhook_accounts: openRows(accounts),
    dockhook_organizations: openRows(organizations, {
      change(id, text) {
        const holder = withCode(valueOf(text).bindingCode);
        if (holder !== undefined && holder.key !== id) throw violation(UNIQUE_VIOLATION);
      },
      removal(id) {
        if (boundTo(id) > 0) throw violation(FOREIGN_KEY_VIOLATION);
      },
    }),
    dockhook_bindings: openRows(bindings, {
      change(_sn, text) {
        if (!organizations.has(valueOf(text).organizationId ?? '')) throw violation(FOREIGN_KEY_VIOLATION);
      },
    }),
    dockhook_settings: openRows(new Map()),
  };
  const withCode = (code: string | undefined): StoredRow | undefined =>
    rowsOf(organizations).find(({ text }) => valueOf(text).bindingCode === code);
  const boundTo = (id: string): number =>
    rowsOf(bindings).filter(({ text }) => valueOf(text).organizationId === id).length;

  return {
    rows: (table) => tables[table],
    async transaction(work) {
      const before = [...accounts];
      const rollBack = (): void => {
        accounts.clear();
        for (const [key, text] of before) accounts.set(key, text);
      };
      try {
        const ending = await work(async (table, rows) => {
          const taken = new Map<string, 'taken'>();
          for (const row of rows) if (!(await tables[table].insert(row))) taken.set(row.key, 'taken');
          return taken;
        });
        if (ending === 'rollback') rollBack();
      } catch (error) {
        rollBack();
        throw error;
      }
    },
    timeline: openTimeline(),
    async organizationsByCode(codes) {
      const rows = new Map<string, StoredRow>();
      for (const code of codes) {
        const row = withCode(code);
        if (row !== undefined) rows.set(code, row);
      }
      return rows;
    },
    listsGateway: async (sn) =>
      rowsOf(accounts).some(({ text }) => {
        const { scope } = valueOf(text);
        return scope?.kind === 'gateways' && scope.gateways.includes(sn);
      }),
    keepsClientId: async (clientId) =>
      rowsOf(accounts).some(({ text }) => {
        const { scope } = valueOf(text);
        return scope?.kind === 'service' && scope.clientIds?.includes(clientId) === true;
      }),
    async bindingsWithOrganizations(sns) {
      const rows = rowsOf(bindings).filter(({ key }) => sns.includes(key));
      return new Map(
        rows.map((row) => {
          const id = valueOf(row.text).organizationId;
          return [row.key, { ...row, organization: rowsOf(organizations).find(({ key }) => key === id) }];
        }),
      );
    },
    countBindings: async (id) => boundTo(id),
    async bind(row) {
      const rows = tables.dockhook_bindings;
      const old = bindings.get(row.key);
      if (old === undefined) return rows.insert(row);
      const [was, becomes] = [valueOf(old), valueOf(row.text)];
      const isSame = was.organizationId === becomes.organizationId;
      const staysDevice = becomes.gateway !== row.key || was.gateway === row.key;
      return isSame && staysDevice && rows.replace(row.key, old, row.text);
    },
    ping: async () => undefined,
    unsound: async () => [],
    close: async () => undefined,
  };
}

/** What was told, in order; swept by nobody. */
function openTimeline(): Timeline {
  const entries: TimelineEntry[] = [];
  const own = (): TimelineEntry[] => entries.filter((entry) => entry.own);
  return {
    append: async (more) => {
      entries.push(...more);
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
    others: async () => ({ entries: entries.filter((entry) => !entry.own).reverse() }),
    gatewayOfDrone: async (sn) => own().findLast(({ details }) => details.drone === sn)?.gateway,
  };
}

/** No step waits between its look and its change, so each is atomic. */
function openRows(table: Table, guard: Guard = {}): Rows {
  return {
    keyv: openKeyv(table),
    text: async (key) => table.get(key),
    async page(after, limit) {
      const later = rowsOf(table).filter(({ key }) => compareBytes(key, after) > 0);
      return later.sort((a, b) => compareBytes(a.key, b.key)).slice(0, limit);
    },
    async insert({ key, text }) {
      if (table.has(key)) return false;
      guard.change?.(key, text);
      table.set(key, text);
      return true;
    },
    async replace(key, oldText, text) {
      if (table.get(key) !== oldText) return false;
      guard.change?.(key, text);
      table.set(key, text);
      return true;
    },
    async remove(key) {
      if (!table.has(key)) return false;
      guard.removal?.(key);
      return table.delete(key);
    },
  };
}

function rowsOf(table: Table): StoredRow[] {
  return [...table].map(([key, text]) => ({ key, text }));
}

/** Only records that passed their schema get into a Map. */
function valueOf(text: string): Partial<Account & Organization & Binding> {
  return deserialize(text).value as Partial<Account & Organization & Binding>;
}

function violation(sqlState: string): Error {
  return Object.assign(new Error('constraint violated'), { code: sqlState });
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
