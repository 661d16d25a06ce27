/**
 * Runs contenders in turns, forwards and backwards, so that what a noisy machine does it does to all of them. Two rounds to warm up come
 * first and do not count.
 *
 * @returns the milliseconds of each round, by name.
 */
export async function turns(
  contenders: Readonly<Record<string, () => unknown>>,
  rounds: number,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const times = new Map<string, number[]>(Object.keys(contenders).map((name) => [name, []]));
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    const order = Object.entries(contenders);
    if (round % 2 !== 0) order.reverse();
    for (const [name, run] of order) {
      const started = process.hrtime.bigint();
      await run();
      if (round >= 0) times.get(name)?.push(Number(process.hrtime.bigint() - started) / 1e6);
    }
  }
  return times;
}

const WARM_UP_ROUNDS = 2;

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
