import { Observable, asyncScheduler, type OperatorFunction, type SchedulerLike, type Subscription } from 'rxjs';
import type { Barrier, Batch, BatchReason, Durability, Frame } from '../types';
import { whileWanted } from '../whileWanted';

export interface BatchOptions {
  /** When a batch ends. Default `{ mode: 'sync' }`. */
  readonly durability?: Durability;
  /**
   * Emits when the batch that left last has been committed; until then the next one gathers (group commit).
   * Default: every batch counts as committed the moment it leaves.
   */
  readonly settled$?: Observable<unknown>;
  /** Calls that wait their turn behind the frames that came before them. */
  readonly barriers$?: Observable<Barrier>;
  /** `false` stops the clock of `batch` and `adaptive`, `true` starts it again. Default: it runs. */
  readonly background$?: Observable<boolean>;
  /** Whose clock is used. Default: `asyncScheduler`. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Gathers the frames that one fsync will make durable: `bufferTime` and `bufferCount` done right.
 *
 * The clock starts with the first frame of a batch and no timer exists while nothing waits. While one batch is being
 * committed the next one gathers, and leaves the moment the commit has returned, if its own condition has come true meanwhile.
 *
 * `sync`, a commit that takes 5 frames of time (`settled$`):
 *
 * ```
 * source:    abcd-----------|
 * settled$:  -----s----s
 * batch():   a----x---------|        x = bcd ride together; that is what makes one fsync for each ack affordable
 * ```
 *
 * `{ mode: 'batch', maxDelayMs: 4, maxRecords: 3 }`:
 *
 * ```
 * source:    -a-------bcd--e-|
 * batch():   -----a-----x----(e|)    a by the clock, x = bcd by their number, e by the end
 * ```
 *
 * `{ mode: 'adaptive', targetIntervalMs: 10 }`, each flush takes 2:
 *
 * ```
 * source:    a---b---------c---------|
 * batch():   ----------x---------c---(|)   x = ab; starts stay 10 apart: 8 after the flush before returned
 * ```
 *
 * A barrier ends the wait: what has gathered leaves with it. Frames behind a `rotate` or `checkpoint` go into the next batch. The
 * end of the source, or its error, lets everything out first; nothing that was accepted is dropped.
 *
 * Written out, because the stock operators tick while idle, start their clock before the first value, emit empty arrays, lose
 * values that arrive re-entrantly (ReactiveX/rxjs#5374, #3001), and none waits for a commit.
 */
export function batch(options: BatchOptions = {}): OperatorFunction<Frame, Batch> {
  const { durability = { mode: 'sync' }, settled$, barriers$, background$, scheduler = asyncScheduler } = options;
  return (source) =>
    new Observable<Batch>((subscriber) => {
      const gathering = new Gathering();
      const clock = batchClock(durability, scheduler);
      let tick: Subscription | undefined;
      let background = true;
      let busy = false;
      let leaving = false;
      let ended: (() => void) | undefined;

      /** Lets out what is due, one batch for each commit. A loop, not a recursion: a commit may return before `next` does. */
      const release = (): void => {
        if (leaving) return;
        leaving = true;
        while (!busy && !subscriber.closed) {
          const next = gathering.take();
          if (next === undefined) break;
          if (gathering.count === 0) stopClock();
          busy = settled$ !== undefined;
          clock.left();
          subscriber.next(next);
        }
        leaving = false;
        if (!busy && gathering.isEmpty) ended?.();
        else startClock();
      };

      const due = (reason: BatchReason): void => {
        gathering.due ??= reason;
        release();
      };

      const startClock = (): void => {
        if (tick || !background || ended || subscriber.closed || gathering.due !== undefined || gathering.count === 0)
          return;
        // While a commit is in flight the cadence is not known yet; it is when the commit returns.
        if (clock.reason === undefined || (busy && clock.reason === 'cadence')) return;
        const { reason } = clock;
        const delay = clock.delay();
        if (delay <= 0 && reason === 'cadence') {
          due(reason);
          return;
        }
        tick = scheduler.schedule(() => {
          tick = undefined;
          due(reason);
        }, delay);
      };

      const stopClock = (): void => {
        tick?.unsubscribe();
        tick = undefined;
      };

      const settle = (): void => {
        if (!busy) return;
        busy = false;
        clock.settled();
        release();
      };

      const end = (finish: () => void): void => {
        if (subscriber.closed) return;
        stopClock();
        ended = finish;
        if (gathering.count > 0) gathering.due = 'close';
        release();
      };

      const fail = (error: unknown): void => {
        subscriber.error(error);
      };

      subscriber.add(stopClock);
      subscriber.add(settled$?.subscribe({ next: settle, error: fail }));
      subscriber.add(
        barriers$?.subscribe({
          next: (barrier) => {
            gathering.bar(barrier);
            if (gathering.count === 0) stopClock();
            release();
          },
          error: fail,
        }),
      );
      subscriber.add(
        background$?.subscribe({
          next: (on) => {
            background = on;
            if (on) startClock();
            else stopClock();
          },
          error: fail,
        }),
      );
      source.pipe(whileWanted(subscriber)).subscribe({
        next: (frame) => {
          gathering.add(frame);
          switch (durability.mode) {
            case 'sync':
              if (frame.commit) {
                gathering.closeAtLast();
                due('commit');
              }
              break;
            case 'batch':
              if (gathering.count >= durability.maxRecords) due('count');
              else startClock();
              break;
            case 'adaptive':
              startClock();
              break;
            case 'nosync':
              due('commit');
              break;
          }
        },
        error: (error: unknown) => {
          end(() => {
            fail(error);
          });
        },
        complete: () => {
          end(() => {
            subscriber.complete();
          });
        },
      });
    });
}

/** What has come and not yet left. State changes here before anything is emitted. */
class Gathering {
  #frames: Frame[] = [];
  #bytes = 0;
  #barriers: Barrier[] = [];
  /** Batches that a barrier has closed, waiting their turn. */
  readonly #closed: Batch[] = [];
  /** In `sync` mode: how many of the frames, and of their bytes, stand up to the last commit record. */
  #committedCount = 0;
  #committedBytes = 0;
  /** Why the open batch is to leave, once it is. */
  due: BatchReason | undefined;

