import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defer,
  filter,
  from,
  ignoreElements,
  map,
  of,
  takeWhile,
  tap,
  throwError,
  type Observable,
} from 'rxjs';
import { isVanished, judgeTail, surveyBesideWriter } from './besideWriter';
import { cborCodec } from './codec/cborCodec';
import { WalCorruptError, WalRecordError, WalTruncatedError } from './errors';
import { HEADER_BYTES } from './format/header';
import { runUntil, type StoredRun } from './reading/storedRun';
import { entriesOf } from './reading/entriesOf';
import { lsnBehind, recordFrames } from './format/group';
import { asIoError } from './ioError';
import { deserialize } from './operators/deserialize';
import { WAL_OPTIONS, checkCallback, checkCodec, checkMaxRecordBytes, checkReadOptions, checkSignal } from './options';
import type { Gap } from './salvage/gap';
import { salvage } from './salvage/salvage';
import { provenBeside } from './provenBeside';
import { segmentRuns, withFile } from './reading/segmentFrames';
import { nodeStore } from './store/nodeStore';
import { segmentName, type SegmentStore } from './store/segmentStore';
import type { Codec, Entry, ReadOptions, SegmentInfo } from './types';
import { untilAborted } from './untilAborted';
import type { WalRecord } from './walRecord';

