/** What one method of `thing/product/{sn}/requests` is made of. */
import { Ajv } from 'ajv';
import type { Within } from '../time-limits.js';
import type { AccessEvent } from '../events.js';
import type { Bindings, Organization, RememberedLicense } from '../stores/types.js';
import type { NoOrganization } from './organization.js';
import { fault, results, type Answer, type Result } from './result-codes.js';

/** One request, as a method sees it: who asks, and what it may use to answer. */
export interface Call {
  /** The SN in the topic. */
  gateway: string;
  /** The account of the session that asks. */
  account: string;
  /** Every wait for a store goes through it. */
  within: Within;
  bindings: Bindings;
  license: RememberedLicense;
  /** The organization that a code, and an id unless `''`, stand for; counts wrong ones. */
  openOrganization(code: string, id: string): Promise<Organization | NoOrganization | 'too_many_wrong_codes'>;
  /** Whether this gateway may bind this device, or has bound too many lately. */
  mayBind(sn: string): boolean;
  /** Whether an account lists this SN as a gateway. */
  isListed(sn: string): Promise<boolean>;
  /** Reports the result for one device of a `bind`. */
  tellBind(
    event: Pick<AccessEvent, 'outcome' | 'reason' | 'sn' | 'organizationId' | 'result' | 'detail'>,
  ): void;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** A method, as its file defines it. */
export interface Method {
  name: string;
  /** JSON schema of the request's `data`. Other data is answered with 200001. Devices in a list are judged one by one, see `devices.ts`. */
  data: object;
  /** Replied if `handle` rejects. */
  fault: Result;
  /** @param data fits the schema: an implementation may give it the type that follows from it */
  handle(data: unknown, call: Call): Promise<Answer>;
}

// As in `stores/`: strict mode checks our schemas, and the meta-schema takes long to compile.
const ajv = new Ajv({ validateSchema: false });

/** Makes the function that answers a request for this method; it rejects only if `handle` does. */
export function compile(method: Method): (data: unknown, call: Call) => Promise<Answer> {
  const misfit = misfitBy(method.data);
  return async (data, call) => {
    const detail = misfit(data, 'data');
    return detail === undefined ? method.handle(data, call) : unusable(detail);
  };
}

/**
 * Makes the function that says why something does not fit a schema, and where; it returns undefined if it fits. It names
 * path and rule only: the value may be a device binding code.
 */
export function misfitBy(schema: object): (value: unknown, place: string) => string | undefined {
  const fits = ajv.compile(schema);
  return (value, place) => {
    if (fits(value)) return undefined;
    const [error] = fits.errors ?? [];
    return `${place}${error?.instancePath ?? ''} ${error?.message ?? 'cannot be used'}`;
  };
}

/** The answer to data of which nothing can be used. */
export function unusable(detail: string): Answer {
  return fault(results.invalidArgument, 'invalid_data', detail);
}
