/** SIGINT and SIGTERM, for commands that stay up. */

/** How long a start or stop may take after the signal, in milliseconds; then it is cut short. */
const STOP_LIMIT_MS = 10_000;

/**
 * Resolves to the first SIGINT or SIGTERM from now on. Call it before anything is opened, so that a signal during the
 * start is kept and not fatal. A second signal, or a stop that hangs, ends the process.
 */
export function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const giveUp = (): void => process.exit(1);
    let seen = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (seen) giveUp();
      seen = true;
      setTimeout(giveUp, STOP_LIMIT_MS).unref();
      resolve(signal);
    };
    process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  });
}
