/** Checks keys and records against their schemas, and turns records into row texts and back. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import { DockhookError } from '../errors.js';
import type { StoredRow } from './record-sql.js';
import { deserialize, serialize } from './keyv.js';
import {
  accountSchema,
  bindingSchema,
  keySchema,
  licenseSchema,
  organizationSchema,
  type Account,
  type Binding,
  type License,
  type Organization,
} from './records.js';
import type { RecordTable } from './table-names.js';

// Our schemas are held by its strict mode; to check them against the schema of schemas takes 40 ms of each start.
const ajv = new Ajv({ discriminator: true, validateSchema: false });
ajv.addFormat('instant', (text: string) => !Number.isNaN(Date.parse(text)));

/** A type of record: where it is kept, what people call it, and how key and value make it up. */
export interface RecordType<T, V = unknown> {
  table: RecordTable;
  noun: string;
  validate: ValidateFunction<V>;
  join(key: string, value: V): T;
  split(record: T): { key: string; value: unknown };
}

/** The key is the account's name. */
export const accountType: RecordType<Account, Omit<Account, 'name'>> = {
  table: 'dockhook_accounts',
  noun: 'account',
  validate: ajv.compile(accountSchema),
  join: (name, value) => ({ name, ...value }),
  split: ({ name: key, ...value }) => ({ key, value }),
};

/** The key is the organization's id. */
export const organizationType: RecordType<Organization, Omit<Organization, 'id'>> = {
  table: 'dockhook_organizations',
  noun: 'organization',
  validate: ajv.compile(organizationSchema),
  join: (id, value) => ({ id, ...value }),
  split: ({ id: key, ...value }) => ({ key, value }),
};

/** The key is the device's SN. */
export const bindingType: RecordType<Binding, Omit<Binding, 'sn'>> = {
  table: 'dockhook_bindings',
  noun: 'binding of device',
  validate: ajv.compile(bindingSchema),
  join: (sn, value) => ({ sn, ...value }),
  split: ({ sn: key, ...value }) => ({ key, value }),
};

/** There is one license; its row in the settings table has this key. */
export const LICENSE_KEY = 'license';

/** There is one row, with the key {@link LICENSE_KEY}. */
export const licenseType: RecordType<License, License> = {
  table: 'dockhook_settings',
  noun: 'setting',
  validate: ajv.compile(licenseSchema),
  join: (_key, value) => value,
  split: (value) => ({ key: LICENSE_KEY, value }),
};

/** Whether a row can have this key. If not, nothing is kept under it and Postgres need not be asked. */
export const isKey: (key: string) => boolean = ajv.compile(keySchema);

/** `account "dock-7"`: a record's name for error texts, never more than one short line. */
export function nameOf(type: Pick<RecordType<unknown>, 'noun'>, key: string): string {
  return `${type.noun} ${JSON.stringify(key.length > 64 ? `${key.slice(0, 64)}…` : key)}`;
}

/** A record's row. Throws `usage` and names the field if the record breaks its schema. */
export function encode<T, V>(type: RecordType<T, V>, record: T): StoredRow {
  const { key, value } = type.split(record);
  if (!isKey(key)) {
    throw new DockhookError(
      'usage',
      `${nameOf(type, key)} cannot be stored: its name must have 1 to 255 characters, none of them NUL`,
    );
  }
  // Judged as Postgres will hold it: JSON drops what is `undefined`.
  const text = serialize({ value });
  if (!type.validate(deserialize(text).value)) {
    throw new DockhookError(
      'usage',
      `${nameOf(type, key)} cannot be stored: ${faultOf(type.validate.errors)}`,
    );
  }
  return { key, text };
}

/** The record that a key and a value make. Throws `bad_row` if it breaks its schema. */
export function decode<T, V>(type: RecordType<T, V>, key: string, value: unknown): T {
  if (type.validate(value)) return type.join(key, value);
  throw new DockhookError(
    'bad_row',
    `the row of ${nameOf(type, key)} in table ${type.table} cannot be used: ` +
      `${faultOf(type.validate.errors)}. Mend or delete the row.`,
  );
}

/** The record in a row's text. Throws `bad_row`. */
export function decodeRow<T, V>(type: RecordType<T, V>, { key, text }: StoredRow): T {
  return decode(type, key, deserialize(text).value);
}

/** What is wrong, by field. Never shows a value: it may be a secret. */
function faultOf(errors: ErrorObject[] | null | undefined): string {
  const error = errors?.[0];
  if (error === undefined) return 'it breaks its schema';
  const field = error.instancePath.slice(1).replaceAll('/', '.');
  const place = field === '' ? 'it' : field;
  if (error.keyword === 'additionalProperties') {
    return `${place} has an unknown field ${JSON.stringify(error.params['additionalProperty'])}`;
  }
  if (error.keyword === 'format') return `${place} is not a date and time that exists`;
  return `${place} ${error.message ?? 'breaks its schema'}`;
}
