import * as fc from 'fast-check';
import { histogramQuantile } from 'rxwal';
import { BucketCounter } from '../../src/metrics/histogram';
import { BOUNDS } from '../../src/metrics/bounds';

function histogramOf(bounds: readonly number[], values: readonly number[]) {
  const counter = new BucketCounter(bounds);
  for (const value of values) counter.record(value);
  return counter.snapshot();
}

describe('histogramQuantile', () => {
  it('is not a number where there is no value', () => {
    expect(histogramQuantile(histogramOf([1, 2], []), 0.5)).toBeNaN();
  });

  it('takes the values of a bucket to lie evenly in it', () => {
    // Four in (0, 10], four in (10, 20]: the first half ends at 10, three quarters at 15.
    const histogram = histogramOf([10, 20, 40], [1, 2, 3, 4, 11, 12, 13, 20]);
    expect([0, 0.25, 0.5, 0.75, 1].map((q) => histogramQuantile(histogram, q))).toEqual([0, 5, 10, 15, 20]);
  });

  it('never says more than the largest value, also above all bounds', () => {
    expect(histogramQuantile(histogramOf([10], [2, 2]), 1)).toBe(2);
    expect(histogramQuantile(histogramOf([1], [5, 5, 9]), 1)).toBe(9);
    expect(histogramQuantile(histogramOf([1], [5, 5, 9]), 0)).toBe(1);
  });

  it.each([-0.1, 1.1, NaN])('refuses a q of %p', (q) => {
    expect(() => histogramQuantile(histogramOf([1], [1]), q)).toThrow(
      new RangeError(`q must be from 0 to 1, not ${q}`),
    );
  });

  it('lies in the bucket of the value it stands for, and grows with q', () => {
    const values = fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1 });
    fc.assert(
      fc.property(values, fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1), (all, q) => {
        const sorted = all.toSorted((a, b) => a - b);
        const truth = sorted[Math.ceil(q * sorted.length) - 1]!;
        const estimate = histogramQuantile(histogramOf(BOUNDS.records, all), q);
        const high = BOUNDS.records.find((bound) => truth <= bound) ?? Infinity;
        const low = BOUNDS.records.filter((bound) => bound < truth).at(-1) ?? 0;
        expect(estimate).toBeGreaterThanOrEqual(low);
        expect(estimate).toBeLessThanOrEqual(Math.min(high, sorted.at(-1)!));
      }),
    );
  });
});
