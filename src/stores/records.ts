/**
 * What dockhook keeps, as JSON schemas and the types that follow from them.
 * A record is checked on the way in and on the way out; the key (account name, SN, organization id)
 * is the row's key and not part of the value. Unknown properties make a row bad: a misspelt
 * `expiresAt` must not mean "never".
 */
import type { FromSchema } from 'json-schema-to-ts';
import { PASSWORD_HASH_PATTERN } from '../password-hashes/index.js';
import { RFC3339_PATTERN } from '../dates.js';
import { SERIAL_NUMBER_PATTERN } from '../serial-number.js';

const serialNumber = { type: 'string', pattern: SERIAL_NUMBER_PATTERN } as const;
/** RFC 3339; `codec.ts` adds that it is a moment that exists, for month 13 would compare as "never". */
const instant = {
  type: 'string',
  format: 'instant',
  pattern: RFC3339_PATTERN,
} as const;
/** What Postgres can keep inside JSON: no NUL, no lone surrogate. */
const text = { type: 'string', pattern: '^[^\\0\\p{Surrogate}]*$' } as const;
const filters = { type: 'array', items: { ...text, minLength: 1, maxLength: 1024 } } as const;

/** No `|`: what has it is the id that a broker makes of account and client id, see `client-id.ts`. */
const clientIds = {
  type: 'array',
  items: { type: 'string', pattern: '^[^\\0\\p{Surrogate}|]*$', minLength: 1, maxLength: 255 },
} as const;

/** An account name, serial number or organization id: a row's key, byte for byte. */
export const keySchema = { ...text, minLength: 1, maxLength: 255 } as const;

/** What an account may act for; see `access/`. */
const scopeSchema = {
  type: 'object',
  discriminator: { propertyName: 'kind' },
  oneOf: [
    {
      type: 'object',
      required: ['kind', 'gateways'],
      additionalProperties: false,
      properties: {
        kind: { const: 'gateways' },
        gateways: { type: 'array', minItems: 1, items: serialNumber },
      },
    },
    {
      type: 'object',
      required: ['kind'],
      additionalProperties: false,
      properties: { kind: { enum: ['client-id', 'any-gateway'] } },
    },
    {
      type: 'object',
      required: ['kind', 'publish', 'subscribe'],
      additionalProperties: false,
      properties: {
        kind: { const: 'service' },
        publish: filters,
        subscribe: filters,
        /** MQTT client ids that no other account may come under. */
        clientIds,
      },
    },
  ],
} as const;

/** Without `expiresAt` an account never expires. The name is the row's key. */
export const accountSchema = {
  type: 'object',
  required: ['passwordHash', 'scope'],
  additionalProperties: false,
  properties: {
    passwordHash: { type: 'string', pattern: PASSWORD_HASH_PATTERN, maxLength: 512 },
    scope: scopeSchema,
    /** Where its gateways belong that are bound nowhere, such as remote controllers. */
    organizationId: keySchema,
    disabled: { type: 'boolean' },
    /** If set, the client certificate's common name must equal it. */
    certificateCn: { ...text, minLength: 1, maxLength: 256 },
    expiresAt: instant,
    note: { ...text, maxLength: 1024 },
    createdAt: instant,
  },
} as const;

/** The id is the row's key. */
export const organizationSchema = {
  type: 'object',
  required: ['name', 'bindingCode'],
  additionalProperties: false,
  properties: {
    name: { ...text, minLength: 1, maxLength: 256 },
    /** What the person at DJI Pilot 2 types; unique among organizations. */
    bindingCode: { ...text, minLength: 1, maxLength: 64 },
  },
} as const;

/** The SN of the device is the row's key. */
export const bindingSchema = {
  type: 'object',
  required: ['organizationId', 'callsign', 'modelKey', 'gateway', 'boundAt'],
  additionalProperties: false,
  properties: {
    organizationId: keySchema,
    callsign: { ...text, maxLength: 256 },
    /** `domain-type-sub_type`, `3-3-0` for a Dock 3; unknown ones are kept as sent. */
    modelKey: { ...text, maxLength: 64 },
    /** The gateway SN whose session last bound the device. */
    gateway: serialNumber,
    /** The account of that session; absent from rows of before it was recorded. */
    account: keySchema,
    /** When the device was last bound. */
    boundAt: instant,
  },
} as const;

/** What DJI issues for an app. `appKey` and `appLicense` are secrets. */
export const licenseSchema = {
  type: 'object',
  required: ['appId', 'appKey', 'appLicense'],
  additionalProperties: false,
  properties: {
    appId: { ...text, minLength: 1, maxLength: 64 },
    appKey: { ...text, minLength: 1, maxLength: 1024 },
    appLicense: { ...text, minLength: 1, maxLength: 16384 },
    ntpHost: { ...text, minLength: 1, maxLength: 255 },
    ntpPort: { type: 'integer', minimum: 1, maximum: 65535 },
  },
} as const;

/** What an account may act for; `kind` says which fields there are. */
export type Scope = FromSchema<typeof scopeSchema>;
export type Account = { name: string } & FromSchema<typeof accountSchema>;
export type Organization = { id: string } & FromSchema<typeof organizationSchema>;
export type Binding = { sn: string } & FromSchema<typeof bindingSchema>;
export type License = FromSchema<typeof licenseSchema>;
