/**
 * What EMQX's REST API answers about bans, its license, and the modules that act before or beside dockhook. Bans,
 * rewrites, subscriptions, the retainer, rules and gateways were recorded from a live 5.8.9, the license from 6.2.0;
 * transformations and validations follow EMQX's source.
 */
import { Ajv } from 'ajv';
import type { FromSchema } from 'json-schema-to-ts';

const text = { type: 'string' } as const;
const limit = { type: ['number', 'string'] } as const;
const list = <const T>(items: T) => ({ type: 'array', items }) as const;
const page = <const T>(items: T) =>
  ({
    type: 'object',
    required: ['data'],
    properties: {
      data: { type: 'array', items },
      meta: { type: 'object', properties: { count: { type: 'number' }, hasnext: { type: 'boolean' } } },
    },
  }) as const;

const bans = page({
  type: 'object',
  required: ['as', 'who'],
  properties: { as: text, who: text, by: text, reason: text, until: text },
} as const);
const rewrites = list({
  type: 'object',
  required: ['source_topic'],
  properties: { action: text, source_topic: text, dest_topic: text },
} as const);
const subscriptions = list({ type: 'object', required: ['topic'], properties: { topic: text } } as const);
const retainer = { type: 'object', properties: { enable: { type: 'boolean' } } } as const;
const retained = page({ type: 'object', required: ['topic'], properties: { topic: text } } as const);
const transformations = list({
  type: 'object',
  required: ['name', 'topics'],
  properties: {
    name: text,
    enable: { type: 'boolean' },
    topics: { anyOf: [text, { type: 'array', items: text }] },
    operations: list({ type: 'object', properties: { key: text, value: text } } as const),
  },
} as const);
const rules = page({
  type: 'object',
  required: ['id'],
  properties: {
    id: text,
    enable: { type: 'boolean' },
    from: list(text),
    /** A text names an action that is defined elsewhere. */
    actions: list({
      anyOf: [
        text,
        {
          type: 'object',
          required: ['function'],
          properties: { function: text, args: { type: 'object', properties: { topic: text } } },
        },
      ],
    } as const),
  },
} as const);
const gateways = list({
  type: 'object',
  required: ['name', 'status'],
  properties: { name: text, status: text },
} as const);
const license = {
  type: 'object',
  properties: {
    /** Whether it has expired. */
    expiry: { type: 'boolean' },
    expiry_at: text,
    max_connections: limit,
    max_sessions: limit,
  },
} as const;
const load = list({
  type: 'object',
  required: ['node'],
  properties: { node: text, connections: { type: 'number' }, cluster_sessions: { type: 'number' } },
} as const);

/** A message transformation or schema validation; enabled unless `enable` is false. */
export type Transformation = FromSchema<typeof transformations>[number];

/** A rule of the rule engine; enabled unless `enable` is false. */
export type Rule = FromSchema<typeof rules>['data'][number];

const ajv = new Ajv({ allowUnionTypes: true });

/** As `answers` in `api-answers.ts`, for bans, the license, and modules that an EMQX may lack. */
export const moduleAnswers = {
  bans: ajv.compile<FromSchema<typeof bans>>(bans),
  rewrites: ajv.compile<FromSchema<typeof rewrites>>(rewrites),
  subscriptions: ajv.compile<FromSchema<typeof subscriptions>>(subscriptions),
  retainer: ajv.compile<FromSchema<typeof retainer>>(retainer),
  retained: ajv.compile<FromSchema<typeof retained>>(retained),
  transformations: ajv.compile<FromSchema<typeof transformations>>(transformations),
  rules: ajv.compile<FromSchema<typeof rules>>(rules),
  gateways: ajv.compile<FromSchema<typeof gateways>>(gateways),
  license: ajv.compile<FromSchema<typeof license>>(license),
  load: ajv.compile<FromSchema<typeof load>>(load),
};
