/**
 * What happens to a dock on its way in, as one flat record: it becomes a log line and a metric.
 * Types only. `access/` and `dock/` tell of it through a {@link Tell} function and do not care who listens.
 */

import type { Action } from './hooks.js';

export type Step =
  /** An MQTT CONNECT was accepted or refused. */
  | 'authenticate'
  /** A publish or subscribe was refused (a granted one is not told). */
  | 'authorize'
  /** The session is up. */
  | 'connected'
  /** The session is gone. */
  | 'disconnected'
  /** A message on `thing/product/{sn}/requests` was replied to, passed on or dropped. */
  | 'request'
  /** One device of an `airport_organization_bind` request. */
  | 'bind';

export type Outcome = 'ok' | 'refused' | 'passed' | 'dropped' | 'faulty';

/** Stable words for why something was not simply `ok`. */
export type Reason =
  | 'no_username'
  | 'unsafe_name'
  | 'unknown_account'
  | 'disabled'
  | 'expired'
  | 'wrong_password'
  | 'too_many_wrong_passwords'
  | 'wrong_certificate'
  | 'overloaded'
  | 'store_unavailable'
  | 'bad_row'
  | 'internal_error'
  | 'not_in_scope'
  | 'foreign_gateway'
  | 'foreign_organization'
  | 'not_json'
  | 'no_method'
  | 'method_not_ours'
  | 'invalid_data'
  | 'license_not_set'
  | 'wrong_binding_code'
  | 'too_many_wrong_codes'
  | 'another_gateway'
  | 'bound_elsewhere';

/** Never holds a password, key, license or device binding code. */
export interface AccessEvent {
  step: Step;
  outcome: Outcome;
  clientId: string;
  account: string;
  reason?: Reason;
  /** The gateway SN named in the topic. */
  gateway?: string;
  /** The device a `bind` event is about. */
  sn?: string;
  organizationId?: string;
  method?: string;
  /** DJI's result code, as replied. */
  result?: number;
  action?: Action;
  topic?: string;
  peerHost?: string;
  /** So many came from there lately that this one need not be logged. */
  repeated?: boolean;
  /** A broker's own words, a driver's message: for the log, not for decisions. */
  detail?: string;
}

export type Tell = (event: AccessEvent) => void;
