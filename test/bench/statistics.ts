/** Rounds, medians and ratios: on a shared machine only what was measured side by side can be compared. */

/** What was measured in all rounds. */
export interface Spread {
  median: number;
  least: number;
  most: number;
}

/** How one side compares with another in all rounds; `ratio` is the median. */
export interface Ratio {
  ratio: number;
  least: number;
  most: number;
}

/**
 * Measures the sides in turn, `rounds` times: A B, B A, A B, … so that whatever else the machine does, and
 * whatever grows with time, meets both alike.
 */
export async function interleave<Side extends string, T>(
  sides: readonly Side[],
  rounds: number,
  measure: (side: Side) => Promise<T>,
): Promise<Record<Side, T[]>> {
  const measured = Object.fromEntries(sides.map((side) => [side, [] as T[]])) as Record<Side, T[]>;
  for (let round = 0; round < rounds; round += 1) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      measured[side].push(await measure(side));
    }
  }
  return measured;
}

/** The ratio of each round's two values, which were measured one right after the other. */
export function ratioOf(values: readonly number[], floors: readonly number[]): Ratio {
  const { median: ratio, ...rest } = spreadOf(values.map((value, round) => value / floors[round]!));
  return { ratio, ...rest };
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The smallest value that is not below this share of all. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
