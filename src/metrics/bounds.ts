/**
 * Bucket bounds on a logarithmic scale: so many values a decade, from `10 ** from` to `10 ** to`.
 *
 * Written as decimals and read back, because 0.00005 is not 5 / 100_000 in every engine's last bit.
 */
function decades(steps: readonly number[], from: number, to: number): readonly number[] {
  const bounds: number[] = [];
  for (let exponent = from; exponent < to; exponent += 1) {
    for (const step of steps) bounds.push(Number(`${step}e${exponent}`));
  }
  return [...bounds, Number(`1e${to}`)];
}

function powersOfTwo(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => 2 ** (from + at));
}

/** What the histograms of a log count in. */
export const BOUNDS = {
  /** 10 microseconds to 10 seconds, six buckets a decade: a quantile is off by half of itself at the most. */
  milliseconds: decades([1, 1.5, 2, 3, 5, 7], -2, 4),
  /** The same range in seconds and in three buckets a decade, for systems that pay for each bucket. */
  seconds: decades([1, 2, 5], -5, 1),
  /** 1 to 65,536. */
  records: powersOfTwo(0, 16),
  /** 32 bytes to 64 MiB. */
  bytes: powersOfTwo(5, 26),
} as const;
