/** Times of single appends: kept raw while the clock runs, counted into a histogram afterwards. */
import { build } from 'hdr-histogram-js';
import type { Latency } from './measurement';

/** So many are kept; of more, the quantiles are those of the first. A second of the fastest contender has fewer. */
const CAPACITY = 1 << 22;
const NS_A_MS = 1_000_000;
const NS_A_US = 1000;

export class Latencies {
  private readonly milliseconds = new Float64Array(CAPACITY);
  private count = 0;

  add(milliseconds: number): void {
    if (this.count < CAPACITY) this.milliseconds[this.count++] = milliseconds;
  }

  quantiles(): Latency | undefined {
    if (this.count === 0) return undefined;
    const histogram = build({ highestTrackableValue: 3_600_000 * NS_A_MS, numberOfSignificantValueDigits: 3 });
    for (const each of this.milliseconds.subarray(0, this.count)) {
      histogram.recordValue(Math.max(1, Math.round(each * NS_A_MS)));
    }
    const at = (percentile: number): number => histogram.getValueAtPercentile(percentile) / NS_A_US;
    return { p50: at(50), p99: at(99), p999: at(99.9), max: histogram.maxValue / NS_A_US };
  }
}
