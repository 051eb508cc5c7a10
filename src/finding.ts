/** What `dockhook doctor` and `dockhook dock show` find wrong. Types only. */

export interface Finding {
  /** `ok` is said too: an operator wants to see what was looked at. `error` makes doctor exit with 1. */
  level: 'ok' | 'warning' | 'error';
  /** Stable, for scripts: `emqx_no_match_allow`. */
  code: string;
  /** What was found, in one line. */
  what: string;
  /** Why it matters; absent when all is well. */
  why?: string;
  /** The line that mends it: a command, a configuration line, or what to click. */
  mend?: string;
}
