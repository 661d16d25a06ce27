import { basename } from 'node:path';
import {
  EMPTY,
  Subject,
  catchError,
  defer,
  distinctUntilChanged,
  exhaustMap,
  forkJoin,
  from,
  ignoreElements,
  map,
  merge,
  of,
  repeat,
  switchMap,
  takeUntil,
  tap,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { WalClosedError, WalTruncatedError } from '../errors';
import type { WalMetrics } from '../metrics/walMetrics';
import { metrics } from '../operators/metrics';
import { segmentSequence, type SegmentStore } from '../store/segmentStore';
import type { WalState } from '../types';
import type { Wal } from '../wal';
import { FilesLook } from './filesLook';
import { NewestEntries } from './newestEntries';
import { Notices } from './notices';
import { pointOf } from './pointOf';
import type { FilesShown, Report } from './report';

export interface ProcessReportsOptions {
  readonly intervalMs: number;
  /** How many of the newest entries are shown. */
  readonly entries: number;
  readonly scheduler: SchedulerLike;
  /** Whether anybody looks: files and entries are read only then. */
  readonly watched$: Observable<boolean>;
  /** The log's directory. */
  readonly store: SegmentStore;
  /** The log has stopped. */
  readonly onStopped: (error: unknown) => void;
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
 * It subscribes to `commits$` alone. Sizes and entries are read from the files while somebody looks: entries for a tenth of the time at most.
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
    const reports$ = wal.commits$.pipe(
      metrics(wal, { intervalMs, scheduler }),
      map((sample) => reporter.report(sample)),
      catchError((error: unknown) => {
        options.onStopped(error);
        return of(reporter.stopped(error));
      }),
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
  #readLsn = 0;
  #last: WalMetrics | undefined;
  #report: Report | undefined;

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
        forkJoin([from(this.wal.logFiles()), this.#look.take()]).pipe(
          tap(([paths, { files }]) => {
            this.#files = isOf(paths, files) ? files : this.#named(paths);
          }),
          // A log on another store than the disk, or files that go while they are looked at.
          catchError(() =>
            from(this.wal.logFiles()).pipe(
              tap((paths) => {
                this.#files = this.#named(paths);
              }),
            ),
          ),
        ),
      ),
    );
  }

  /** Segments by their names alone. */
  #named(paths: readonly string[]): FilesShown {
    const { firstLsn, lastCheckpoint } = this.wal;
    return { segments: [], olderSegments: paths.length, checkpoint: lastCheckpoint, firstLsn };
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
    this.#report = {
      source: 'process',
      dir: this.wal.dir,
      atMs: sample.atMs,
      state: { word: sample.state, text: STATE_TEXT[sample.state] },
      point,
      metrics: sample,
      lastLsn: sample.lastLsn,
      durableLsn: sample.durableLsn,
      files: this.#files,
      readers: undefined,
      entries: this.#entries.shown,
      notices: this.#notices.list,
    };
    return this.#report;
  }

  /** The last report again, and what has stopped the log. */
  stopped(error: unknown): Report {
    const { scheduler } = this.options;
    const why = error instanceof Error ? error.message : String(error);
    this.#notices.add(scheduler.now(), `The log stopped: ${why}`);
    // The last sample has come before the error.
    const last = this.#report as Report;
    return {
      ...last,
      state: { word: 'poisoned', text: `${STATE_TEXT.poisoned}: ${why}` },
      notices: this.#notices.list,
    };
  }
}

/** Whether these are files of the log itself, and not of one that happens to have the path of a log in memory. */
function isOf(paths: readonly string[], { segments, olderSegments }: FilesShown): boolean {
  const own = new Set(paths.map((path) => segmentSequence(basename(path))));
  return (
    segments.length > 0 && olderSegments + segments.length > 0 && segments.some(({ sequence }) => own.has(sequence))
  );
}
