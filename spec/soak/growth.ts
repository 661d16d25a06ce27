import type { Sample } from './sample';

/** One thing that must not grow, and what became of it. */
export interface Trend {
  readonly name: string;
  readonly before: number;
  readonly after: number;
  /** How much more it may be. 0: it must be the same in every sample. */
  readonly allowance: number;
  readonly grew: boolean;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * What memory may grow by, from the first third to the last. Compiled code and feedback for it are in the heap too, and what the
 * allocator keeps is in the resident set; neither is a record that is held. A kibibyte kept in every cycle shows in some thousand.
 */
const ALLOWANCES = { heapUsed: 1.5 * MIB, arrayBuffers: 256 * KIB, rss: 24 * MIB } as const;

/** While the process warms up: this part of the samples, from the start. */
const WARM_UP = 0.2;
/** With fewer than these behind the warm-up there is no trend. */
const MIN_SAMPLES = 9;

/**
 * Holds the end of a long life against its beginning. Memory is judged by the median of the first third of the samples behind the warm-up
 * and that of the last third; descriptors, listeners and what keeps the event loop running by every sample from the first on.
 *
 * @returns nothing where there are too few samples to judge.
 */
export function trends(samples: readonly Sample[]): readonly Trend[] {
  const warm = samples.slice(Math.floor(samples.length * WARM_UP));
  if (warm.length < MIN_SAMPLES) return [];
  const third = Math.floor(warm.length / 3);
  const memory = (['heapUsed', 'arrayBuffers', 'rss'] as const).map((name): Trend => {
    const before = median(warm.slice(0, third).map((sample) => sample[name]));
    const after = median(warm.slice(-third).map((sample) => sample[name]));
    return { name, before, after, allowance: ALLOWANCES[name], grew: after - before > ALLOWANCES[name] };
  });
  const types = [...new Set(samples.flatMap(({ resources }) => Object.keys(resources)))].sort();
  const counts: readonly (readonly [string, (sample: Sample) => number])[] = [
    ['descriptors', (sample) => sample.descriptors],
    ['listeners', (sample) => sample.listeners],
    ['timers', (sample) => sample.resources['Timeout'] ?? 0],
    ...types
      .filter((type) => type !== 'Timeout')
      .map((type) => [type, (sample: Sample) => sample.resources[type] ?? 0] as const),
  ];
  return [...memory, ...counts.map(([name, of]) => steady(name, samples.map(of)))];
}

/** What must be the same all the time; where it is not, the first that differs is named, and the last where that differs too. */
function steady(name: string, values: readonly number[]): Trend {
  const before = values[0]!;
  const other = values.findLast((value) => value !== before);
  return { name, before, after: other ?? before, allowance: 0, grew: other !== undefined };
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!;
}

export function describeTrend({ name, before, after, allowance, grew }: Trend): string {
  const allowed = allowance === 0 ? 'must stay the same' : `${inKib(allowance)} allowed`;
  const [from, to] = allowance === 0 ? [before, after] : [inKib(before), inKib(after)];
  return `${name.padEnd(12)}${String(from).padStart(12)} → ${String(to).padEnd(12)} ${grew ? 'GREW' : 'steady'}, ${allowed}`;
}

function inKib(bytes: number): string {
  return `${Math.round(bytes / KIB)} KiB`;
}
