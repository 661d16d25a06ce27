import { catchError, concatMap, defaultIfEmpty, defer, map, of, retry, take, throwError, type Observable } from 'rxjs';
import { WalCorruptError, WalIoError } from './errors';
import { segmentFrames } from './reading/segmentFrames';
import type { SegmentFile, SegmentStore } from './store/segmentStore';
import { survey, type Survey } from './survey';
import { examineTail } from './tornTail';
import type { StoredFrame } from './types';

/** Looks at a directory that changes meanwhile are taken anew, this often. */
const LOOKS_AT_A_VANISHING_FILE = 100;
const LOOKS_AT_DAMAGE = 3;

/**
 * As `survey`, of a directory in which another process works: a checkpoint may remove a file between its name and its header, and a
 * listing that is not of one moment may seem to have a gap. What is really so is so at the next look, too.
 */
export function surveyBesideWriter(store: SegmentStore): Observable<Survey> {
  return defer(() => survey(store)).pipe(
    retry({
      delay: (error: unknown, count) => {
        const limit = isVanished(error) ? LOOKS_AT_A_VANISHING_FILE : isDamage(error) ? LOOKS_AT_DAMAGE : 0;
        return count < limit ? of(undefined) : throwError(() => error);
      },
    }),
  );
}

/** A file that had been listed was gone when it was opened. */
export function isVanished(error: unknown): boolean {
  return (
    error instanceof WalIoError &&
    error.operation !== 'Listing' &&
    (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
  );
}

export function isDamage(error: unknown): error is WalCorruptError {
  return error instanceof WalCorruptError;
}

export interface FramesPlace {
  readonly logId: Uint8Array;
  /** Offset of the first frame wanted. */
  readonly offset: number;
  /** The last LSN before it. */
  readonly after: number;
  readonly maxRecordBytes: number;
  /** Whether groups may stand in the segment, as its header says. */
  readonly groups: boolean | undefined;
}

/** As `segmentFrames`, from some place on to the end that the file has now. */
export function framesFrom(file: SegmentFile, { offset, ...place }: FramesPlace): Observable<StoredFrame> {
  return file.size().pipe(concatMap((size) => segmentFrames(file, { ...place, from: offset, size })));
}

/**
 * How many bytes of a torn tail stand behind the last valid frame; 0 where there is none any more. Fails with `WalCorruptError` for damage.
 *
 * A look may come in the middle of a write, and what is examined afterwards may be whole and followed by a mark. So the verdict counts
 * only if the same place is invalid after it as it was before.
 *
 * @param invalid where the first invalid frame stood.
 */
export function judgeTail(
  file: SegmentFile,
  invalid: WalCorruptError,
  limits: Pick<FramesPlace, 'logId' | 'maxRecordBytes' | 'groups'>,
): Observable<number> {
  const { logId, groups } = limits;
  const verdict$ = file.size().pipe(
    concatMap((size) => examineTail(file, invalid, { logId, size, groups })),
    catchError((error: unknown) => (isDamage(error) ? of(error) : throwError(() => error))),
  );
  return verdict$.pipe(
    concatMap((verdict) =>
      framesFrom(file, { ...limits, offset: invalid.offset, after: invalid.lsn - 1 }).pipe(
        take(1),
        map(() => 0),
        defaultIfEmpty(0),
        catchError((error: unknown) => {
          if (!isDamage(error) || error.offset !== invalid.offset) return throwError(() => error);
          return typeof verdict === 'number' ? of(verdict) : throwError(() => verdict);
        }),
      ),
    ),
  );
}
