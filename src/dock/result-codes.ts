/** DJI's result codes, and the answers that carry them. */
import { storeFault } from '../errors.js';
import type { Reason } from '../events.js';

/**
 * What a reply's `result` or a device's `err_code` says; anything but 0 is an error to a dock. DJI's error code page
 * has no 2102xx code at all: 210231 stands in the example of `airport_organization_bind`, the others have the meaning
 * of DJI's demo server (DJI-Cloud-API-Demo, CommonErrorEnum; 210001 is from its SDK).
 */
export const results = {
  ok: 0,
  /** The request's `data`, or this device of it, cannot be used. */
  invalidArgument: 200001,
  /** "SDK not registered": there is no license to hand out. */
  notRegistered: 210001,
  /** No organization for this device binding code and organization id. */
  organizationNotFound: 210230,
  /** The device could not be bound, or nobody knows whether it was. */
  bindFailed: 210231,
  /** The device belongs to another organization. */
  boundElsewhere: 210232,
  /** The bindings could not be read. */
  bindStatusFailed: 210233,
} as const;

/** One of {@link results}. */
export type Result = (typeof results)[keyof typeof results];

/** What a method answers: the reply's `data`, and what the event about it says. */
export interface Answer {
  data: object;
  result: Result;
  reason?: Reason | undefined;
  /** The mark of the license in it. */
  license?: string;
  /** For the log. */
  detail?: string;
}

/** Success in the usual form, `{result: 0, output}`. */
export function ok(output: object): Answer {
  return { data: { result: results.ok, output }, result: results.ok };
}

/** An error. Its `output` is an empty object, never absent: DJI requires both keys. */
export function fault(result: Result, reason: Reason, detail?: string): Answer {
  return { data: { result, output: {} }, result, reason, ...(detail === undefined ? {} : { detail }) };
}

/** The reason to report for something that was thrown. */
export function reasonFor(error: unknown): Reason {
  return storeFault(error) ?? 'internal_error';
}
