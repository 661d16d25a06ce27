/** Memory of this process over time, and whether it grows. */
import { max, min } from 'simple-statistics';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fitLine, type Fit } from '../harness/fit';

const SAMPLE_MS = 50;
/** Windows that the time is cut into; the first half, in which code is compiled and queues and heap fill, is left out of the fit. */
const WINDOWS = 40;
const WARM_UP_WINDOWS = 20;
const MIB = 1024 * 1024;
/** Steeper is no longer flat: 6 MiB a minute. */
const FLAT_MIB_A_SECOND = 0.1;

export interface MemoryReport {
  readonly seconds: number;
  /** Resident memory before the work began, MiB. */
  readonly baselineMib: number;
  /** Most that it grew over that. */
  readonly growthMib: number;
  /** The most that was on the heap, and in Buffers, at a sample; garbage included. */
  readonly mostHeapMib: number;
  readonly mostBuffersMib: number;
  /** What the heap holds after a full garbage collection, before the work and when it is over. */
  readonly retainedMib: readonly [number, number];
  /** Through the most of each window, MiB a second. */
  readonly rss: Fit;
  /** Through the least of each window: what garbage collection left. */
  readonly heap: Fit;
  /** Memory of Buffers, the same. */
  readonly buffers: Fit;
}

interface Sample {
  readonly second: number;
  readonly rss: number;
  readonly heap: number;
  readonly buffers: number;
}

/** MiB on the heap after a full garbage collection. */
function retained(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed / MIB;
}

/** Begins to watch. The function that it gives ends that, and tells; to be called when what was waiting is done. */
export function watchMemory(): () => MemoryReport {
  const retainedBefore = retained();
  const samples: Sample[] = [];
  const started = performance.now();
  const sample = (): void => {
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
    const second = (performance.now() - started) / 1000;
    samples.push({ second, rss: rss / MIB, heap: heapUsed / MIB, buffers: arrayBuffers / MIB });
  };
  sample();
  const timer = setInterval(sample, SAMPLE_MS);
  return () => {
    clearInterval(timer);
    sample();
    const [first] = samples as [Sample];
    const seconds = (performance.now() - started) / 1000;
    return {
      seconds,
      baselineMib: first.rss,
      // The kernel's own high-water mark too: between two samples there may have been more.
      growthMib: Math.max(max(samples.map(({ rss }) => rss)), process.resourceUsage().maxRSS / 1024) - first.rss,
      mostHeapMib: max(samples.map(({ heap }) => heap)),
      mostBuffersMib: max(samples.map(({ buffers }) => buffers)),
      retainedMib: [retainedBefore, retained()],
      rss: fitLine(windows(samples, seconds, ({ rss }) => rss, max)),
      heap: fitLine(windows(samples, seconds, ({ heap }) => heap, min)),
      buffers: fitLine(windows(samples, seconds, ({ buffers }) => buffers, min)),
    };
  };
}

function windows(
  samples: readonly Sample[],
  seconds: number,
  of: (sample: Sample) => number,
  pick: (values: number[]) => number,
): { readonly x: number; readonly y: number }[] {
  const points: { readonly x: number; readonly y: number }[] = [];
  for (let window = WARM_UP_WINDOWS; window < WINDOWS; window += 1) {
    const within = samples.filter(({ second }) => Math.floor((second / seconds) * WINDOWS) === window);
    if (within.length > 0) points.push({ x: ((window + 0.5) * seconds) / WINDOWS, y: pick(within.map(of)) });
  }
  return points;
}

/** `4.1 → 4.3 MiB` */
export function shownRetained({ retainedMib }: MemoryReport): string {
  return `${retainedMib.map((mib) => mib.toFixed(1)).join(' → ')} MiB`;
}

/** `1.2 ± 0.1 MiB/s: flat`, by two standard errors. */
export function shownSlope({ slope, standardError }: Fit): string {
  const verdict =
    slope + 2 * standardError <= FLAT_MIB_A_SECOND
      ? 'flat'
      : slope - 2 * standardError > FLAT_MIB_A_SECOND
        ? 'GROWS'
        : 'cannot tell';
  return `${slope.toFixed(2)} ± ${standardError.toFixed(2)} MiB/s: ${verdict}`;
}
