import { randomBytes } from 'node:crypto';
import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defaultIfEmpty,
  defer,
  ignoreElements,
  map,
  of,
  tap,
  throwError,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { afterFailure } from './afterFailure';
import { monotonicScheduler } from './clock';
import { WalCorruptError, WalError } from './errors';
import { lsnBehind } from './format/group';
import { HEADER_BYTES, LOG_ID_BYTES, encodeHeader } from './format/header';
import { asIoError } from './ioError';
import { wholeBelow } from './operators/checkpoint';
import { readChunks } from './reading/readChunks';
import { segmentFrames, withFile } from './reading/segmentFrames';
import { floorOf } from './retention/floor';
import { lostAtTheEnd, provenBeside } from './provenBeside';
import { replaceFile } from './store/replaceFile';
import { TEMPORARY_SUFFIX, segmentName, type SegmentStore } from './store/segmentStore';
import { SegmentWriter, type SegmentWriterOptions } from './store/segmentWriter';
import { survey, type Survey } from './survey';
import { examineTail } from './tornTail';
import type { Checkpoint, Holds, Recovery, SegmentInfo, SegmentSink, SegmentStart } from './types';

export interface RecoverOptions extends SegmentWriterOptions {
  /** Largest payload the log may hold, in bytes. */
  readonly maxRecordBytes: number;
  /** Whose clock times the recovery. Default: one that does not jump. */
  readonly scheduler?: SchedulerLike | undefined;
}

/** A log ready to go on: what `frame`, `checksum`, `rotate`, `commit` and `checkpoint` need to know. */
export interface Recovered {
  readonly logId: Uint8Array;
  /** Oldest first; the last is being written. */
  readonly segments: readonly SegmentInfo[];
  /** Where the next batch goes. */
  readonly segment: SegmentSink;
  /** That segment, for `rotate`. */
  readonly from: SegmentStart;
  /** Makes the next one. */
  readonly createSegment: (segment: SegmentInfo) => Observable<SegmentSink>;
  /** The last LSN in the log; everything up to it is durable. */
  readonly lastLsn: number;
  /** The mark that names it, behind which the next batch goes; -1 where there is none. */
  readonly markedLsn: number;
  readonly checkpoint: Checkpoint | undefined;
  /** Who needs the log: what `checkpoint` must know so that it removes nothing that a reader has not taken. */
  readonly holds: Holds;
  readonly recovery: Recovery;
}

const READ_TWICE = 'the disk gave other bytes than at the first reading';

/** Where the last segment ends, and what made that necessary. */
interface Ending {
  readonly firstLsn: number;
  readonly lastLsn: number;
  /** Offset behind the last valid frame, or of the final mark. */
  readonly end: number;
  readonly clean: boolean;
  readonly bytesCut: number;
}

/**
 * Finds out where a log goes on, and makes it so. The caller holds the store's lock.
 *
 * Names, headers and `checkpoint.meta` are read and held against each other, and the last segment alone is scanned. After a clean
 * close the log goes on behind it. After anything else what was read may exist in the page cache only, so the valid prefix is
 * copied into a new file, made durable, and renamed over the old one before this emits; a torn tail goes no further. Every step can
 * be interrupted and done again.
 *
 * Fails, with nothing changed, with `WalCorruptError` for damage, `WalVersionError` for a newer format, `WalRecordError` for a
 * record above `maxRecordBytes`, and `WalIoError` for a file that cannot be read: only a successful read of no bytes is the end.
 */
export function recover(store: SegmentStore, options: RecoverOptions): Observable<Recovered> {
  const scheduler = options.scheduler ?? monotonicScheduler;
  return defer(() => {
    const started = scheduler.now();
    return survey(store).pipe(
      concatMap((found) => {
        const logId = found.logId ?? Uint8Array.from(randomBytes(LOG_ID_BYTES));
        const log: Log = { store, found, logId, options };
        return resume(log).pipe(concatMap((resumed) => tidy(log, resumed)));
      }),
      map((recovered) => ({
        ...recovered,
        recovery: { ...recovered.recovery, milliseconds: scheduler.now() - started },
      })),
    );
  });
}

/** What every step of a recovery needs. */
interface Log {
  readonly store: SegmentStore;
  readonly found: Survey;
  readonly logId: Uint8Array;
  readonly options: RecoverOptions;
}

/** The last segment, open at the place where the log goes on. */
interface Resumed {
  readonly segments: readonly SegmentInfo[];
  readonly segment: SegmentWriter;
  readonly ending: Ending;
  readonly markedLsn: number;
  /** The segment that was written anew. Default: the last one, unless the log was closed. */
  readonly rewritten?: number | undefined;
}

