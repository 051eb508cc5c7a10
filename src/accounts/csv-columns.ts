/** The columns of accounts as CSV. The help of `account import` shows them, and needs nothing else. */

/** Every column, in the order of an export, and what it means. Only `name` must be there. */
export const COLUMNS = {
  name: 'MQTT username',
  scope: 'gateways (the default), client-id, any-gateway or service',
  gateways: 'SNs it acts as, with spaces between them',
  publish: 'of a service: topic filters, with spaces between them or as a JSON array (default: #)',
  subscribe: 'as publish',
  client_ids: 'of a service: MQTT client ids that are kept for it, as publish',
  password: 'chosen password, byte for byte; empty: one is made',
  password_hash: 'instead of a password: a hash of account export or account hash, or bcrypt, or one of EMQX',
  salt: 'of a hash of EMQX',
  certificate_cn: 'common name of the TLS client certificate that is demanded, too',
  expires: '12h, 90d, or a date',
  disabled: 'yes or no (the default)',
  note: 'for other operators',
  created: 'a date (default: now)',
} as const;

/** A name in the header line. */
export type Column = keyof typeof COLUMNS;
