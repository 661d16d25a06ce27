import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defer,
  filter,
  from,
  takeWhile,
  tap,
  throwError,
  type Observable,
} from 'rxjs';
import { cborCodec } from './cborCodec';
import { WalCorruptError, WalTruncatedError } from './errors';
import { asIoError } from './ioError';
import { deserialize } from './operators/deserialize';
import { checkCodec, checkMaxRecordBytes, checkReadOptions } from './options';
import { segmentFrames, withFile } from './segmentFrames';
import { nodeStore } from './store/nodeStore';
import { segmentName, type SegmentStore } from './store/segmentStore';
import { survey } from './survey';
import { examineTail } from './tornTail';
import type { Codec, Entry, ReadOptions, SegmentInfo, StoredFrame } from './types';
import type { WalRecord } from './walRecord';

export interface ReadWalOptions<T> extends ReadOptions {
  /** The codec that wrote the log. Default `cborCodec()`. */
  readonly codec?: Codec<T> | undefined;
  /** Largest payload accepted, in bytes. Default 16 MiB. */
  readonly maxRecordBytes?: number | undefined;
}

/**
 * Reads a log that nobody writes: closed, or left by a crash. Takes no lock and changes nothing; in constant memory, in LSN order.
 *
 * A torn tail ends the stream as the end of the log does; damage is a `WalCorruptError` behind the last record before it. An empty
 * directory is an empty log.
 *
 * Unlike an open log this one cannot know what is durable: after a crash it shows what is in the file, which may be more than was
 * acknowledged. On a log that another process is writing it shows what was there when each segment was opened.
 *
 * @param source the directory, or any store.
 * @example
 * readWal<MyEvent>('/var/lib/app/wal').subscribe(({ lsn, value }) => apply(value));
 */
export function readWal<T = WalRecord>(
  source: string | SegmentStore,
  options: ReadWalOptions<T> = {},
): Observable<Entry<T>> {
  checkReadOptions(options);
  const { after, until = Infinity } = options;
  const codec = checkCodec(options.codec ?? cborCodec<T>());
  const maxRecordBytes = checkMaxRecordBytes(options.maxRecordBytes);
  return defer(() => {
    const store = typeof source === 'string' ? nodeStore(source) : source;
    return survey(store).pipe(
      concatMap(({ segments, logId, headless, checkpoint }) => {
        if (!logId) return EMPTY;
        // Behind a segment that a crash kept from being made stands one that had been whole before.
        const end = headless ? 'whole' : 'torn';
        return readFrames(store, {
          segments,
          logId,
          after,
          until,
          maxRecordBytes,
          end,
          durableLsn: checkpoint?.lsn ?? 0,
        });
      }),
      deserialize(codec),
    );
  });
}

export interface ReadFramesOptions {
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
}

/**
 * The record frames with `after < lsn <= until`, across segments, each checked.
 *
 * Fails with `WalTruncatedError` where a checkpoint has removed the first of them, and `WalCorruptError` at damage.
 */
export function readFrames(store: SegmentStore, options: ReadFramesOptions): Observable<StoredFrame> {
  const { segments, logId, until, maxRecordBytes, end, durableLsn } = options;
  const [oldest] = segments;
  if (!oldest) return EMPTY;
  const after = options.after ?? oldest.firstLsn - 1;
  if (after >= until) return EMPTY;
  if (after + 1 < oldest.firstLsn) return throwError(() => new WalTruncatedError(after + 1, oldest.firstLsn));
  const first = segments.findLastIndex(({ firstLsn }) => firstLsn <= after + 1);
  const wanted = segments.slice(first).filter(({ firstLsn }) => firstLsn <= until);

  let logEndsAt = Infinity;
  const frames$ = from(wanted).pipe(
    concatMap((segment, index) => {
      const next = segments[first + index + 1];
      const name = segmentName(segment.sequence);
      let lastLsn = segment.firstLsn - 1;
      return withFile(store, name, (file) =>
        file.size().pipe(
          concatMap((size) => {
            const frames = segmentFrames(file, { logId, after: lastLsn, maxRecordBytes, size }).pipe(
              filter(({ kind }) => kind === 'record'),
              tap(({ lsn }) => {
                lastLsn = lsn;
              }),
              takeWhile(({ lsn }) => lsn < until, true),
              catchError((error: unknown) => {
                if (next || end !== 'torn' || !(error instanceof WalCorruptError)) return throwError(() => error);
                return examineTail(file, error, { logId, size }).pipe(concatMap(() => EMPTY));
              }),
            );
            const whole = defer(() => {
              const endsAt = Math.min(until, next ? next.firstLsn - 1 : Math.max(lastLsn, durableLsn));
              if (!next) logEndsAt = lastLsn;
              if (lastLsn === endsAt) return EMPTY;
              const reason = `the segment ends with LSN ${lastLsn}, and LSN ${endsAt} was durable`;
              throw new WalCorruptError({ file: name, offset: size, lsn: lastLsn + 1, reason });
            });
            return concat(frames, whole);
          }),
        ),
      ).pipe(asIoError('Reading', name));
    }),
    filter(({ lsn }) => lsn > after),
  );
  const isTheLog = defer(() => (after > logEndsAt ? throwError(() => pastTheEnd(after, logEndsAt)) : EMPTY));
  return concat(frames$, isTheLog);
}

/** A reader that has read more than this log ever held has read another one. */
export function pastTheEnd(after: number, lastLsn: number): RangeError {
  return new RangeError(`after ${after} is past the last LSN, ${lastLsn}: is this the log that the reader has read?`);
}