function resume(log: Log): Observable<Resumed> {
  const { segments, headless } = log.found;
  const last = segments.at(-1);
  if (headless) return remake(log, headless);
  return last ? goOn(log, last) : begin(log);
}

/** A new log. */
function begin({ store, logId, options }: Log): Observable<Resumed> {
  const first: SegmentInfo = { sequence: 0, firstLsn: 1 };
  const ending: Ending = { firstLsn: 1, lastLsn: 0, end: HEADER_BYTES, clean: true, bytesCut: 0 };
  return SegmentWriter.create(store, first.sequence, { firstLsn: first.firstLsn, logId }, options).pipe(
    asIoError('Making', segmentName(first.sequence)),
    map((segment) => ({ segments: [first], segment, ending, markedLsn: 0 })),
  );
}

/** The usual case: scan the last segment, and go on at its end. */
function goOn(log: Log, last: SegmentInfo): Observable<Resumed> {
  const { store, found, options } = log;
  const name = segmentName(last.sequence);
  return scan(log, last, 'tail').pipe(
    concatMap((ending) => {
      const before = found.segments.at(-2);
      // A mark behind the header was written when the header had long been durable.
      if (ending.lastLsn >= last.firstLsn || ending.clean || !before) return of({ ending, stale: false });
      // No record in it tells where it begins: on some file systems an old block can stand in its header's place after a crash.
      return scan(log, before, 'whole').pipe(
        map(({ lastLsn, end }) => {
          const isEmpty = ending.end === HEADER_BYTES && ending.bytesCut === 0;
          if (lastLsn < ending.lastLsn) throw endsTooEarly(segmentName(before.sequence), end, lastLsn, ending.lastLsn);
          if (lastLsn > ending.lastLsn && !isEmpty) throw beginsTooEarly(name, last.firstLsn, lastLsn);
          return { ending, stale: lastLsn > ending.lastLsn };
        }),
      );
    }),
    concatMap(({ ending, stale }) => {
      if (stale)
        return remake(
          { ...log, found: { ...found, segments: found.segments.slice(0, -1) } },
          { sequence: last.sequence, bytes: HEADER_BYTES },
        );
      refuseLostRecords(found, ending, name);
      if (last.groups === false) return leave(log, last, ending);
      return concat(
        ending.clean ? EMPTY : rewrite(log, last, ending),
        openAt(store, last.sequence, ending.end, options).pipe(
          map((segment) => ({ segments: found.segments, segment, ending, markedLsn: -1 })),
        ),
      );
    }),
  );
}

/**
 * The last segment was made by an earlier rxwal, and its header allows no group: the log goes on in a segment whose header does. One that holds no
 * record gets such a header; any other ends here, as at a rotation. A crash in between leaves a log that was not closed, or a segment without a header.
 */
function leave(log: Log, last: SegmentInfo, ending: Ending): Observable<Resumed> {
  const { store, found, logId, options } = log;
  const name = segmentName(last.sequence);
  const { firstLsn, lastLsn, end } = ending;
  if (lastLsn < firstLsn) {
    const segments = [...found.segments.slice(0, -1), { sequence: last.sequence, firstLsn }];
    return concat(
      rewrite(log, last, ending, encodeHeader({ firstLsn, logId })),
      openAt(store, last.sequence, end, options).pipe(
        map((segment) => ({ segments, segment, ending, markedLsn: -1, rewritten: last.sequence })),
      ),
    );
  }
  const next: SegmentInfo = { sequence: last.sequence + 1, firstLsn: lastLsn + 1 };
  const rewritten = ending.clean ? undefined : last.sequence;
  const ended = openAt(store, last.sequence, end, options).pipe(
    // Up to here it is durable; a mark behind that is perhaps not, and goes.
    concatMap((segment) =>
      segment.seal().pipe(
        asIoError('Ending', name),
        afterFailure(() => segment.abandon()),
      ),
    ),
    ignoreElements(),
  );
  return concat(
    rewritten === undefined ? EMPTY : rewrite(log, last, ending),
    ended,
    SegmentWriter.create(store, next.sequence, { firstLsn: next.firstLsn, logId }, options).pipe(
      asIoError('Making', segmentName(next.sequence)),
      map((segment) => ({
        segments: [...found.segments, next],
        segment,
        ending: { ...ending, firstLsn: next.firstLsn, end: HEADER_BYTES },
        markedLsn: -1,
        rewritten,
      })),
    ),
  );
}

