/** Watches the event loop as an application feels it. */
import { createHistogram, monitorEventLoopDelay, type Histogram } from 'node:perf_hooks';

/** Of delays, in milliseconds. */
export interface Delays {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly count: number;
}

export interface Watched {
  /** `perf_hooks.monitorEventLoopDelay`, less its own interval. */
  readonly loop: Delays;
  /** How late an application's own `setInterval` came. */
  readonly timer: Delays;
}

const RESOLUTION_MS = 1;
/** The application's timer. */
export const TIMER_MS = 2;
const NS_A_MS = 1e6;

/** Begins to watch. The function that it gives ends that, and tells. */
export function watchLoop(): () => Watched {
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  const lateness = createHistogram();
  let due = performance.now() + TIMER_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    lateness.record(Math.max(1, Math.round((now - due) * NS_A_MS)));
    due = now + TIMER_MS;
  }, TIMER_MS);
  monitor.enable();
  return () => {
    monitor.disable();
    clearInterval(timer);
    return { loop: delays(monitor, RESOLUTION_MS), timer: delays(lateness, 0) };
  };
}

export function delays(histogram: Histogram, lessMs: number): Delays {
  const ms = (ns: number): number => Math.max(0, ns / NS_A_MS - lessMs);
  const { count, max } = histogram;
  if (count === 0) return { p50: 0, p99: 0, max: 0, count };
  return { p50: ms(histogram.percentile(50)), p99: ms(histogram.percentile(99)), max: ms(max), count };
}
