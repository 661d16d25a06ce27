import { BehaviorSubject, Observable, Subject, takeUntil, type Subscriber } from 'rxjs';
import type { PlacedRun, ReadingPlace } from '../read';
import type { Batch } from '../types';
import { whileWanted } from '../whileWanted';
import { LiveWindow } from './liveWindow';

/** Frames of a log, checked, in LSN order: from the disk, or as they went there. */
export interface TailRun {
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** The last LSN in it. */
  readonly lastLsn: number;
}

/** What following a log needs of it. */
export interface TailedLog {
  durableLsn(): number;
  /** The frames on disk with `after < lsn <= until`. `place` is where this reader has been before. */
  read(
    after: number,
    until: number,
    place: ReadingPlace | undefined,
    wanted$: Observable<boolean>,
  ): Observable<PlacedRun>;
  /** Does what is left in the next turn of the event loop. */
  later(work: () => void): void;
}

export interface TailRunsOptions {
  /** Records up to this LSN are left out. */
  readonly after: number;
  /** `false`: nothing more for now. */
  readonly wanted$: Observable<boolean>;
  /** Is told the LSN each time when all that is durable has been shown, having been read from the disk. */
  readonly onCaughtUp: (lsn: number) => void;
}

/** Bytes of frames handed out in one turn of the event loop, to all tails together: about a millisecond of decoding. */
const TURN_BYTES = 128 * 1024;

/**
 * Those who follow a log. Each reads from the disk until it has caught up, then what the commits bring, from memory; who falls behind the window in memory
 * reads from the disk again. They are served in turns, a run of frames each, wherever it is from, so that the log goes on between them.
 */
export class Tails {
  readonly #log: TailedLog;
  readonly #window = new LiveWindow();
  readonly #tails = new Set<Tail>();
  #ready: Tail[] = [];
  #left = TURN_BYTES;
  #serving = false;
  #scheduled = false;
  #end: LogEnd | undefined;

  constructor(log: TailedLog) {
    this.#log = log;
  }

  get isHeard(): boolean {
    return this.#tails.size > 0;
  }

  /** A batch is on its way to the disk. */
  keep(batch: Batch): void {
    if (this.isHeard && batch.records > 0) this.#window.add(batch);
  }

  /** More is durable. */
  moved(): void {
    if (!this.isHeard) return;
    this.#left = TURN_BYTES;
    for (const tail of this.#tails) tail.wake();
  }

  /** The log has ended, closed or with `failure`: so does every tail that has shown all that is durable. */
  end(failure?: Error): void {
    this.#end = { failure };
    for (const tail of this.#tails) tail.wake();
  }

  /**
   * The frames behind `after`: those on disk, then each as it becomes durable.
   *
   * Written out: no stock operator knows when the disk has given all that there is, nor takes over what came meanwhile from memory.
   */
  runs(options: TailRunsOptions): Observable<TailRun> {
    return new Observable<TailRun>((subscriber) => {
      const tail = new Tail(this.#log, this.#window, options, subscriber, {
        ready: (ready) => {
          this.#ready.push(ready);
          this.#serve();
        },
        ended: () => this.#end,
      });
      this.#tails.add(tail);
      subscriber.add(() => {
        this.#tails.delete(tail);
        if (!this.isHeard) this.#window.clear();
      });
      tail.start();
    });
  }

  /** Serves those who are ready, one run each in turn, for as much as one turn of the event loop may take. */
  #serve(): void {
    if (this.#serving || this.#scheduled) return;
    this.#serving = true;
    while (this.#left > 0) {
      const next = this.#ready.shift();
      if (!next) break;
      this.#left -= next.step();
    }
    this.#serving = false;
    // Also where nobody is ready: what comes from the disk yet in this turn has to wait for the next.
    if (this.#left > 0) return;
    this.#scheduled = true;
    this.#log.later(() => {
      this.#scheduled = false;
      this.#left = TURN_BYTES;
      this.#serve();
    });
  }
}

/** What one tail needs of the others. */
interface Ring {
  /** It wants to be served. */
  readonly ready: (tail: Tail) => void;
  readonly ended: () => LogEnd | undefined;
}

/** How a log has ended. */
interface LogEnd {
  readonly failure: Error | undefined;
}

