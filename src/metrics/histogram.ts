/** How values are distributed: as many of them as each bucket holds. */
export interface Histogram {
  /** Upper bounds of the buckets, ascending, in the unit of the values. */
  readonly bounds: readonly number[];
  /**
   * Values in each bucket, not cumulative: `counts[i]` of them are at most `bounds[i]`, and above the bound before it. One more, the last, for
   * those above all bounds.
   */
  readonly counts: readonly number[];
  /** Values in all buckets. */
  readonly count: number;
  /** Their sum. */
  readonly sum: number;
  /** The largest of them; 0 where there is none. */
  readonly max: number;
}

/** Counts values into buckets. To record one takes as many steps as the bounds have bits in their number, and no memory. */
export class BucketCounter {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #count = 0;
  #sum = 0;
  #max = 0;

  /** @param bounds ascending. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  record(value: number): void {
    const at = this.#bucketOf(value);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#count += 1;
    this.#sum += value;
    if (value > this.#max) this.#max = value;
  }

  /** A copy, which stays as it is. */
  snapshot(): Histogram {
    return {
      bounds: this.#bounds,
      counts: [...this.#counts],
      count: this.#count,
      sum: this.#sum,
      max: this.#max,
    };
  }

  /** The first bucket whose bound is not below the value. */
  #bucketOf(value: number): number {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#bounds[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
