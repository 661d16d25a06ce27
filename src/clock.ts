import { Subscription, asyncScheduler, type SchedulerAction, type SchedulerLike } from 'rxjs';

/** Milliseconds that no wall clock of ours is below (it passed them in 2001) and no virtual time gets to. */
const EARLIEST_WALL_CLOCK = 1e12;

/** Taken now: a test that fakes the timers of its process does not mean the log's. */
const nextTick = process.nextTick.bind(process);
const { setImmediate: setImmediateOf } = globalThis;

/**
 * The log's default clock: `asyncScheduler` with a `now` that never jumps, and counts in microseconds. Work without a delay runs at the
 * end of the current turn of the event loop, when every callback and every promise that is due has run.
 *
 * `asyncScheduler.now` is the wall clock, which an operator or NTP may set; no decision about data may hang on it. Inside
 * `TestScheduler.run` all is virtual: it starts at 0, and is used as it is.
 */
export const monotonicScheduler: SchedulerLike = {
  now: () => (isVirtual() ? asyncScheduler.now() : performance.now()),
  schedule: <T>(work: (this: SchedulerAction<T>, state?: T) => void, delay = 0, state?: T) =>
    delay > 0 || isVirtual() ? asyncScheduler.schedule(work, delay, state) : new AtEndOfTurn(work).start(state),
};

/** Runs work in the next turn of the event loop, behind what else is due there; in virtual time at once behind what is queued. */
export function inNextTurn(work: () => void): void {
  if (isVirtual()) asyncScheduler.schedule(work);
  else inNextRealTurn(work);
}

/**
 * The same for what waits for real files, whatever clock a test shows. Where a callback of I/O asks for it, `setImmediate` alone means the same
 * turn, and timers would wait for both.
 */
export function inNextRealTurn(work: () => void): void {
  setImmediateOf(() => setImmediateOf(work));
}

/**
 * As `schedule` of a scheduler, for work that is not worth keeping a process alive for. Waits for at most 24 days: whoever waits for more looks
 * again then.
 */
export function scheduleUnref(scheduler: SchedulerLike, work: () => void, delayMs: number): Subscription {
  const action = scheduler.schedule(work, Math.min(Math.max(delayMs, 0), MAX_TIMER_MS));
  const { id } = action as { readonly id?: unknown };
  if (typeof id === 'object' && id !== null && 'unref' in id) (id as NodeJS.Timeout).unref();
  return action;
}

/** What a timer of Node can wait: a longer one fires at once. */
const MAX_TIMER_MS = 0x7fff_ffff;

/** Milliseconds since 1970; virtual inside `TestScheduler.run`, and by a scheduler that the user has given. */
export function wallClock(scheduler: SchedulerLike | undefined): number {
  return (scheduler ?? asyncScheduler).now();
}

function isVirtual(): boolean {
  return asyncScheduler.now() < EARLIEST_WALL_CLOCK;
}

/** What to ask for a microtask: `queueMicrotask` makes an AsyncResource each time. */
const resolved = Promise.resolve();

/**
 * `asapScheduler` is a microtask: too early for those that a longer chain of promises leads to. A tick alone, asked for in a callback of the
 * event loop, comes before every promise which that callback resolves; one that a microtask asks for comes when no promise is left.
 */
class AtEndOfTurn<T> extends Subscription implements SchedulerAction<T> {
  constructor(private readonly work: (this: SchedulerAction<T>, state?: T) => void) {
    super();
  }

  start(state: T | undefined): this {
    void resolved.then(() => {
      nextTick(() => {
        if (!this.closed) this.work.call(this, state);
      });
    });
    return this;
  }

  schedule(state?: T, delay = 0): Subscription {
    this.add(monotonicScheduler.schedule(this.work, delay, state));
    return this;
  }
}
