/**
 * How far chaos and fuzz go: a taste of each in `npm test`, all of it in `npm run chaos` and `npm run fuzz`, which set
 * TEST_LONG.
 */
const isLong = process.env['TEST_LONG'] === 'true';

/** How often something is tried: in the long runs, and in `npm test`. */
export function times(long: number, short: number): number {
  return isLong ? long : short;
}

/** A test of the long runs alone; `npm test` shows it as pending. */
export const itLong: Mocha.TestFunction | Mocha.PendingTestFunction = isLong ? it : it.skip;