export interface ReadWalOptions<T> extends ReadOptions {
  /** The codec that wrote the log. Default `cborCodec()`. */
  readonly codec?: Codec<T> | undefined;
  /** Largest payload accepted, in bytes. Default 16 MiB. */
  readonly maxRecordBytes?: number | undefined;
  /**
   * What to do at damage. `'strict'` stops with `WalCorruptError`. `'salvage'` goes on with the next record that can be proven,
   * so LSNs may be missing; each place where they are is told to `onGap`.
   *
   * @default 'strict'
   */
  readonly recovery?: 'strict' | 'salvage' | undefined;
  /**
   * Is told of each gap, between the entries that it lies between; of those before `after` too. With `recovery: 'salvage'` only.
   */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /** Ends the reading with `signal.reason`; what is open is closed. Default: never. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a log that nobody writes: closed, or left by a crash. Takes no lock and changes nothing; in constant memory, in LSN order.
 *
 * A torn tail ends the stream as the end of the log does; damage is a `WalCorruptError` behind the last record before it, or, with
 * `recovery: 'salvage'`, a gap. An empty directory is an empty log.
 *
 * ```
 * strict:     --1--2--#           3 is damaged
 * salvage:    --1--2--4--5--|     onGap: { firstLsn: 3, lastLsn: 3, ... } before 4
 * ```
 *
 * Unlike an open log this one cannot know what is durable: after a crash it shows what is in the file, which may be more than was
 * acknowledged. On a log that another process is writing it shows what was there when each segment was opened, and fails with
 * `WalTruncatedError` where a checkpoint removes a segment before its turn has come.
 *
 * @param source the directory, or any store.
 * @example
 * readWal<MyEvent>('/var/lib/app/wal').subscribe(({ lsn, value }) => apply(value));
 */
export function readWal<T = WalRecord>(
  source: string | SegmentStore,
  options: ReadWalOptions<T> = {},
): Observable<Entry<T>> {
  // What is for writing only does not matter here, so that one object can serve both.
  checkReadOptions(options, ['after', 'until', 'recovery', 'onGap', 'signal', ...WAL_OPTIONS]);
  const { after, until = Infinity } = options;
  const codec = checkCodec(options.codec ?? cborCodec<T>());
  const maxRecordBytes = checkMaxRecordBytes(options.maxRecordBytes);
  checkRecovery(options);
  const signal = checkSignal(options.signal);
  return defer(() => {
    const store = typeof source === 'string' ? nodeStore(source) : source;
    if (options.recovery === 'salvage') return salvaged(store, codec, maxRecordBytes, options);
    return surveyBesideWriter(store).pipe(
      concatMap(({ segments, logId, headless, checkpoint, holds }) => {
        if (!logId) return EMPTY;
        // Behind a segment that a crash kept from being made stands one that had been whole before.
        const end = headless ? 'whole' : 'torn';
        let lastLsn = after ?? (segments[0]?.firstLsn ?? 1) - 1;
        return readRuns(store, {
          segments,
          logId,
          after,
          until,
          maxRecordBytes,
          end,
          durableLsn: provenBeside(checkpoint, holds).lsn,
        }).pipe(
          tap((run) => {
            lastLsn = run.lastLsn;
          }),
          catchError((error: unknown) =>
            isVanished(error) ? vanished(store, lastLsn, error) : throwError(() => error),
          ),
        );
      }),
      entriesOf(codec, after),
    );
  }).pipe(untilAborted(signal));
}

/** A segment that was there is gone: what has a checkpoint beside us left? */
function vanished(store: SegmentStore, lastLsn: number, error: unknown): Observable<never> {
  return surveyBesideWriter(store).pipe(
    map(({ segments }) => {
      const firstLsn = segments[0]?.firstLsn ?? 0;
      throw firstLsn > lastLsn + 1 ? new WalTruncatedError(lastLsn + 1, firstLsn) : error;
    }),
  );
}

function checkRecovery({ recovery = 'strict', onGap }: { recovery?: string | undefined; onGap?: unknown }): void {
  if (recovery !== 'strict' && recovery !== 'salvage') {
    throw new TypeError(`recovery must be 'strict' or 'salvage', not '${recovery}'`);
  }
  checkCallback('onGap', onGap);
  if (onGap !== undefined && recovery === 'strict')
    throw new TypeError("onGap needs recovery: 'salvage': strict reading has no gaps");
}

/** What can be proven of a damaged log. A record that the codec does not know is a gap too. */
function salvaged<T>(
  store: SegmentStore,
  codec: Codec<T>,
  maxRecordBytes: number,
  { after = 0, until = Infinity, onGap = () => undefined }: ReadWalOptions<T>,
): Observable<Entry<T>> {
  return salvage(store, maxRecordBytes).pipe(
    concatMap((remains) => remains.all()),
    takeWhile((found) => 'gap' in found || lsnBehind(found.frame, 0) < until, true),
    concatMap((found) => {
      if ('gap' in found) {
        onGap(found.gap);
        return EMPTY;
      }
      const first = Math.max(found.firstLsn, after + 1);
      const wanted = [...recordFrames(found.frame)].filter(({ lsn }) => lsn >= first && lsn <= until);
      return from(wanted).pipe(
        concatMap((frame) =>
          of(frame).pipe(
            deserialize(codec),
            catchError((error: unknown) => {
              if (!(error instanceof WalRecordError)) return throwError(() => error);
              const { lsn, offset, start, end } = frame;
              const { file } = found;
              onGap({
                file,
                offset,
                bytes: end - start,
                firstLsn: lsn,
                lastLsn: lsn,
                reason: error.message,
                torn: false,
              });
              return EMPTY;
            }),
          ),
        ),
      );
    }),
  );
}

/** What is made of the records in a chunk may take the event loop for about a millisecond. */
const CHUNK_BYTES = 128 * 1024;

export interface ReadRunsOptions {
  /** Without a gap, oldest first. */
  readonly segments: readonly SegmentInfo[];
  readonly logId: Uint8Array;
  /** Records up to this LSN are left out. Default: from the first one there. */
  readonly after: number | undefined;
  /** The last LSN wanted. */
  readonly until: number;
  readonly maxRecordBytes: number;
  /** How the last segment may end. `'torn'`: in a torn tail. `'whole'`: behind a valid frame. */
  readonly end: 'torn' | 'whole';
  /** Known to have been durable: a log that ends before it is damaged. */
  readonly durableLsn: number;
  /** Where this reader has stopped before: what stands before that is not read again. */
  readonly place?: ReadingPlace | undefined;
  /** `false`: nothing more for now. Default: always wanted. */
  readonly wanted$?: Observable<boolean> | undefined;
}

/** Where a reader stands: behind the record `lsn`, which ends at `offset` in the segment `sequence`. */
export interface ReadingPlace {
  readonly sequence: number;
  readonly offset: number;
  readonly lsn: number;
}

/** Frames of a log, and where they end. */
export interface PlacedRun extends StoredRun {
  readonly place: ReadingPlace;
}

/**
 * The frames of the segments that hold records with `after < lsn <= until`, up to the last of them, many at a time, each checked. Marks and
 * checkpoints are among them, and records up to `after` may be in the first.
 *
 * Fails with `WalTruncatedError` where a checkpoint has removed the first of them, and `WalCorruptError` at damage.
 */
export function readRuns(store: SegmentStore, options: ReadRunsOptions): Observable<PlacedRun> {
  const { segments, logId, until, maxRecordBytes, end, durableLsn, place, wanted$ } = options;
  const [oldest] = segments;
  if (!oldest) return EMPTY;
  const after = options.after ?? oldest.firstLsn - 1;
  if (after >= until) return EMPTY;
  if (after + 1 < oldest.firstLsn) return throwError(() => new WalTruncatedError(after + 1, oldest.firstLsn));
  const first = segments.findLastIndex(({ firstLsn }) => firstLsn <= after + 1);
  const wanted = segments.slice(first).filter(({ firstLsn }) => firstLsn <= until);
  const last = segments.length - 1;

  let logEndsAt = Infinity;
  /** The last segment begins before the end of the one before it: its header is an old block's, and it must be empty. */
  let staleHeader = false;

  const read = (index: number): Observable<PlacedRun> => {
    const segment = segments[index];
    if (!segment) return EMPTY;
    const { groups } = segment;
    const next = segments[index + 1];
    const name = segmentName(segment.sequence);
    // Not behind what is to be read: the log may have been read further by another way.
    const from = place && place.sequence === segment.sequence && place.lsn <= after ? place : undefined;
    let lastLsn = from?.lsn ?? segment.firstLsn - 1;
    let isEmpty = true;
    return withFile(store, name, (file) =>
      file.size().pipe(
        concatMap((size) => {
          const runs = segmentRuns(file, {
            logId,
            after: lastLsn,
            from: from?.offset ?? HEADER_BYTES,
            maxRecordBytes,
            groups,
            size,
            chunkBytes: CHUNK_BYTES,
            wanted$,
          }).pipe(
            map((run) => placed(runUntil(run, until), segment.sequence)),
            tap((run) => {
              isEmpty = false;
              lastLsn = run.lastLsn;
            }),
            takeWhile((run) => run.lastLsn < until, true),
            catchError((error: unknown) => {
              if (next || end !== 'torn' || !(error instanceof WalCorruptError)) return throwError(() => error);
              return judgeTail(file, error, { logId, maxRecordBytes, groups }).pipe(
                tap((tornBytes) => {
                  if (tornBytes > 0) isEmpty = false;
                }),
                ignoreElements(),
              );
            }),
          );
          const whole = defer(() => {
            if (staleHeader) {
              if (isEmpty) return EMPTY;
              const reason = `it begins at LSN ${segment.firstLsn}, and the segment before it ends with LSN ${logEndsAt}`;
              throw new WalCorruptError({ file: name, offset: 0, lsn: segment.firstLsn, reason });
            }
            const endsAt = Math.min(until, next ? next.firstLsn - 1 : Math.max(lastLsn, durableLsn));
            if (index === last - 1 && end === 'torn' && lastLsn > endsAt) {
              staleHeader = true;
              logEndsAt = lastLsn;
              return EMPTY;
            }
            if (!next) logEndsAt = lastLsn;
            if (lastLsn === endsAt) return EMPTY;
            const reason = `the segment ends with LSN ${lastLsn}, and LSN ${endsAt} was durable`;
            throw new WalCorruptError({ file: name, offset: size, lsn: lastLsn + 1, reason });
          });
          return concat(runs, whole);
        }),
      ),
    ).pipe(asIoError('Reading', name));
  };

  const runs$ = from(wanted.keys()).pipe(concatMap((index) => read(first + index)));
  // Nothing in the last segment says that it begins where its header says.
  const isStale = (): boolean => end === 'torn' && first === last && logEndsAt < (segments[last]?.firstLsn ?? 0);
  const before = defer(() => (isStale() ? read(last - 1) : EMPTY));
  const isTheLog = defer(() => (after > logEndsAt ? throwError(() => pastTheEnd(after, logEndsAt)) : EMPTY));
  return concat(concat(runs$, before).pipe(filter(({ lastLsn }) => lastLsn > after)), isTheLog);
}

function placed({ buffer, start, end, offset, after, lastLsn }: StoredRun, sequence: number): PlacedRun {
  const place = { sequence, offset: offset + end - start, lsn: lastLsn };
  return { buffer, start, end, offset, after, lastLsn, place };
}

/** A reader that has read more than this log ever held has read another one. */
export function pastTheEnd(after: number, lastLsn: number): RangeError {
  return new RangeError(`after ${after} is past the last LSN, ${lastLsn}: is this the log that the reader has read?`);
}
