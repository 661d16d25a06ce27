/** Medians, and how far they can be trusted: order statistics, which take no shape of the noise for granted. */
import { median, max, min } from 'simple-statistics';

/** The median of some rounds, and an interval that holds the true one. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  /** Probability that the interval holds the median of all rounds that could be run, where rounds are independent. */
  readonly coverage: number;
  readonly rounds: number;
}

const WANTED_COVERAGE = 0.9;

/**
 * The interval goes from the k-th smallest to the k-th largest value; it misses the true median only where fewer than k of the rounds fall
 * on one side of it, as when a coin is thrown. The narrowest with a coverage of 90 % is taken; of fewer than five rounds, all
 * from the least to the most, whatever that covers.
 */
export function estimate(values: readonly number[]): Estimate | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  let skip = 0;
  while (coverage(sorted.length, skip + 1) >= WANTED_COVERAGE) skip += 1;
  return {
    median: median(sorted),
    low: sorted[skip] as number,
    high: sorted[sorted.length - 1 - skip] as number,
    coverage: coverage(sorted.length, skip),
    rounds: sorted.length,
  };
}

/** Of the interval that leaves out `skip` values at each end of `rounds`. */
function coverage(rounds: number, skip: number): number {
  if (2 * skip >= rounds) return 0;
  let missed = 0;
  for (let k = 0, ways = 1; k <= skip; k += 1) {
    missed += ways;
    ways = (ways * (rounds - k)) / (k + 1);
  }
  return 1 - (2 * missed) / 2 ** rounds;
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values];
  return { median: median(sorted), min: min(sorted), max: max(sorted) };
}
