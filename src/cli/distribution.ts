export interface Spread {
  readonly count: number;
  readonly sum: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** How often each number came. Exact; takes room for each different number, not for each number. */
export class Distribution {
  readonly #counts = new Map<number, number>();

  add(value: number): void {
    this.#counts.set(value, (this.#counts.get(value) ?? 0) + 1);
  }

  /** All zero where there was none. A percentile is the smallest number that so many per cent do not exceed. */
  spread(): Spread {
    const sorted = [...this.#counts].sort(([one], [other]) => one - other);
    const count = sorted.reduce((total, [, times]) => total + times, 0);
    const percentile = (share: number): number => {
      let left = Math.ceil(share * count);
      for (const [value, times] of sorted) {
        left -= times;
        if (left <= 0) return value;
      }
      return 0;
    };
    return {
      count,
      sum: sorted.reduce((total, [value, times]) => total + value * times, 0),
      p50: percentile(0.5),
      p99: percentile(0.99),
      max: sorted.at(-1)?.[0] ?? 0,
    };
  }
}
