import {
  EMPTY,
  catchError,
  concat,
  concatMap,
  defer,
  filter,
  from,
  map,
  of,
  retry,
  takeWhile,
  tap,
  throwError,
  type Observable,
} from 'rxjs';
import { WalCorruptError, WalTruncatedError } from '../errors';
import { framesFrom, isVanished, judgeTail, surveyBesideWriter } from '../besideWriter';
import { lsnBehind, recordFrames } from '../format/group';
import { HEADER_BYTES } from '../format/header';
import { asIoError } from '../ioError';
import { provenBeside } from '../provenBeside';
import { pastTheEnd } from '../read';
import { eachFile, withFile } from '../reading/segmentFrames';
import { segmentName, type SegmentStore } from '../store/segmentStore';
import type { Survey } from '../survey';
import type { FrameKind, SegmentInfo, StoredFrame } from '../types';

export interface LogFramesOptions {
  /** Frames of records up to this LSN are left out, and the marks and checkpoints before its successor. Default: from the first one there. */
  readonly after?: number | undefined;
  /** The last LSN wanted: the frames end with it. */
  readonly until?: number | undefined;
  readonly maxRecordBytes: number;
  /** Is told of a torn tail, at which the frames end. */
  readonly onTorn: (place: WalCorruptError, bytes: number) => void;
  readonly progress: { expect(bytes: number): void; add(bytes: number): void };
}

/** A frame, and the file that it stands in; of a group each record by itself. */
export interface LocatedFrame {
  readonly file: string;
  readonly frame: StoredFrame & { readonly kind: Exclude<FrameKind, 'group'> };
}

/**
 * Frames of every kind, across segments, each checked. What is in the files, which after a crash may be more than was acknowledged. Fails at
 * damage as `readWal` does.
 */
export function logFrames(store: SegmentStore, options: LogFramesOptions): Observable<LocatedFrame> {
  let shown: number | undefined;
  const look = surveyBesideWriter(store).pipe(
    concatMap((found) => {
      const [oldest] = found.segments;
      if (!oldest || !found.logId) return EMPTY;
      const after = shown ?? options.after ?? oldest.firstLsn - 1;
      if (after + 1 < oldest.firstLsn) return throwError(() => new WalTruncatedError(after + 1, oldest.firstLsn));
      return framesOf(store, found, found.logId, after, options);
    }),
    tap(({ frame }) => {
      shown = frame.kind === 'record' ? frame.lsn : shown;
    }),
  );
  return look.pipe(
    // A checkpoint has removed a segment on the way there: another look finds the next record, or that it is gone.
    retry({
      delay: (error: unknown, count) =>
        isVanished(error) && count < MOST_LOOKS ? of(undefined) : throwError(() => error),
    }),
  );
}

/** Looks at a log whose segments are removed faster than they are read. */
const MOST_LOOKS = 100;

function framesOf(
  store: SegmentStore,
  { segments, checkpoint, holds, headless }: Survey,
  logId: Uint8Array,
  after: number,
  options: LogFramesOptions,
): Observable<LocatedFrame> {
  const { until = Infinity, maxRecordBytes, onTorn, progress } = options;
  const first = segments.findLastIndex(({ firstLsn }) => firstLsn <= after + 1);
  const wanted = segments.slice(first).filter(({ firstLsn }) => firstLsn <= until);
  let seenLsn = (wanted[0]?.firstLsn ?? after + 1) - 1;

  const read = (segment: SegmentInfo, next: SegmentInfo | undefined): Observable<LocatedFrame> => {
    const { groups } = segment;
    const name = segmentName(segment.sequence);
    let lastLsn = segment.firstLsn - 1;
    let end = HEADER_BYTES;
    return withFile(store, name, (file) => {
      const frames = framesFrom(file, { logId, offset: HEADER_BYTES, after: lastLsn, maxRecordBytes, groups }).pipe(
        tap((frame) => {
          lastLsn = lsnBehind(frame, lastLsn);
          if (lastLsn >= segment.firstLsn) seenLsn = lastLsn;
          end = frame.offset + (frame.end - frame.start);
          progress.add(frame.end - frame.start);
        }),
        catchError((error: unknown) => {
          // Behind a segment that a crash kept from being made stands one that had been whole before.
          if (next || headless || !(error instanceof WalCorruptError)) return throwError(() => error);
          return judgeTail(file, error, { logId, maxRecordBytes, groups }).pipe(
            concatMap((bytes) => {
              if (bytes > 0) onTorn(error, bytes);
              return EMPTY;
            }),
          );
        }),
        concatMap((frame) => (isSingle(frame) ? [frame] : recordFrames(frame))),
        filter(({ kind, lsn }) => (kind === 'record' ? lsn > after : lastLsn > after || options.after === undefined)),
        map((frame) => ({ file: name, frame })),
      );
      const whole = defer(() => {
        const due = next ? next.firstLsn - 1 : Math.max(lastLsn, provenBeside(checkpoint, holds).lsn);
        if (lastLsn === due) return EMPTY;
        const reason = `the segment ends with LSN ${lastLsn}, and LSN ${due} was durable`;
        return throwError(() => new WalCorruptError({ file: name, offset: end, lsn: lastLsn + 1, reason }));
      });
      return concat(frames, whole);
    }).pipe(asIoError('Reading', name));
  };

  const sizes = eachFile(wanted, ({ sequence }) => {
    const name = segmentName(sequence);
    return withFile(store, name, (file) => file.size()).pipe(asIoError('Reading', name));
  });
  const frames = sizes.pipe(
    concatMap((bytes) => {
      progress.expect(bytes.reduce((sum, size) => sum + size, 0));
      return from(wanted.entries());
    }),
    concatMap(([index, segment]) => read(segment, segments[first + index + 1])),
    takeWhile(({ frame }) => !(frame.kind === 'record' && frame.lsn >= until), true),
  );
  // A reader that has read more than this log ever held has read another one.
  const isTheLog = defer(() => (after > seenLsn ? throwError(() => pastTheEnd(after, seenLsn)) : EMPTY));
  return after >= until ? EMPTY : concat(frames, isTheLog);
}

function isSingle(frame: StoredFrame): frame is LocatedFrame['frame'] {
  return frame.kind !== 'group';
}
