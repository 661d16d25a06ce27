import type { Histogram } from './histogram';

/**
 * Estimates a quantile, as Prometheus' function of the same name does: the values of a bucket are taken to lie evenly in it. The last one is
 * taken to end at the largest value there was, and so is every bucket that holds it.
 *
 * @param q from 0 to 1: `0.99` for the 99th percentile.
 * @returns a value in the histogram's unit; `NaN` where it holds none.
 * @throws RangeError for a `q` outside of 0 to 1.
 */
export function histogramQuantile({ bounds, counts, count, max }: Histogram, q: number): number {
  if (!(q >= 0 && q <= 1)) throw new RangeError(`q must be from 0 to 1, not ${q}`);
  if (count === 0) return NaN;
  const rank = q * count;
  let below = 0;
  for (const [at, inBucket] of counts.entries()) {
    if (inBucket > 0 && below + inBucket >= rank) {
      const low = bounds[at - 1] ?? 0;
      const high = Math.min(bounds[at] ?? Infinity, max);
      return Math.min(high, low + Math.max(0, high - low) * ((rank - below) / inBucket));
    }
    below += inBucket;
  }
  return max;
}