/** One who follows. */
class Tail {
  #lsn: number;
  #place: ReadingPlace | undefined;
  /** Not all that was durable has been shown since it read from the disk last. */
  #behind = true;
  #wanted = true;
  /** In the queue of those who wait to be served. */
  #queued = false;
  #reading = false;
  /** What the disk has given and is to be shown: the runs of one chunk. The disk gives no more before they have been. */
  #given: PlacedRun[] = [];
  /** How the reading has ended, when it has: to be said behind {@link #given}. */
  #readingEnd: { readonly failure?: unknown } | undefined;
  readonly #givable$ = new BehaviorSubject(true);
  /** Ends the reading that is under way. */
  #letGo$: Subject<void> | undefined;

  constructor(
    private readonly log: TailedLog,
    private readonly window: LiveWindow,
    private readonly options: TailRunsOptions,
    private readonly subscriber: Subscriber<TailRun>,
    private readonly ring: Ring,
  ) {
    this.#lsn = options.after;
  }

  start(): void {
    this.subscriber.add(
      this.options.wanted$.subscribe({
        next: (wanted) => {
          this.#wanted = wanted;
          this.#letDiskGive();
          this.wake();
        },
        error: (error: unknown) => {
          this.subscriber.error(error);
        },
      }),
    );
    this.wake();
  }

  wake(): void {
    const waitsForDisk = this.#reading && this.#given.length === 0 && !this.#readingEnd;
    if (this.#queued || waitsForDisk || !this.#wanted || this.subscriber.closed) return;
    this.#queued = true;
    this.ring.ready(this);
  }

  /** Shows one run, or does what there is to do instead. @returns how many bytes it has shown. */
  step(): number {
    this.#queued = false;
    if (this.subscriber.closed || !this.#wanted) return 0;
    if (this.#reading) return this.#showGiven();
    const durableLsn = this.log.durableLsn();
    if (this.#lsn >= durableLsn) {
      this.#rest();
      return 0;
    }
    const run = this.window.behind(this.#lsn);
    if (!run || run.lastLsn > durableLsn) {
      this.#readFromDisk(durableLsn);
      return 0;
    }
    this.#lsn = run.lastLsn;
    this.subscriber.next(run);
    this.wake();
    return run.end - run.start;
  }

  /** All that is durable has been shown. */
  #rest(): void {
    if (this.#behind) {
      this.#behind = false;
      try {
        this.options.onCaughtUp(this.#lsn);
      } catch (error) {
        this.subscriber.error(error);
        return;
      }
    }
    // Whoever was told may have appended, to a disk that takes no time.
    if (this.#lsn < this.log.durableLsn()) {
      this.wake();
      return;
    }
    const end = this.ring.ended();
    if (!end) return;
    if (end.failure) this.subscriber.error(end.failure);
    else this.subscriber.complete();
  }

  #readFromDisk(durableLsn: number): void {
    this.#behind = true;
    this.#reading = true;
    const runs$ = this.log.read(this.#lsn, durableLsn, this.#place, this.#givable$);
    const letGo$ = (this.#letGo$ = new Subject<void>());
    runs$.pipe(whileWanted(this.subscriber), takeUntil(letGo$)).subscribe({
      next: (run) => {
        this.#given.push(run);
        this.#letDiskGive();
        this.wake();
      },
      error: (failure: unknown) => {
        this.#readingEnd = { failure };
        this.wake();
      },
      complete: () => {
        this.#readingEnd = {};
        this.wake();
      },
    });
  }

  /** A reader that is in no hurry keeps no file open, which may be removed meanwhile: it goes on from its place when it wants more. */
  #letGo(): void {
    this.#letGo$?.next();
    this.#given = [];
    this.#readingEnd = undefined;
    this.#reading = false;
  }

  /** @returns how many bytes it has shown. */
  #showGiven(): number {
    const run = this.#given.shift();
    if (run) {
      this.#lsn = run.lastLsn;
      this.#place = run.place;
      this.subscriber.next(run);
      if (!this.#wanted) this.#letGo();
      this.#letDiskGive();
      this.wake();
      return run.end - run.start;
    }
    const end = this.#readingEnd;
    if (!end) return 0;
    this.#reading = false;
    this.#readingEnd = undefined;
    if ('failure' in end) this.subscriber.error(end.failure);
    else this.wake();
    return 0;
  }

  #letDiskGive(): void {
    const givable = this.#wanted && this.#given.length === 0;
    if (givable !== this.#givable$.value) this.#givable$.next(givable);
  }
}
