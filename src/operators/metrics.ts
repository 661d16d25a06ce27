import {
  concat,
  concatMap,
  defer,
  dematerialize,
  ignoreElements,
  interval,
  materialize,
  merge,
  of,
  takeWhile,
  tap,
  type OperatorFunction,
  type SchedulerLike,
} from 'rxjs';
import { monotonicScheduler } from '../clock';
import { Meter } from '../metrics/meter';
import type { MeteredLog, WalMetrics } from '../metrics/walMetrics';
import { checkNames, checkScheduler, integer } from '../options';
import type { Commit } from '../types';

export interface MetricsOptions {
  /**
   * Milliseconds from one sample to the next, at least 1.
   *
   * @default 1000
   */
  readonly intervalMs?: number | undefined;
  /**
   * Whose clock takes the samples. Inside `TestScheduler.run` the default is virtual by itself.
   *
   * @default asyncScheduler, with a monotonic `now`
   */
  readonly scheduler?: SchedulerLike | undefined;
}

const DEFAULT_INTERVAL_MS = 1000;
/** What a timer can wait: longer delays fire at once in Node. */
const MAX_INTERVAL_MS = 0x7fff_ffff;

/**
 * Samples a log: one {@link WalMetrics} an interval, and one when its commits end or fail, before the end itself. `c` is a commit, the interval 4 frames:
 *
 * ```
 * commits$:                         -c--c---c-c-----|
 * metrics(wal, { intervalMs: 4 }):  ----s---s---s---(s|)
 * ```
 *
 * A commit costs it a few additions, whatever it holds; queue, lag and segments are read when a sample is due. One timer runs while it is
 * subscribed, which keeps the process alive as long as the log is open, and none otherwise.
 *
 * It only looks: `commits$` alone is subscribed, so a value that is refused and that nobody hears of stays an unhandled error. That the log
 * has stopped is an error of the result, behind a sample whose state is `poisoned`.
 *
 * @example
 * wal.commits$.pipe(metrics(wal)).subscribe({ next: ({ perSecond }) => console.log(perSecond), error: console.error });
 * @param wal the log whose `commits$` this is.
 * @throws TypeError or RangeError for a bad option, at once.
 */
export function metrics(wal: MeteredLog, options: MetricsOptions = {}): OperatorFunction<Commit, WalMetrics> {
  checkNames('options', options, ['intervalMs', 'scheduler']);
  const intervalMs = integer('intervalMs', options.intervalMs ?? DEFAULT_INTERVAL_MS, 1, MAX_INTERVAL_MS);
  checkScheduler(options.scheduler);
  const scheduler = options.scheduler ?? monotonicScheduler;
  return (commits$) =>
    defer(() => {
      const meter = new Meter(wal, scheduler.now());
      const end$ = commits$.pipe(
        tap((done) => {
          meter.count(done);
        }),
        ignoreElements(),
        materialize(),
      );
      return merge(end$, interval(intervalMs, scheduler)).pipe(
        takeWhile((event) => typeof event === 'number', true),
        concatMap((event) => {
          const sample = of(meter.sample(scheduler.now()));
          return typeof event === 'number' ? sample : concat(sample, of(event).pipe(dematerialize()));
        }),
      );
    });
}
