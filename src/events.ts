/**
 * What happens to a dock on its way in, as one flat record: it becomes a log line, a metric and an entry of the access
 * timeline. Types only. `access/` and `dock/` report it through a {@link Tell} function and do not know who listens.
 */

import type { Action } from './hooks.js';

/** Stable words: they stand in logs, metrics and the timeline. */
export type Step =
  /** An MQTT CONNECT was accepted or refused. The broker may still refuse one that dockhook accepted. */
  | 'authenticate'
  /**
   * A publish or subscribe was refused; or (`ok`) a gateway subscribed to the replies to its messages. What else is
   * allowed is not reported.
   */
  | 'authorize'
  /** The session is up: the broker said so, or its client asked for its first topic. */
  | 'connected'
  /** The session is gone. */
  | 'disconnected'
  /** A message on `thing/product/{sn}/requests` was replied to, passed on or dropped. */
  | 'request'
  /** One device of an `airport_organization_bind` request. */
  | 'bind'
  /**
   * A gateway told on its `status` topic what it is and which drone it has (`update_topo`). The message was passed on
   * untouched, or answered for a backend.
   */
  | 'status'
  /** A node of the broker started, so all its earlier sessions had ended. EMQX does not report their ends. */
  | 'booted';

/** Stable words, as those of {@link Step}. */
export type Outcome =
  /** It was done or answered as asked. */
  | 'ok'
  /** A connect, publish or subscribe was refused. */
  | 'refused'
  /** A message went on untouched. */
  | 'passed'
  /** A message reached nobody. */
  | 'dropped'
  /** A request was answered with an error, or could not be read. */
  | 'faulty';

/** Stable words for why something was not simply `ok`. */
export type Reason =
  /** The client names no account. */
  | 'no_username'
  /** The client speaks MQTT 5, and the broker of `dockhook dev` speaks MQTT 3.1.1 only. */
  | 'unsupported_protocol'
  /** The account name or client id has `+`, `#`, `/` or a control character, or is too long; or the client id has `|`. */
  | 'unsafe_name'
  /** There is no such account. */
  | 'unknown_account'
  /** An operator has disabled the account. */
  | 'disabled'
  /** The account has expired. */
  | 'expired'
  /** The password is not that of the account. */
  | 'wrong_password'
  /** The password was not checked: too many slow checks for this account from this address. */
  | 'too_many_wrong_passwords'
  /** The account asks for a client certificate, and the client showed none or another one. */
  | 'wrong_certificate'
  /** The password check did not finish in time, or too many checks were waiting. */
  | 'overloaded'
  /** PostgreSQL did not answer in time. */
  | 'store_unavailable'
  /** PostgreSQL answered with an error. */
  | 'store_refused'
  /** A row in the database cannot be read. */
  | 'bad_row'
  /** A bug in dockhook. */
  | 'internal_error'
  /** The account may not use this topic, or may not act for this gateway. */
  | 'not_in_scope'
  /** The topic names a device by something that is no SN: `DOCK-SN-001`. An SN has letters and digits only. */
  | 'not_a_serial_number'
  /** The SN belongs to another account. */
  | 'foreign_gateway'
  /** The account has brought too many SNs that are bound nowhere. */
  | 'too_many_gateways'
  /** Another account keeps this client id for itself. */
  | 'kept_client_id'
  /** Two parts of the client id could be the SN of its dock. */
  | 'ambiguous_client_id'
  /** The drone is bound to an organization that is not its gateway's. */
  | 'foreign_organization'
  /** The topic carries commands to a drone, and the drone is not bound yet. */
  | 'drone_not_bound'
  /** The message is longer than 16 KiB. */
  | 'too_large'
  /** The message is not a JSON object. */
  | 'not_json'
  /** The message names no method. */
  | 'no_method'
  /** dockhook does not answer this method: the message goes on to your backend. */
  | 'method_not_ours'
  /** The `data` of the request does not have the form that the method asks for. */
  | 'invalid_data'
  /** No license is stored: `dockhook license set`. */
  | 'license_not_set'
  /** No device binding code was typed into DJI Pilot 2. */
  | 'no_binding_code'
  /** No organization has this device binding code. */
  | 'wrong_binding_code'
  /** What was typed as device binding code is the id of an organization. */
  | 'organization_id_as_code'
  /** Device binding code and organization id are right, but one was typed with a space before or after it. */
  | 'typed_with_spaces'
  /** The device binding code belongs to another organization id. */
  | 'wrong_organization_id'
  /** Too many wrong device binding codes from this gateway or account. */
  | 'too_many_wrong_codes'
  /** Too many different devices from this gateway or account. */
  | 'too_many_binds'
  /** The device is a dock itself, and only that dock may bind it. */
  | 'another_gateway'
  /** The device is bound to another organization. */
  | 'bound_elsewhere';

/** Never holds a password, key, license or device binding code. */
export interface AccessEvent {
  step: Step;
  outcome: Outcome;
  clientId: string;
  account: string;
  reason?: Reason | undefined;
  /**
   * The gateway SN that the topic names; for a connect, the one that account and client id name, if there is exactly
   * one.
   */
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
  /** The broker's id of the message: EMQX 5.9.0–5.10.4 may ask twice about one message. */
  messageId?: string;
  /** A dock repeats a request under its tid when it got no reply. */
  tid?: string;
  /** The dock's clock minus ours, in milliseconds. The time that the message takes makes it smaller. */
  clockSkewMs?: number;
  /** SN of the drone that a dock says it has, `''` for none. */
  drone?: string;
  /** What kind of gateway it says it is: `domain-type-sub_type`, such as `3-3-0` for a Dock 3. */
  modelKey?: string;
  /** Which license a dock got: a mark of it (`license-mark.ts`), from which nobody can tell the license. */
  license?: string;
  /** Name and version of the broker, as it says: `EMQX Enterprise 5.10.4`. */
  broker?: string;
  /** So many came from that network lately that this one need not be logged. */
  repeated?: boolean;
  /** A broker's own words, a driver's message: for the log, not for decisions. */
  detail?: string;
}

/** Hooks call it before they answer, so it must be quick and must not throw. */
export type Tell = (event: AccessEvent) => void;
