/** The one error type of dockhook. Imports nothing of ours. */

export type ErrorCode =
  /** A setting, flag or argument cannot be used. */
  | 'usage'
  /** No such account, organization, binding, … */
  | 'not_found'
  /** It exists already, or something else depends on it. */
  | 'conflict'
  /** Postgres did not answer, or not in time. The outcome of a write is unknown. */
  | 'store_unavailable'
  /** Postgres answered, with an error: a right is missing, it is read-only, its disk is full, … Nothing was changed. */
  | 'store_refused'
  /** A row is not what its schema says. The message names its table and key. */
  | 'bad_row'
  /** Another process holds the data directory. */
  | 'locked'
  /** Anything else that stops a command. */
  | 'failed';

/**
 * An error for people: what happened, with which account, SN or file, and what to do next.
 *
 * `message` is public: it may be printed and logged, and never holds a secret. `cause` is for a debugger.
 */
export class DockhookError extends Error {
  override name = 'DockhookError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Whether an error is a {@link DockhookError} with this code. */
export function hasCode<C extends ErrorCode>(error: unknown, code: C): error is DockhookError & { code: C } {
  return error instanceof DockhookError && error.code === code;
}

/** Whether the store is at fault: it did not answer, refused, or answered with a row that cannot be used. */
export function storeFault(error: unknown): StoreFault | undefined {
  const faults = ['store_unavailable', 'store_refused', 'bad_row'] as const;
  return faults.find((code) => hasCode(error, code));
}

/** The codes with which any store may reject, whatever it was asked. */
export type StoreFault = 'store_unavailable' | 'store_refused' | 'bad_row';

/** For the log: of an error of ours its text, of any other, which is a mistake in dockhook, the stack. */
export function traceOf(error: unknown): string {
  if (error instanceof DockhookError || !(error instanceof Error)) return messageOf(error);
  return error.stack ?? error.message;
}

/** The text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
