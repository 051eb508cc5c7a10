/** What guards the tables, as `stores/migrations/` makes it, and the SQL for a table that was made by hand or restored in part. */
import {
  CLIENT_IDS_OF_ACCOUNT as CLIENT_IDS,
  GATEWAYS_OF_ACCOUNT as GATEWAYS,
  inSchema,
  type TableName,
} from '../stores/table-names.js';

/** PostgreSQL's letter of a constraint (p primary key, c check, u unique, f foreign key), or a name. */
type Part = { constraint: 'c' | 'f' | 'p' | 'u' } | { generated: string } | { index: string };

/** One part of a table, and the SQL that makes it. */
export interface Guard {
  table: TableName;
  part: Part;
  make: string;
}

const ENVELOPE = `ADD CHECK (coalesce(jsonb_typeof(value::jsonb -> 'value') = 'object', false))`;
const SERIAL_NUMBERS = `ADD CONSTRAINT dockhook_accounts_check CHECK (
  value::jsonb #>> '{value,scope,kind}' IS DISTINCT FROM 'gateways' OR coalesce(jsonb_typeof(${GATEWAYS}) = 'array'
  AND NOT jsonb_path_exists(${GATEWAYS}, '$[*] ? (@.type() != "string" || !(@ like_regex "^[A-Za-z0-9]{1,64}$"))'), false))`;

/** Takes the place of a column of that name that holds what somebody wrote into it. */
const generated = (column: string, field: string): string =>
  `DROP COLUMN IF EXISTS ${column} CASCADE, ADD COLUMN ${column} text COLLATE "C" NOT NULL ` +
  `GENERATED ALWAYS AS (value::jsonb #>> '{value,${field}}') STORED`;

/** In the order in which they can be made: a column before what is on it. */
export function tableGuards(schema: string): readonly Guard[] {
  const alter = (table: TableName, part: Part, change: string): Guard => ({
    table,
    part,
    make: `ALTER TABLE ${inSchema(schema, table)} ${change}`,
  });
  const index = (table: TableName, name: string, on: string): Guard => ({
    table,
    part: { index: name },
    make: `CREATE INDEX ${name} ON ${inSchema(schema, table)} ${on}`,
  });
  const [key, check] = [{ constraint: 'p' }, { constraint: 'c' }] as const;
  const gin = 'jsonb_path_ops) WITH (fastupdate = off)';
  const organization = `${inSchema(schema, 'dockhook_organizations')} (key)`;
  return [
    alter('dockhook_accounts', key, 'ADD PRIMARY KEY (key)'),
    alter('dockhook_accounts', check, `${ENVELOPE}, ${SERIAL_NUMBERS}`),
    index('dockhook_accounts', 'dockhook_accounts_gateways', `USING gin (${GATEWAYS} ${gin}`),
    index(
      'dockhook_accounts',
      'dockhook_accounts_client_ids',
      `USING gin (${CLIENT_IDS} ${gin} WHERE ${CLIENT_IDS} IS NOT NULL`,
    ),
    alter('dockhook_organizations', key, 'ADD PRIMARY KEY (key)'),
    alter('dockhook_organizations', check, ENVELOPE),
    alter('dockhook_organizations', { generated: 'binding_code' }, generated('binding_code', 'bindingCode')),
    alter('dockhook_organizations', { constraint: 'u' }, 'ADD UNIQUE (binding_code)'),
    alter('dockhook_bindings', key, 'ADD PRIMARY KEY (key)'),
    alter('dockhook_bindings', check, ENVELOPE),
    alter(
      'dockhook_bindings',
      { generated: 'organization_id' },
      generated('organization_id', 'organizationId'),
    ),
    alter(
      'dockhook_bindings',
      { constraint: 'f' },
      `ADD FOREIGN KEY (organization_id) REFERENCES ${organization}`,
    ),
    alter('dockhook_settings', key, 'ADD PRIMARY KEY (key)'),
    alter('dockhook_settings', check, ENVELOPE),
    alter('dockhook_timeline', key, 'ADD PRIMARY KEY (id)'),
    index('dockhook_timeline', 'dockhook_timeline_gateway', '(gateway, id) WHERE own'),
  ];
}
