/** Numbers from 0 up to, and without, 1. */
export type Random = () => number;

/** The same numbers for the same seeds, and others for others (mulberry32, from a hash of the seeds). */
export function seededRandom(...seeds: readonly number[]): Random {
  let state = 0x9e3779b9;
  for (const seed of seeds) {
    state = Math.imul(state ^ (seed >>> 0), 0x85ebca6b);
    state = Math.imul(state ^ (state >>> 13) ^ Math.floor(seed / 2 ** 32), 0xc2b2ae35);
    state ^= state >>> 16;
  }
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One of the whole numbers from 0 up to, and without, `count`. */
export function below(count: number, random: Random): number {
  return Math.min(count - 1, Math.floor(random() * count));
}
