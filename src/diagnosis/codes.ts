/** The codes of all findings about docks: stable words for scripts, and a list that tests walk through. */

export const DOCK_FINDING_CODES = [
  // Whether it comes at all.
  'never_seen',
  'only_let_in',
  'offline',
  'mended',
  'banned_by_emqx',
  'client_id_twice',
  'reconnects',
  // A connect that was refused: mostly the reason in the log.
  'refused',
  'no_username',
  'unsafe_name',
  'unknown_account',
  'disabled',
  'expired',
  'wrong_password',
  'too_many_wrong_passwords',
  'wrong_certificate',
  'overloaded',
  'foreign_gateway',
  'ambiguous_client_id',
  'kept_client_id',
  'unsupported_protocol',
  'too_many_gateways',
  'another_refused',
  'second_session_refused',
  // Faults of dockhook and its database, at any step.
  'store_unavailable',
  'store_refused',
  'bad_row',
  'internal_error',
  // Topics that were refused.
  'sn_not_in_account',
  'not_a_serial_number',
  'replies_refused',
  'topic_refused',
  'foreign_topic',
  'account_shared',
  'named_by_another',
  'drone_topic_refused',
  'drone_of_another',
  // Requests and their replies.
  'no_request',
  'replies_lost',
  'malformed_request',
  'method_unanswered',
  'status_unanswered',
  'license_not_set',
  'license_refused',
  // Organizations and bindings.
  'not_bound',
  'no_binding_code',
  'wrong_binding_code',
  'organization_id_as_code',
  'typed_with_spaces',
  'wrong_organization_id',
  'too_many_wrong_codes',
  'too_many_binds',
  'another_gateway',
  'bound_elsewhere',
  'invalid_data',
  'clock_skew',
] as const;

export type DockFindingCode = (typeof DOCK_FINDING_CODES)[number];

const codes: ReadonlySet<string> = new Set(DOCK_FINDING_CODES);

/** The code of a finding that is about a refusal or fault for this reason. */
export function codeFor(reason: string | undefined): DockFindingCode {
  return reason !== undefined && codes.has(reason) ? (reason as DockFindingCode) : 'refused';
}