  get count(): number {
    return this.#frames.length;
  }

  get isEmpty(): boolean {
    return this.#closed.length === 0 && this.#frames.length === 0 && this.#barriers.length === 0;
  }

  add(frame: Frame): void {
    this.#frames.push(frame);
    this.#bytes += frame.end - frame.start;
  }

  /** The newest frame is a commit record: a batch may end behind it. */
  closeAtLast(): void {
    this.#committedCount = this.#frames.length;
    this.#committedBytes = this.#bytes;
  }

  bar(barrier: Barrier): void {
    this.#barriers.push(barrier);
    this.due = 'barrier';
    if (barrier.kind === 'rotate' || barrier.kind === 'checkpoint') {
      this.#closed.push(this.#takeAll('barrier'));
    }
  }

  /** The next batch that is to leave, if one is. */
  take(): Batch | undefined {
    const closed = this.#closed.shift();
    if (closed) return closed;
    if (this.due === undefined) return undefined;
    // A record that is no commit rides with the next one that is.
    if (this.due === 'commit' && this.#committedCount > 0 && this.#committedCount < this.#frames.length) {
      return this.#takeCommitted();
    }
    return this.#takeAll(this.due);
  }

  #takeAll(reason: BatchReason): Batch {
    const taken: Batch = { frames: this.#frames, bytes: this.#bytes, reason, barriers: this.#barriers };
    this.#reset([], 0);
    this.#barriers = [];
    return taken;
  }

  #takeCommitted(): Batch {
    const frames = this.#frames.slice(0, this.#committedCount);
    const taken: Batch = { frames, bytes: this.#committedBytes, reason: 'commit', barriers: [] };
    this.#reset(this.#frames.slice(this.#committedCount), this.#bytes - this.#committedBytes);
    return taken;
  }

  #reset(frames: Frame[], bytes: number): void {
    this.#frames = frames;
    this.#bytes = bytes;
    this.#committedCount = 0;
    this.#committedBytes = 0;
    this.due = undefined;
  }
}

/** When the wait of the open batch is over, for the modes that have a clock. */
interface BatchClock {
  /** Absent where the mode has no clock. */
  readonly reason: 'delay' | 'cadence' | undefined;
  /** Milliseconds from now until the batch that begins now is due. */
  delay(): number;
  /** A batch has left. */
  left(): void;
  /** Its commit has returned. */
  settled(): void;
}

const NO_CLOCK: BatchClock = { reason: undefined, delay: () => 0, left: () => undefined, settled: () => undefined };

function batchClock(durability: Durability, scheduler: SchedulerLike): BatchClock {
  if (durability.mode === 'batch') return { ...NO_CLOCK, reason: 'delay', delay: () => durability.maxDelayMs };
  if (durability.mode === 'adaptive') return cadence(durability.targetIntervalMs, scheduler);
  return NO_CLOCK;
}

/**
 * A flusher that wakes every `interval` less the time its last flush took, without the timer: it is only asked when its next
 * tick would be. Every wait lies between 0 and `interval` whatever the scheduler's clock does, so a clock that jumps costs one
 * wait at the most.
 */
function cadence(interval: number, scheduler: SchedulerLike): BatchClock {
  let leftAt = scheduler.now();
  let nextTick = leftAt + interval;
  return {
    reason: 'cadence',
    delay: () => {
      const wait = nextTick - scheduler.now();
      if (wait >= 0) return Math.min(wait, interval);
      return interval === 0 ? 0 : (interval + (wait % interval)) % interval;
    },
    left: () => {
      leftAt = scheduler.now();
      nextTick = leftAt + interval;
    },
    settled: () => {
      nextTick = Math.max(leftAt + interval, scheduler.now());
    },
  };
}