function endsTooEarly(file: string, offset: number, lastLsn: number, durableLsn: number): WalCorruptError {
  const reason = `the segment ends with LSN ${lastLsn}, and LSN ${durableLsn} was durable`;
  return new WalCorruptError({ file, offset, lsn: lastLsn + 1, reason });
}

function beginsTooEarly(file: string, firstLsn: number, lastLsn: number): WalCorruptError {
  const reason = `it begins at LSN ${firstLsn}, and the segment before it ends with LSN ${lastLsn}`;
  return new WalCorruptError({ file, offset: 0, lsn: firstLsn, reason });
}

/** The last segment has no header, and nothing behind it: the trace of a crash during rotation. It is made again. */
function remake(log: Log, { sequence, bytes: bytesCut }: NonNullable<Survey['headless']>): Observable<Resumed> {
  const { store, found, logId, options } = log;
  const name = segmentName(sequence);
  const before = found.segments.at(-1);
  const previous: Observable<Pick<Ending, 'lastLsn'>> = before ? scan(log, before, 'whole') : of({ lastLsn: 0 });
  return previous.pipe(
    concatMap(({ lastLsn }) => {
      if (before && lastLsn < before.firstLsn) {
        // No rotation leaves a segment without a record behind it: these two would begin at the same LSN.
        const reason = 'it has no header, and the segment before it no record';
        throw new WalCorruptError({ file: name, offset: 0, lsn: lastLsn + 1, reason });
      }
      const ending: Ending = { firstLsn: lastLsn + 1, lastLsn, end: HEADER_BYTES, clean: false, bytesCut };
      refuseLostRecords(found, ending, name);
      const header = encodeHeader({ firstLsn: ending.firstLsn, logId });
      const segments = [...found.segments, { sequence, firstLsn: ending.firstLsn }];
      return concat(
        replaceFile(store, name, (file) => file.write([header], 0)).pipe(asIoError('Making', name)),
        openAt(store, sequence, HEADER_BYTES, options).pipe(
          map((segment) => ({ segments, segment, ending, markedLsn: -1 })),
        ),
      );
    }),
  );
}

/**
 * Reads a segment to its end.
 *
 * @param ending `'tail'`: the last segment, whose end a crash may have torn. `'whole'`: any other, of which a rotation made all
 *   durable before its successor existed; there everything that is not valid is damage.
 */
function scan(log: Log, { sequence, firstLsn, groups }: SegmentInfo, ending: 'tail' | 'whole'): Observable<Ending> {
  const { store, logId } = log;
  const { maxRecordBytes } = log.options;
  const name = segmentName(sequence);
  return withFile(store, name, (file) =>
    file.size().pipe(
      concatMap((size) => {
        let lastLsn = firstLsn - 1;
        let end = HEADER_BYTES;
        /** Offset of the final frame, where that is a mark for the last record. */
        let sealedAt: number | undefined;
        const upTo = (clean: boolean, bytesCut: number): Ending => ({
          firstLsn,
          lastLsn,
          end: clean && sealedAt !== undefined ? sealedAt : end,
          clean,
          bytesCut,
        });
        return segmentFrames(file, { logId, after: lastLsn, maxRecordBytes, groups, size }).pipe(
          tap((frame) => {
            lastLsn = lsnBehind(frame, lastLsn);
            end = frame.offset + (frame.end - frame.start);
            sealedAt = frame.kind === 'mark' && frame.lsn === lastLsn ? frame.offset : undefined;
          }),
          ignoreElements(),
          defaultIfEmpty(undefined),
          map(() => upTo(sealedAt !== undefined, 0)),
          catchError((error: unknown) => {
            if (ending === 'whole' || !(error instanceof WalCorruptError)) return throwError(() => error);
            return examineTail(file, error, { logId, size, groups }).pipe(map((torn) => upTo(false, torn)));
          }),
        );
      }),
    ),
  ).pipe(asIoError('Reading', name));
}

/** A checkpoint, and a reader, are saved after everything up to their LSN is durable: a log that ends before has lost records. */
function refuseLostRecords({ checkpoint, holds }: Survey, { lastLsn, end }: Ending, file: string): void {
  const reason = lostAtTheEnd(lastLsn, provenBeside(checkpoint, holds));
  if (reason !== undefined) throw new WalCorruptError({ file, offset: end, lsn: lastLsn + 1, reason });
}

