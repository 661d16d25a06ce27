import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defer,
  endWith,
  every,
  filter,
  finalize,
  from,
  ignoreElements,
  of,
  repeat,
  tap,
  throwError,
  timer,
  zip,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { framesFrom, isDamage, isVanished, judgeTail, surveyBesideWriter, type FramesPlace } from './besideWriter';
import { monotonicScheduler } from './clock';
import { WalCorruptError, WalTruncatedError } from './errors';
import { lsnBehind, recordFrames, type RecordFrame } from './format/group';
import { HEADER_BYTES, decodeHeader, type SegmentHeader } from './format/header';
import { asIoError } from './ioError';
import { checkMaxRecordBytes, checkReadOptions, integer } from './options';
import { pastTheEnd } from './read';
import { readChunks } from './reading/readChunks';
import { withFile } from './reading/segmentFrames';
import { segmentName, type SegmentFile, type SegmentStore } from './store/segmentStore';
import type { Survey } from './survey';
import type { Checkpoint, SegmentInfo, StoredFrame } from './types';

export interface FollowOptions {
  /** Records up to this LSN are left out. Default: from the first one there. */
  readonly after?: number | undefined;
  /** Milliseconds between one look and the next. Default 200. */
  readonly intervalMs?: number | undefined;
  /** Largest payload accepted, in bytes. Default 16 MiB. */
  readonly maxRecordBytes?: number | undefined;
  /** Whose clock times the looks. Default: one that does not jump. */
  readonly scheduler?: SchedulerLike | undefined;
  /** Whether to follow on, or to end after the first look. Default `true`. */
  readonly live?: boolean | undefined;
}

const DEFAULT_INTERVAL_MS = 200;

/**
 * The records of a log that another process is writing, in LSN order, each once, and **only when it is proven to be durable**. Takes no
 * lock and changes nothing. Does not end by itself. A payload is valid until the subscriber returns.
 *
 * The log grows by `b` and `c`; a look comes every 3 frames of time, and `c` is proven later than it is written:
 *
 * ```
 * file:           a-b--c---m--
 * follow(store):  a--b-----(c)     m: the mark that names c, seen by the look at 9
 * ```
 *
 * What is in a file is what the page cache shows, and that may not be on the disk. These prove that it is:
 *
 * - A mark: it is written after the fsync that it speaks of.
 * - A next segment with a header: rotation makes a segment durable before it makes another.
 * - `checkpoint.meta`: it is saved after everything up to its LSN is durable.
 * - An fsync of ours, for bytes that came after this reader had opened the file. Linux tells a failed writeback to every descriptor that
 *   was open when it failed, and perhaps to none that is opened later, when the kernel calls the lost pages clean. So the follower keeps a
 *   descriptor, the _witness_, and knows what stood in the file when it was new. What has come since, is the same through the witness, and
 *   survives an fsync through it, is durable. What stood there before and is named by no mark stays hidden until one names it: after a
 *   crash that is what the writer's recovery has to make durable first.
 *
 * A writer that was killed and comes back copies the valid part of its last segment into a new file and renames that over the
 * old one; a close trims the zeros. Neither moves a frame that was shown. So each look opens the file by its name, and reads on behind
 * the last record shown; whatever the witness does not confirm, because its file is another one by now, waits for a mark.
 *
 * Its errors: `WalTruncatedError` (a checkpoint has removed the next record; `firstLsn` is the first one there), `WalCorruptError`
 * (damage, or another log in the place of this one), RangeError (`after` is past the last record), `WalVersionError`, `WalRecordError`
 * (above `maxRecordBytes`), `WalIoError`.
 *
 * @throws RangeError or TypeError for a bad option, at once.
 */
export function follow(store: SegmentStore, options: FollowOptions = {}): Observable<RecordFrame> {
  checkReadOptions({ after: options.after });
  const intervalMs = integer('intervalMs', options.intervalMs ?? DEFAULT_INTERVAL_MS, 0);
  const maxRecordBytes = checkMaxRecordBytes(options.maxRecordBytes);
  const scheduler = options.scheduler ?? monotonicScheduler;
  return defer(() => {
    const follower = new Follower(store, options.after, maxRecordBytes);
    const look$ = defer(() => follower.look());
    const looks$ = options.live === false ? look$ : look$.pipe(repeat({ delay: () => timer(intervalMs, scheduler) }));
    return looks$.pipe(
      finalize(() => {
        follower.forgetWitness();
      }),
    );
  });
}

/**
 * The LSN up to which the files of a log prove that it is durable: 0 for an empty log. On a log that was not closed this may be less than
 * what was acknowledged, by the last batch.
 */
