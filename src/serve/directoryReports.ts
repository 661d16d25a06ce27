import {
  catchError,
  concatMap,
  defer,
  exhaustMap,
  ignoreElements,
  map,
  merge,
  of,
  retry,
  tap,
  timer,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { isVanished, surveyBesideWriter } from '../besideWriter';
import { WalCorruptError, WalIoError, WalTruncatedError } from '../errors';
import { follow, provenLsn } from '../follow';
import { floorOf } from '../retention/floor';
import type { SegmentStore } from '../store/segmentStore';
import type { Codec, StoredFrame } from '../types';
import { FilesLook, type FilesSeen } from './filesLook';
import { heldBy } from './heldBy';
import { NewestEntries } from './newestEntries';
import { Notices } from './notices';
import type { LogState, ReadersShown, Report } from './report';

export interface DirectoryReportsOptions {
  readonly intervalMs: number;
  /** How many of the newest entries are shown. */
  readonly entries: number;
  readonly codec: Codec<unknown>;
  readonly maxRecordBytes?: number | undefined;
  readonly scheduler: SchedulerLike;
}

/**
 * Reports on a log that another process writes, from its files alone: one at once, and one an interval. Takes no lock, changes nothing, and does not end
 * by itself: that the log is closed, opened again, truncated, damaged or removed is said in words, and it looks on.
 *
 * An interval is 3 frames, and a look takes one:
 *
 * ```
 * store:             s--s--s--s       s: a look
 * directoryReports:  -r--r--r--r
 * ```
 *
 * Records count when they are proven to be durable ({@link follow}). What the writer keeps in its memory, the queue and how long a commit takes, is not
 * there, and no part of these reports.
 */
export function directoryReports(store: SegmentStore, options: DirectoryReportsOptions): Observable<Report> {
  const { intervalMs, scheduler } = options;
  return defer(() => {
    const reporter = new Reporter(store, options);
    const looks$ = timer(0, intervalMs, scheduler).pipe(exhaustMap(() => reporter.look()));
    return merge(reporter.following(), looks$);
  });
}

class Reporter {
  readonly #look: FilesLook;
  readonly #entries: NewestEntries;
  readonly #notices = new Notices();
  /** Records and bytes since the last report. */
  #records = 0;
  #bytes = 0;
  #lastLsn: number | undefined;
  /** Up to here records had been there before this was: they are shown, and not counted. */
  #before = 0;
  #reportedAtMs: number | undefined;
  #seen: FilesSeen | undefined;

  constructor(
    private readonly store: SegmentStore,
    private readonly options: DirectoryReportsOptions,
  ) {
    this.#look = new FilesLook(store);
    this.#entries = new NewestEntries(options.entries);
  }

  /** Reads every record as it becomes durable. Emits nothing; what stops it is told, and it begins again. */
  following(): Observable<never> {
    const { intervalMs, codec, maxRecordBytes, scheduler } = this.options;
    return defer(() => this.#begin()).pipe(
      concatMap((after) =>
        follow(this.store, { after, intervalMs: Math.min(intervalMs, 200), maxRecordBytes, scheduler }),
      ),
      tap((frame) => {
        this.#count(frame);
        this.#entries.addFrame(frame, codec);
      }),
      ignoreElements(),
      retry({
        delay: (error: unknown) => {
          this.#tell(error);
          return timer(intervalMs, scheduler);
        },
      }),
    );
  }

  /** Where to begin: so that the newest entries come first of all, and the rest as it is written. */
  #begin(): Observable<number | undefined> {
    const { entries, maxRecordBytes } = this.options;
    return surveyBesideWriter(this.store).pipe(
      concatMap(({ segments: [oldest] }) => {
        if (!oldest) return of(undefined);
        return provenLsn(this.store, maxRecordBytes).pipe(
          map((proven) => {
            // Another log, or one that has lost its end: nothing of it has been shown.
            if (this.#lastLsn !== undefined && proven < this.#lastLsn) this.#entries.clear();
            this.#before = proven;
            this.#lastLsn = proven;
            return Math.max(oldest.firstLsn - 1, proven - entries);
          }),
        );
      }),
    );
  }

  #count({ lsn, start, end }: StoredFrame): void {
    if (lsn <= this.#before) return;
    this.#lastLsn = lsn;
    this.#records += 1;
    this.#bytes += end - start;
  }

  #tell(error: unknown): void {
    // That the directory or a file is gone is the state of the log, and the looks say so.
    if (isVanished(error) || codeOf(error) === 'ENOENT') return;
    const text =
      error instanceof WalTruncatedError
        ? `A checkpoint removed records before they were read here: ${error.message}`
        : `Reading the newest records stopped, and begins again: ${messageOf(error)}`;
    this.#notices.add(this.options.scheduler.now(), text);
  }

  /** One report. */
  look(): Observable<Report> {
    return this.#look.take().pipe(
      map((seen) => {
        this.#seen = seen;
        return this.#report(stateOf(seen));
      }),
      catchError((error: unknown) => {
        this.#seen = undefined;
        return of(this.#report(stateOfFailure(error)));
      }),
    );
  }

  #report(state: LogState): Report {
    const atMs = this.options.scheduler.now();
    const seconds = this.#reportedAtMs === undefined ? 0 : (atMs - this.#reportedAtMs) / 1000;
    const rate = (count: number): number | null => (seconds > 0 ? count / seconds : null);
    const point = {
      atMs,
      records: rate(this.#records),
      bytes: rate(this.#bytes),
      commits: null,
      commitMs: null,
      commitP99Ms: null,
      batchRecords: null,
      queueRecords: null,
    };
    this.#reportedAtMs = atMs;
    this.#records = 0;
    this.#bytes = 0;
    return {
      source: 'directory',
      dir: this.store.dir,
      atMs,
      state,
      point,
      metrics: undefined,
      lastLsn: this.#lastLsn,
      durableLsn: this.#lastLsn,
      files: this.#seen?.files,
      held: this.#seen && heldIn(this.#seen, this.#lastLsn ?? 0),
      entries: this.#entries.shown,
      notices: this.#notices.list,
    };
  }
}

function heldIn({ files, holds }: FilesSeen, lastLsn: number): ReadersShown {
  const readers = holds.readers.map((reader) => ({ ...reader, lag: Math.max(0, lastLsn - reader.lsn) }));
  const { floorLsn, keptBy } = floorOf(files.checkpoint, holds);
  return heldBy(readers, floorLsn, keptBy);
}

function stateOf({ isEmpty, endsWithMark }: FilesSeen): LogState {
  if (isEmpty) return { word: 'empty', text: 'There is no log in this directory' };
  if (endsWithMark === undefined) {
    return { word: 'unclosed', text: 'Not closed: a process has it open, or a crash has left it' };
  }
  return {
    word: 'closed',
    text: `Closed: it ends with a mark for LSN ${endsWithMark}, and nothing has been written since`,
  };
}

function stateOfFailure(error: unknown): LogState {
  if (isVanished(error)) return { word: 'unclosed', text: 'Files are being removed while they are read' };
  if (codeOf(error) === 'ENOENT') return { word: 'absent', text: 'The directory is not there' };
  if (error instanceof WalCorruptError) return { word: 'damaged', text: `Damaged: ${error.message}` };
  return { word: 'unreadable', text: `Cannot be read: ${messageOf(error)}` };
}

function codeOf(error: unknown): string | undefined {
  return error instanceof WalIoError ? (error.cause as NodeJS.ErrnoException | undefined)?.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
