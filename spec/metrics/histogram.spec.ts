import * as fc from 'fast-check';
import { BOUNDS } from '../../src/metrics/bounds';
import { BucketCounter } from '../../src/metrics/histogram';

function histogramOf(bounds: readonly number[], values: readonly number[]) {
  const counter = new BucketCounter(bounds);
  for (const value of values) counter.record(value);
  return counter.snapshot();
}

describe('BucketCounter', () => {
  it('begins with nothing', () => {
    expect(histogramOf([1, 10], [])).toEqual({ bounds: [1, 10], counts: [0, 0, 0], count: 0, sum: 0, max: 0 });
  });

  it('counts a value in the first bucket whose bound is not below it, and above all bounds in the last', () => {
    const { counts, count, sum, max } = histogramOf([1, 10, 100], [0, 1, 1.5, 10, 100, 100.5, 1000]);
    expect(counts).toEqual([2, 2, 1, 2]);
    expect(count).toBe(7);
    expect(sum).toBe(1213);
    expect(max).toBe(1000);
  });

  it('gives a copy: what is recorded later does not show in it', () => {
    const counter = new BucketCounter([1]);
    const before = counter.snapshot();
    counter.record(5);
    expect(before).toEqual({ bounds: [1], counts: [0, 0], count: 0, sum: 0, max: 0 });
  });

  it('counts as a search from the start does, whatever the bounds and the values', () => {
    const bounds = fc
      .uniqueArray(fc.integer({ min: -50, max: 50 }), { maxLength: 12 })
      .map((all) => all.sort((a, b) => a - b));
    fc.assert(
      fc.property(bounds, fc.array(fc.integer({ min: 0, max: 60 })), (sorted, values) => {
        const expected = new Array<number>(sorted.length + 1).fill(0);
        for (const value of values) {
          const at = sorted.findIndex((bound) => value <= bound);
          expected[at < 0 ? sorted.length : at]! += 1;
        }
        const { counts, count, max } = histogramOf(sorted, values);
        expect(counts).toEqual(expected);
        expect(count).toBe(values.length);
        expect(max).toBe(Math.max(0, ...values));
      }),
    );
  });
});

describe('BOUNDS', () => {
  it.each(Object.entries(BOUNDS))('%s ascend', (_, bounds) => {
    expect([...bounds]).toEqual([...new Set(bounds)].sort((a, b) => a - b));
  });

  it('are decimals that can be read, from 10 microseconds to 10 seconds', () => {
    expect(BOUNDS.milliseconds.slice(0, 8)).toEqual([0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15]);
    expect(BOUNDS.milliseconds.at(-1)).toBe(10_000);
    expect(BOUNDS.seconds.map(String).slice(0, 5)).toEqual(['0.00001', '0.00002', '0.00005', '0.0001', '0.0002']);
    expect(BOUNDS.seconds.at(-1)).toBe(10);
  });

  it('count records from 1, and bytes from the smallest batch there is', () => {
    expect([BOUNDS.records[0], BOUNDS.records.at(-1)]).toEqual([1, 65_536]);
    expect([BOUNDS.bytes[0], BOUNDS.bytes.at(-1)]).toEqual([32, 64 * 1024 * 1024]);
  });
});