export function provenLsn(store: SegmentStore, maxRecordBytes?: number): Observable<number> {
  const limit = checkMaxRecordBytes(maxRecordBytes);
  return surveyBesideWriter(store).pipe(
    concatMap(({ segments, logId, checkpoint }) => {
      const last = segments.at(-1);
      if (!last || !logId) return of(checkpoint?.lsn ?? 0);
      let proven = Math.max(last.firstLsn - 1, checkpoint?.lsn ?? 0);
      const { groups } = last;
      const place: FramesPlace = {
        logId,
        offset: HEADER_BYTES,
        after: last.firstLsn - 1,
        maxRecordBytes: limit,
        groups,
      };
      const name = segmentName(last.sequence);
      const marks = withFile(store, name, (file) => framesFrom(file, place)).pipe(
        tap(({ kind, lsn }) => {
          if (kind === 'mark') proven = Math.max(proven, lsn);
        }),
        ignoreElements(),
        catchError((error: unknown) => (error instanceof WalCorruptError ? EMPTY : throwError(() => error))),
        asIoError('Reading', name),
      );
      return concat(
        marks,
        defer(() => of(proven)),
      );
    }),
  );
}

/** Where a follower stands in the log. */
interface Place {
  readonly sequence: number;
  /** Behind the last frame that it is done with. */
  readonly offset: number;
  /** The last LSN before that. */
  readonly lsn: number;
}

/** A descriptor of the last segment, and from which offset on nothing stood in the file when it was new. */
interface Witness {
  readonly sequence: number;
  readonly file: SegmentFile;
  readonly since: number;
}

class Follower {
  #names = '';
  #survey: Survey | undefined;
  #logId: Uint8Array | undefined;
  #place: Place | undefined;
  /** The last LSN shown, or asked to be left out. */
  #lsn: number | undefined;
  #witness: Witness | undefined;
  /** The last LSN in the files, where the last look saw their end. */
  #endLsn = Infinity;

  constructor(
    private readonly store: SegmentStore,
    after: number | undefined,
    private readonly maxRecordBytes: number,
  ) {
    this.#lsn = after;
  }

  /** Shows what is proven by now, and ends. */
  look(): Observable<RecordFrame> {
    return this.#surveyed().pipe(
      concatMap((found) => this.#read(found)),
      // The file was there a moment ago: a checkpoint has removed it, as the next look will say.
      catchError((error: unknown) => (isVanished(error) ? EMPTY : throwError(() => error))),
    );
  }

  forgetWitness(): void {
    const witness = this.#witness;
    this.#witness = undefined;
    witness?.file.close().subscribe({ error: () => undefined });
  }

  /** Headers are read anew only where there are other files than at the last look. */
  #surveyed(): Observable<Survey> {
    return this.store.list().pipe(
      asIoError('Listing', this.store.dir),
      concatMap((names) => {
        const key = [...names].sort().join('/');
        if (this.#survey && !this.#survey.headless && key === this.#names) return of(this.#survey);
        return surveyBesideWriter(this.store).pipe(
          tap((found) => {
            this.#survey = found;
            this.#names = key;
          }),
        );
      }),
    );
  }

