/** What `dockhook doctor` and `dockhook dock show` say: what is wrong, why that matters, and how to fix it. */

export interface Finding {
  /**
   * `ok`: was checked and is fine. `warning`: good to know. `error`: for doctor, it exits with 1; for a dock, this keeps
   * it from being online and bound.
   */
  level: 'ok' | 'warning' | 'error';
  /** Stable, for scripts: `emqx_no_match_allow`. */
  code: string;
  /** What was found, in a sentence or two. */
  what: string;
  /** Why it matters; absent if all is well, or if `what` says it. */
  why?: string;
  /** How to fix it: steps, each a command, a configuration line, or what to click. Absent if all is well. */
  fix?: readonly string[];
}

/** What a check found: nothing, one thing, or several. */
export type Found = Finding | readonly Finding[] | undefined;

/** All that checks found, in one list. */
export function allOf(...found: readonly Found[]): Finding[] {
  return found.flatMap((one) => one ?? []);
}

/** A finding in one line, for logs and errors. */
export function findingText({ what, why, fix = [] }: Omit<Finding, 'level' | 'code'>): string {
  return [why === undefined ? what : `${what}: ${why}`, ...fix].join('; ');
}
