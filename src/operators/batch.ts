import { Observable, type OperatorFunction, type SchedulerLike, type Subscription } from 'rxjs';
import { monotonicScheduler } from '../clock';
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
  /** Whose clock is used. Default: one that does not jump, and for which no delay means the end of the turn of the event loop. */
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
 * What comes in one turn of the event loop rides together, in `sync` and `nosync`; so do those who append because one commit has
 * released them:
 *
 * ```
 * source:    -(abc)---d
 * settled$:  --------s-
 * batch():   -x-------d         x = abc
 * ```
 *
 * Records of one turn that come more slowly than the disk takes them (to encode a thousand takes longer than a fast disk's fsync) do not wait
 * for its end: those that have come leave, and the disk writes while the rest is encoded. The pace is looked at every 256 records.
 *
 * More than 4,096 records or 4 MiB (mode `batch`: than its `maxRecords`, where that is more) leave in parts, one commit after the
 * other: the first at once, then half of the parts that wait, up to 65,536 records or 16 MiB. Records that wait for a commit record ride
 * with it, however many they are.
 *
 * A barrier ends the wait: what has gathered leaves with it. Frames behind a `rotate` or `checkpoint` go into the next batch. The
 * end of the source, or its error, lets everything out first; nothing that was accepted is dropped.
 *
 * Written out, because the stock operators tick while idle, start their clock before the first value, emit empty arrays, lose
 * values that arrive re-entrantly (ReactiveX/rxjs#5374, #3001), and none waits for a commit.
 */
export function batch(options: BatchOptions = {}): OperatorFunction<Frame, Batch> {
  const { durability = { mode: 'sync' }, settled$, barriers$, background$, scheduler = monotonicScheduler } = options;
  return (source) =>
    new Observable<Batch>((subscriber) => {
      const gathering = new Gathering(partRecordsOf(durability));
      const clock = batchClock(durability, scheduler);
      const pace = new Pace(scheduler);
      let tick: Subscription | undefined;
      let departure: Subscription | undefined;
      let departing = false;
      let background = true;
      let busy = false;
      let leaving = false;
      /** What left last was not all that was due. */
      let partly = false;
      let ended: (() => void) | undefined;

      /** Lets out what is due, one batch for each commit. A loop, not a recursion: a commit may return before `next` does. */
      const release = (): void => {
        if (leaving) return;
        leaving = true;
        while (!busy && !subscriber.closed) {
          // A cadence may be due at once.
          startClock();
          const next = gathering.take();
          if (next === undefined) break;
          if (gathering.count === 0) stopClock();
          busy = settled$ !== undefined;
          pace.left(next.records);
          if (!partly) clock.left();
          partly = gathering.due !== undefined;
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

      /**
       * Lets out what is due when the turn of the event loop ends: all whom one commit has released append in the same turn, and would
       * otherwise ride in two halves for ever, each waiting for the fsync of the other. What is full has nothing to wait for, and neither has
       * what comes more slowly than the disk writes.
       */
      const releaseSoon = (records: number): void => {
        if (gathering.isFull || (!busy && pace.isSlow(gathering.count, records))) release();
        if (busy || departing || gathering.due === undefined) return;
        // A scheduler may run it before it returns.
        departing = true;
        departure = scheduler.schedule(() => {
          departing = false;
          release();
        });
      };

      const dueSoon = (records: number): void => {
        gathering.due ??= 'commit';
        releaseSoon(records);
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
        pace.settled();
        if (gathering.due === 'commit' && !pace.willBeSlow) releaseSoon(1);
        else release();
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
      subscriber.add(() => departure?.unsubscribe());
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
          const records = frame.records ?? 1;
          gathering.add(frame, records, frame.commit || durability.mode !== 'sync');
          pace.came(gathering.count, records);
          switch (durability.mode) {
            case 'sync':
              if (frame.commit) dueSoon(records);
              break;
            case 'batch':
              if (gathering.count >= durability.maxRecords) due('count');
              else startClock();
              break;
            case 'adaptive':
              startClock();
              break;
            case 'nosync':
              dueSoon(records);
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

/**
 * A part of what waits is full with so much, and leaves: while it is being written the next one gathers, and the acks of the one before
 * are handed out. At eight milliseconds an fsync this is half a million records, or half a gigabyte, a second.
 */
const PART_RECORDS = 4096;
const PART_BYTES = 4 * 1024 * 1024;
/** What one commit has at the most, where many parts wait. */
const MAX_COMMIT_RECORDS = 65_536;
const MAX_COMMIT_BYTES = 16 * 1024 * 1024;

function partRecordsOf(durability: Durability): number {
  return durability.mode === 'batch' ? Math.max(PART_RECORDS, durability.maxRecords) : PART_RECORDS;
}

/** Frames as they come in, kept by where their bytes stand. */
class Gathered {
  #runs: { readonly buffer: Uint8Array; readonly start: number; end: number }[] = [];
  #newest: { readonly buffer: Uint8Array; readonly start: number; end: number } | undefined;
  #firstLsn = 0;
  #lastLsn = 0;
  readonly barriers: Barrier[] = [];
  records = 0;
  bytes = 0;

  get isEmpty(): boolean {
    return this.records === 0 && this.barriers.length === 0;
  }

  /** @param records those in the frame. */
  add({ buffer, start, end, lsn }: Frame, records: number): void {
    if (this.records === 0) this.#firstLsn = lsn;
    this.#lastLsn = lsn + records - 1;
    this.records += records;
    this.bytes += end - start;
    this.#append(buffer, start, end);
  }

  /** Puts all of `later` behind what is here. */
  join(later: Gathered): void {
    if (later.records === 0) return;
    if (this.records === 0) this.#firstLsn = later.#firstLsn;
    this.#lastLsn = later.#lastLsn;
    this.records += later.records;
    this.bytes += later.bytes;
    for (const { buffer, start, end } of later.#runs) this.#append(buffer, start, end);
    this.barriers.push(...later.barriers);
  }

  #append(buffer: Uint8Array, start: number, end: number): void {
    const run = this.#newest;
    if (run?.buffer === buffer && run.end === start) {
      run.end = end;
    } else {
      this.#newest = { buffer, start, end };
      this.#runs.push(this.#newest);
    }
  }

  asBatch(reason: BatchReason): Batch {
    const { records, bytes, barriers } = this;
    return { runs: this.#runs, records, firstLsn: this.#firstLsn, lastLsn: this.#lastLsn, bytes, reason, barriers };
  }
}

/** What has come and not yet left. State changes here before anything is emitted. */
class Gathering {
  /** Parts of the open batch that are full. */
  readonly #full: Gathered[] = [];
  /** The part behind them. In `sync` mode: up to the last commit record; in the other modes every record counts as one. */
  #open = new Gathered();
  /** Those behind the last commit record. */
  #rest = new Gathered();
  /** Batches that a barrier has closed, waiting their turn. */
  readonly #closed: Batch[] = [];
  /** Why the open batch is to leave, once it is. */
  due: BatchReason | undefined;
  /** Records in the open batch. */
  count = 0;

  constructor(private readonly partRecords: number) {}

  /** Whether something waits that nothing could be added to. */
  get isFull(): boolean {
    return this.#full.length > 0 || this.#closed.length > 0;
  }

  get isEmpty(): boolean {
    return this.#closed.length === 0 && this.count === 0 && this.#open.isEmpty;
  }

  /**
   * @param records those in the frame.
   * @param commit whether a batch may end behind it.
   */
  add(frame: Frame, records: number, commit: boolean): void {
    this.count += records;
    if (!commit) {
      this.#rest.add(frame, records);
      return;
    }
    this.#joinRest();
    this.#open.add(frame, records);
    if (this.#open.records < this.partRecords && this.#open.bytes < PART_BYTES) return;
    this.#full.push(this.#open);
    this.#open = new Gathered();
  }

  /** The part that has the last frame before a barrier carries it, so no later part overtakes it. */
  bar(barrier: Barrier): void {
    this.#joinRest();
    const last = this.#open.isEmpty ? this.#full.at(-1) : undefined;
    (last ?? this.#open).barriers.push(barrier);
    this.due = 'barrier';
    if (barrier.kind === 'rotate' || barrier.kind === 'checkpoint') {
      while (!this.#isTaken) this.#closed.push(this.#takePart('barrier'));
    }
  }

  /** The next batch that is to leave, if one is. */
  take(): Batch | undefined {
    return this.#closed.shift() ?? (this.due === undefined ? undefined : this.#takePart(this.due));
  }

  #takePart(reason: BatchReason): Batch {
    // Records that are no commit wait for the next one that is.
    if (reason !== 'commit') this.#joinRest();
    let part = this.#takeFull();
    if (!part) {
      part = this.#open;
      this.#open = new Gathered();
    }
    this.count -= part.records;
    if (this.#isTaken) this.due = undefined;
    return part.asBatch(reason);
  }

  /**
   * A commit may come back no more than once a turn of the event loop, so who appends more in a turn than one part has would fall behind:
   * half of the parts that wait leave together, up to one that a barrier ends.
   */
  #takeFull(): Gathered | undefined {
    const taken = this.#full.shift();
    if (!taken) return undefined;
    for (let more = this.#full.length >> 1; more > 0 && taken.barriers.length === 0; more -= 1) {
      const next = this.#full[0];
      if (!next || taken.records + next.records > MAX_COMMIT_RECORDS || taken.bytes + next.bytes > MAX_COMMIT_BYTES)
        break;
      this.#full.shift();
      taken.join(next);
    }
    return taken;
  }

  /** Whether nothing is left but what waits for a commit record. */
  get #isTaken(): boolean {
    return this.#full.length === 0 && this.#open.isEmpty;
  }

  #joinRest(): void {
    if (this.#rest.records === 0) return;
    this.#open.join(this.#rest);
    this.#rest = new Gathered();
  }
}

/** How often the pace is looked at, in records: a look at the clock costs a tenth of what a record does. */
const LOOK_RECORDS = 256;
/** Of the last so many looks, and commits, the fastest counts: the others had pauses in them, or were noticed late. */
const SEEN = 8;

/**
 * Whether records come more slowly than the disk takes them, so that the disk would stand still where they waited for each other. Without
 * commits that return, and where a clock says that no time goes by, they never do.
 */
class Pace {
  readonly #commitMs = new Fastest(Infinity);
  readonly #lookMs = new Fastest(0);
  #leftAt = 0;
  #leftRecords = 0;
  /** When the first of those that have come in this turn did. */
  #began = 0;
  #lookedAt = 0;

  constructor(private readonly scheduler: SchedulerLike) {}

  /**
   * A record has come, and no commit is on its way.
   *
   * @param count those that wait, with this one.
   * @param records how many have come: more than one where it is a group.
   * @returns whether it has taken them longer than a commit takes.
   */
  isSlow(count: number, records: number): boolean {
    return count % LOOK_RECORDS < records && this.#lookedAt - this.#began > this.#commitMs.least;
  }

  /** Whether those whom the commit that returns has released would take longer to come than the next one takes. */
  get willBeSlow(): boolean {
    return (this.#leftRecords / LOOK_RECORDS) * this.#lookMs.least > this.#commitMs.least;
  }

  /**
   * @param count records that wait, with those that have just come.
   * @param records how many those are.
   */
  came(count: number, records: number): void {
    if (count === records) {
      this.#began = this.#lookedAt = this.#now();
    } else if (count % LOOK_RECORDS < records) {
      const now = this.#now();
      this.#lookMs.see((now - this.#lookedAt) / Math.max(1, records / LOOK_RECORDS));
      this.#lookedAt = now;
    }
  }

  left(records: number): void {
    this.#leftAt = this.#began = this.#lookedAt = this.#now();
    this.#leftRecords = records;
  }

  settled(): void {
    this.#began = this.#now();
    this.#commitMs.see(this.#began - this.#leftAt);
  }

  /** By a clock that throws no pace is kept. `commit`, which cannot do without, tells of it. */
  #now(): number {
    try {
      return this.scheduler.now();
    } catch {
      return NaN;
    }
  }
}

/** The least of what has been seen last. */
class Fastest {
  readonly #seen: number[] = [];

  /** @param least what it is as long as nothing has been seen. */
  constructor(public least: number) {}

  see(milliseconds: number): void {
    this.#seen.push(milliseconds);
    if (this.#seen.length > SEEN) this.#seen.shift();
    this.least = Math.min(...this.#seen);
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
