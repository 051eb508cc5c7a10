/** The columns of accounts as CSV. The help of `account import` shows them, and needs nothing else. */

/** Every column, in the order of an export, and what it means. Only `name` must be there. */
export const COLUMNS = {
  name: 'MQTT username',
  scope: 'gateways (the default), client-id, any-gateway or service',
  gateways: 'SNs it acts as, separated by spaces',
  publish: 'for a service: topic filters, separated by spaces, or as a JSON array (default: #)',
  subscribe: 'as publish',
  client_ids: 'for a service: MQTT client ids that are kept for it, written as publish',
  password: 'chosen password, byte for byte; empty: dockhook makes one',
  password_hash: 'instead of a password: a hash from account export, account hash or EMQX, or a bcrypt hash',
  salt: 'the salt, for a hash from EMQX',
  organization:
    'id of the organization of its remote controllers, and of other gateways that are bound nowhere',
  certificate_cn: 'common name of the TLS client certificate that is also required',
  expires: '12h, 90d, or a date',
  disabled: 'yes or no (the default)',
  note: 'for other operators',
  created: 'a date (default: now)',
} as const;

/** A name in the header line. */
export type Column = keyof typeof COLUMNS;
