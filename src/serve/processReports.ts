import {
  EMPTY,
  Subject,
  catchError,
  defer,
  distinctUntilChanged,
  exhaustMap,
  ignoreElements,
  map,
  merge,
  of,
  repeat,
  switchMap,
  take,
  takeUntil,
  tap,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { WalClosedError, WalTruncatedError } from '../errors';
import { measuredCommits } from '../metrics/measuredCommits';
import type { WalMetrics } from '../metrics/walMetrics';
import { metrics } from '../operators/metrics';
import type { SegmentStore } from '../store/segmentStore';
import type { WalState } from '../types';
import type { Wal } from '../wal';
import { FilesLook } from './filesLook';
import { heldBy } from './heldBy';
import { NewestEntries } from './newestEntries';
import { Notices } from './notices';
import { pointOf } from './pointOf';
import type { FilesShown, ReadersShown, Report } from './report';

export interface ProcessReportsOptions {
  readonly intervalMs: number;
  /** How many of the newest entries are shown. */
  readonly entries: number;
  readonly scheduler: SchedulerLike;
  /** Whether anybody looks: files and entries are read only then. */
  readonly watched$: Observable<boolean>;
  /** The log's directory. */
  readonly store: SegmentStore;
}

/** Reading entries back is followed by so many times as long without. */
const REST_AFTER_READING = 9;

/** How each state reads. */
const STATE_TEXT: Readonly<Record<WalState, string>> = {
  open: 'Open in this process',
  closing: 'Closing: takes nothing more, and what was accepted becomes durable',
  closed: 'Closed',
  poisoned: 'Stopped: a write or an fsync failed, and nothing more is acknowledged',
};

/**
 * Reports on a log of this process: one an interval, and one when it ends or stops. `c` is a commit, the interval 3 frames:
 *
 * ```
 * commits$:        -c--c---c-|
 * processReports:  ---r--r--r(r|)
 * ```
 *
 * What it listens to hears of no failure in the place of the application ({@link measuredCommits}). Sizes and entries are read from the files while somebody looks: entries for a tenth of the time at most.
 */
export function processReports(wal: Wal<unknown>, options: ProcessReportsOptions): Observable<Report> {
  const { intervalMs, scheduler, watched$ } = options;
  return defer(() => {
    const reporter = new Reporter(wal, options);
    const ended$ = new Subject<void>();
    const looks$ = watched$.pipe(
      distinctUntilChanged(),
      switchMap((watched) => (watched ? merge(reporter.looks(), reporter.reads()) : EMPTY)),
      ignoreElements(),
      takeUntil(ended$),
    );
    const reports$ = measuredCommits(wal).pipe(
      metrics(wal, { intervalMs, scheduler }),
      // A log that is not of ours may have no such; that it stopped is in its last sample.
      catchError(() => EMPTY),
      map((sample) => reporter.report(sample)),
      tap({
        complete: () => {
          ended$.next();
        },
      }),
    );
    return merge(looks$, reports$);
  });
}

class Reporter {
  readonly #look: FilesLook;
  readonly #entries: NewestEntries;
  readonly #notices = new Notices();
  #files: FilesShown | undefined;
  #own = false;
  #readLsn = 0;
  #readers: ReadersShown | undefined;
  #last: WalMetrics | undefined;

  constructor(
    private readonly wal: Wal<unknown>,
    private readonly options: ProcessReportsOptions,
  ) {
    this.#look = new FilesLook(options.store);
    this.#entries = new NewestEntries(options.entries);
  }

  /** Looks at the files, at once and again each interval. */
  looks(): Observable<unknown> {
    const { intervalMs, scheduler } = this.options;
    return timer(0, intervalMs, scheduler).pipe(
      exhaustMap(() =>
        this.#look.take().pipe(
          map(({ files }) => (this.#isOwn(files) ? files : this.#counted())),
          // A log on another store than the disk, or files that go while they are looked at.
          catchError(() => of(this.#files ?? this.#counted())),
          tap((files) => {
            this.#files = files;
          }),
        ),
      ),
    );
  }

  /** Whether these are the log's files, and not those of another one, at a path that a log in memory happens to go by. */
  #isOwn({ segments, olderSegments, firstLsn }: FilesShown): boolean {
    const { wal } = this;
    this.#own ||= firstLsn === wal.firstLsn && olderSegments + segments.length === wal.stats.segments;
    return this.#own;
  }

  /** Segments by their number alone. */
  #counted(): FilesShown {
    const { firstLsn, lastCheckpoint, stats } = this.wal;
    return { segments: [], olderSegments: stats.segments, checkpoint: lastCheckpoint, firstLsn };
  }

  /** Reads the newest entries back, where there are newer ones, and rests. */
  reads(): Observable<unknown> {
    const { intervalMs, scheduler } = this.options;
    let beganMs = 0;
    return defer(() => {
      beganMs = scheduler.now();
      return this.#read();
    }).pipe(
      repeat({
        delay: () => timer(Math.max(intervalMs, (scheduler.now() - beganMs) * REST_AFTER_READING), scheduler),
      }),
    );
  }

  #read(): Observable<unknown> {
    const { durableLsn, firstLsn } = this.wal;
    const { entries } = this.options;
    if (entries === 0 || durableLsn <= this.#readLsn) return EMPTY;
    const after = Math.max(this.#readLsn, firstLsn - 1, durableLsn - entries);
    return this.wal.read({ after, until: durableLsn }).pipe(
      tap((entry) => {
        this.#entries.addEntry(entry);
        this.#readLsn = entry.lsn;
      }),
      catchError((error: unknown) => {
        // A checkpoint has removed them meanwhile, or the log is closed.
        if (error instanceof WalTruncatedError || error instanceof WalClosedError) return EMPTY;
        const why = error instanceof Error ? error.message : String(error);
        this.#notices.add(this.options.scheduler.now(), `The newest entries could not be read: ${why}`);
        return EMPTY;
      }),
    );
  }

  report(sample: WalMetrics): Report {
    const point = pointOf(sample, this.#last);
    this.#last = sample;
    return {
      source: 'process',
      dir: this.wal.dir,
      atMs: sample.atMs,
      state: { word: sample.state, text: STATE_TEXT[sample.state] },
      point,
      metrics: sample,
      lastLsn: sample.lastLsn,
      durableLsn: sample.durableLsn,
      files: this.#files,
      held: this.#held(),
      entries: this.#entries.shown,
      notices: this.#notices.list,
    };
  }

  /** As it is now. A subscription that stays would cost each commit something. */
  #held(): ReadersShown | undefined {
    this.wal.retention$.pipe(take(1)).subscribe({
      next: ({ readers, floorLsn, keptBy }) => {
        this.#readers = heldBy(readers, floorLsn, keptBy);
      },
      // The log has ended: what was is what is.
      error: () => undefined,
    });
    return this.#readers;
  }
}