  #read({ segments, logId, checkpoint }: Survey): Observable<RecordFrame> {
    const [oldest] = segments;
    if (!oldest || !logId) return EMPTY;
    this.#logId ??= logId;
    const lsn = (this.#lsn ??= oldest.firstLsn - 1);
    if (lsn + 1 < oldest.firstLsn) return throwError(() => new WalTruncatedError(lsn + 1, oldest.firstLsn));
    const at = this.#place?.sequence;
    const first = segments.findLastIndex(({ sequence, firstLsn }) =>
      at === undefined || at < oldest.sequence ? firstLsn <= lsn + 1 : sequence === at,
    );
    const rest = segments.slice(Math.max(first, 0));
    return from(rest.entries()).pipe(
      concatMap(([index, segment]) => {
        if (this.#place?.sequence !== segment.sequence) {
          this.forgetWitness();
          this.#place = { sequence: segment.sequence, offset: HEADER_BYTES, lsn: segment.firstLsn - 1 };
        }
        const next = rest[index + 1];
        const read = next
          ? this.#readWhole(segment, this.#place, next, index === rest.length - 2)
          : this.#readLast(segment, this.#place, checkpoint);
        return concat(read.pipe(asIoError('Reading', segmentName(segment.sequence))), next ? EMPTY : this.#isTheLog());
      }),
    );
  }

  /**
   * A segment with a successor: all of it is durable.
   *
   * @param isLast whether that successor is the last one.
   */
  #readWhole(segment: SegmentInfo, place: Place, next: SegmentInfo, isLast: boolean): Observable<RecordFrame> {
    const name = segmentName(segment.sequence);
    const whole = defer(() => {
      const { lsn, offset } = this.#place ?? place;
      if (lsn === next.firstLsn - 1) return EMPTY;
      // An old block of the disk stands for the header of the last segment, until a recovery makes it again.
      if (lsn > next.firstLsn - 1 && isLast) {
        this.#survey = undefined;
        this.#place = { sequence: next.sequence, offset: HEADER_BYTES, lsn };
        return EMPTY;
      }
      const reason = `the segment ends with LSN ${lsn}, and LSN ${next.firstLsn - 1} was durable`;
      return throwError(() => new WalCorruptError({ file: name, offset, lsn: lsn + 1, reason }));
    });
    return concat(
      withFile(this.store, name, (file) => this.#frames(file, place)).pipe(concatMap((frame) => this.#pass(frame))),
      whole,
    );
  }

  /** The segment that is being written. What nothing proves stays where it is, for the next look. */
  #readLast(segment: SegmentInfo, place: Place, checkpoint: Checkpoint | undefined): Observable<RecordFrame> {
    const { sequence } = segment;
    return this.store.open(segmentName(sequence), 'read').pipe(
      concatMap((file) => {
        let unproven: StoredFrame[] = [];
        let { offset: end, lsn: lastLsn } = place;
        let proven = checkpoint?.lsn ?? 0;
        let kept = false;
        /** Of its header now: an opening may have made it anew since the survey. */
        let groups = segment.groups;
        /** This descriptor is the newer witness, and surely one of the file that has the name now. */
        const swear = (): Observable<never> => {
          kept = true;
          this.forgetWitness();
          this.#witness = { sequence, file, since: end };
          return EMPTY;
        };

        // A group passes as a whole, so by its last record.
        const pass = (durable: number): Observable<RecordFrame> => {
          const left = unproven.findIndex((frame) => lsnBehind(frame, 0) > durable);
          const passed = unproven.splice(0, left < 0 ? unproven.length : left);
          return from(passed).pipe(concatMap((frame) => this.#pass(frame)));
        };
        const onHeader = (header: SegmentHeader): void => {
          ({ groups } = header);
        };
        const byMarks = this.#frames(file, place, onHeader).pipe(
          concatMap((frame) => {
            end = frame.offset + (frame.end - frame.start);
            lastLsn = lsnBehind(frame, lastLsn);
            if (frame.kind === 'mark') proven = Math.max(proven, frame.lsn);
            unproven.push(frame);
            return lsnBehind(frame, 0) > proven ? EMPTY : pass(proven);
          }),
        );
        const byWitness = defer(() => {
          this.#endLsn = lastLsn;
          const [first] = unproven;
          const witness = this.#witness;
          if (!witness || !first || first.offset < witness.since) return swear();
          return confirms(witness.file, file, first.offset, end).pipe(
            concatMap((durable) => (durable ? pass(lastLsn) : swear())),
          );
        });
        const shown = concat(byMarks, byWitness).pipe(
          catchError((error: unknown) => {
            const { maxRecordBytes } = this;
            const logId = this.#logId;
            if (!isDamage(error) || error.offset === 0 || !logId) return throwError(() => error);
            this.#endLsn = lastLsn;
            return judgeTail(file, error, { logId, maxRecordBytes, groups }).pipe(ignoreElements());
          }),
        );
        return shown.pipe(
          finalize(() => {
            unproven = [];
            // eslint-disable-next-line rxjs-x/no-subscribe-in-pipe -- nobody waits for a descriptor that only read
            if (!kept) file.close().subscribe({ error: () => undefined });
          }),
        );
      }),
    );
  }

  /** The frames behind `place`. */
  #frames(
    file: SegmentFile,
    { offset, lsn }: Place,
    onHeader?: (header: SegmentHeader) => void,
  ): Observable<StoredFrame> {
    return file.read(0, HEADER_BYTES).pipe(
      concatMap((bytes) => {
        const header = decodeHeader(bytes, file.name);
        const { logId, groups } = header;
        onHeader?.(header);
        const before = this.#logId ?? logId;
        if (Buffer.compare(logId, before) !== 0) {
          const reason = 'it belongs to another log than at the last look';
          throw new WalCorruptError({ file: file.name, offset: 0, lsn: 0, reason });
        }
        return framesFrom(file, { logId, offset, after: lsn, maxRecordBytes: this.maxRecordBytes, groups });
      }),
    );
  }

  #isTheLog(): Observable<never> {
    return defer(() => {
      const lsn = this.#lsn ?? 0;
      const endLsn = this.#endLsn;
      return lsn > endLsn ? throwError(() => pastTheEnd(lsn, endLsn)) : EMPTY;
    });
  }

  /** Moves behind a frame, and shows those of its records that have not been shown. */
  #pass(frame: StoredFrame): Observable<RecordFrame> {
    const { offset, start, end } = frame;
    const place = this.#place;
    if (!place) return EMPTY;
    const lastLsn = lsnBehind(frame, 0);
    this.#place = { ...place, offset: offset + (end - start), lsn: lastLsn > 0 ? lastLsn : place.lsn };
    const shown = this.#lsn ?? 0;
    if (lastLsn <= shown) return EMPTY;
    this.#lsn = lastLsn;
    return from(recordFrames(frame)).pipe(filter(({ lsn }) => lsn > shown));
  }
}

/** Whether `[from, to)` is the same in both files and survives an fsync through the witness. */
function confirms(witness: SegmentFile, file: SegmentFile, from: number, to: number): Observable<boolean> {
  return zip(readChunks(witness, from, to), readChunks(file, from, to)).pipe(
    every(([one, other]) => Buffer.compare(one, other) === 0),
    concatMap((same) => (same ? witness.sync().pipe(ignoreElements(), endWith(true)) : of(false))),
    // It was told that pages are lost, or cannot fsync at all: no proof.
    catchError(() => of(false)),
  );
}
