/**
 * What happens to a dock on its way in, as one flat record: it becomes a log line, a metric and an entry of the
 * access timeline.
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
  | 'bind'
  /** An `update_topo` was seen on `sys/product/{sn}/status`, and passed on untouched. */
  | 'status'
  /** A node of the broker started, and with it all its sessions ended: EMQX reports none of them. */
  | 'booted';

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
  | 'store_refused'
  | 'bad_row'
  | 'internal_error'
  | 'not_in_scope'
  | 'foreign_gateway'
  | 'too_many_gateways'
  | 'kept_client_id'
  | 'foreign_organization'
  | 'too_large'
  | 'not_json'
  | 'no_method'
  | 'method_not_ours'
  | 'invalid_data'
  | 'license_not_set'
  | 'wrong_binding_code'
  | 'wrong_organization_id'
  | 'too_many_wrong_codes'
  | 'too_many_binds'
  | 'another_gateway'
  | 'bound_elsewhere';

/** Never holds a password, key, license or device binding code. */
export interface AccessEvent {
  step: Step;
  outcome: Outcome;
  clientId: string;
  account: string;
  reason?: Reason | undefined;
  /** The gateway SN that the topic names; of a connect, the one that account and client id stand for, if it is one. */
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
  /** Tells two sessions with one client id apart; 0 before EMQX 5.4. */
  peerPort?: number;
  /** The broker node that holds the session. */
  node?: string;
  /** The broker's id of the message: EMQX 5.9.0–5.10.4 may ask twice about one. */
  messageId?: string;
  /** A dock repeats a request under its tid when it got no reply. */
  tid?: string;
  /** The dock's clock minus ours, in milliseconds; the message's time on its way makes it less. */
  clockSkewMs?: number;
  /** SN of the drone that a dock says it has, `''` for none. */
  drone?: string;
  /** So many came from there lately that this one need not be logged. */
  repeated?: boolean;
  /** A broker's own words, a driver's message: for the log, not for decisions. */
  detail?: string;
}

export type Tell = (event: AccessEvent) => void;