/**
 * Copies what was scanned into a new file and puts that in the place of the old one. The copy is checked as the first reading was: where
 * the kernel has dropped a page in between, the second reading may have brought something else.
 *
 * @param header put in the place of the old one. Default: that stays.
 */
function rewrite(
  log: Log,
  { sequence, groups }: SegmentInfo,
  { firstLsn, lastLsn, end }: Ending,
  header?: Uint8Array,
): Observable<never> {
  const { store, logId, options } = log;
  const name = segmentName(sequence);
  return replaceFile(store, name, (file) => {
    let at = 0;
    // Closed again before the rename: Windows refuses to replace a file that is open.
    const copied = withFile(store, name, (old) =>
      readChunks(old, 0, end).pipe(
        concatMap((chunk) => {
          const from = at;
          at += chunk.length;
          return file.write(from === 0 && header ? [header, chunk.subarray(HEADER_BYTES)] : [chunk], from);
        }),
      ),
    );
    let copiedLsn = firstLsn - 1;
    const checked = segmentFrames(file, {
      logId,
      after: copiedLsn,
      maxRecordBytes: options.maxRecordBytes,
      groups,
      size: end,
    }).pipe(
      tap((frame) => {
        copiedLsn = lsnBehind(frame, copiedLsn);
      }),
      tap({
        complete: () => {
          if (at !== end || copiedLsn !== lastLsn) throw new Error(READ_TWICE);
        },
      }),
      // A disk that fails says so itself; this is one that does not.
      catchError((cause: unknown) =>
        throwError(() => (cause instanceof WalError ? new Error(READ_TWICE, { cause }) : cause)),
      ),
    );
    return concat(copied, checked);
  }).pipe(asIoError('Rewriting', name));
}

function openAt(
  store: SegmentStore,
  sequence: number,
  position: number,
  options: RecoverOptions,
): Observable<SegmentWriter> {
  const name = segmentName(sequence);
  return store.open(name, 'write').pipe(
    asIoError('Opening', name),
    map((file) => new SegmentWriter(sequence, file, position, options)),
  );
}

/** Ends what a crash interrupted: half-made files, and segments that a checkpoint had begun to remove. */
function tidy(log: Log, { segments, segment, ending, markedLsn, ...resumed }: Resumed): Observable<Recovered> {
  const { store, found, logId, options } = log;
  const { floorLsn } = floorOf(found.checkpoint, found.holds);
  const below = wholeBelow(floorLsn, segment.sequence, segments);
  const kept = segments.slice(below.length);
  // The rewrite of this segment has used up what a crash may have left of an earlier one.
  const { rewritten = ending.clean ? undefined : segment.sequence } = resumed;
  const used = rewritten === undefined ? undefined : segmentName(rewritten) + TEMPORARY_SUFFIX;
  const leftovers = found.leftovers.filter((name) => name !== used);
  const unwanted = [...leftovers, ...[...found.orphans, ...below].map(({ sequence }) => segmentName(sequence))];
  const syncDir = defer(() => store.syncDir()).pipe(asIoError('Syncing', store.dir));
  const removed = concat(
    // What says that segments may go are checkpoint.meta and readers.meta, which have been read and may not be on the disk yet.
    below.length + found.orphans.length > 0 ? syncDir : EMPTY,
    ...unwanted.map((name) => store.remove(name).pipe(asIoError('Removing', name))),
    unwanted.length > 0 ? syncDir : EMPTY,
  ).pipe(ignoreElements());
  const firstLsn = kept[0]?.firstLsn ?? ending.firstLsn;
  const recovered: Recovered = {
    logId,
    segments: kept,
    segment,
    from: { sequence: segment.sequence, firstLsn: ending.firstLsn, lastLsn: ending.lastLsn, bytes: ending.end },
    createSegment: (next) => SegmentWriter.create(store, next.sequence, { firstLsn: next.firstLsn, logId }, options),
    lastLsn: ending.lastLsn,
    markedLsn,
    checkpoint: found.checkpoint,
    // What a cap had cut has gone by now, or never will by that word.
    holds: { ...found.holds, cutLsn: Math.min(found.holds.cutLsn, (kept[0]?.firstLsn ?? 1) - 1) },
    recovery: {
      clean: ending.clean,
      firstLsn,
      lastLsn: ending.lastLsn,
      records: ending.lastLsn - firstLsn + 1,
      bytesCut: ending.bytesCut,
      segments: kept.length,
      checkpoint: found.checkpoint,
      milliseconds: 0,
    },
  };
  return concat(removed, of(recovered)).pipe(afterFailure(() => segment.abandon()));
}
