import { asyncScheduler, type SchedulerLike } from 'rxjs';

/** Milliseconds that no wall clock of ours is below (it passed them in 2001) and no virtual time gets to. */
const EARLIEST_WALL_CLOCK = 1e12;

/**
 * The log's default clock: `asyncScheduler` with a `now` that never jumps, and counts in microseconds.
 *
 * `asyncScheduler.now` is the wall clock, which an operator or NTP may set; no decision about data may hang on it. Inside
 * `TestScheduler.run` it is virtual, starts at 0, and is used as it is.
 */
export const monotonicScheduler: SchedulerLike = {
  now: () => {
    const now = asyncScheduler.now();
    return now < EARLIEST_WALL_CLOCK ? now : performance.now();
  },
  schedule: asyncScheduler.schedule.bind(asyncScheduler),
};
