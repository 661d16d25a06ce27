import {
  catchError,
  concat,
  defer,
  from,
  ignoreElements,
  map,
  mergeMap,
  of,
  tap,
  throwError,
  type Observable,
} from 'rxjs';
import { WalCorruptError, WalRecordError } from '../errors';
import { crcStart } from '../format/frame';
import { HEADER_BYTES } from '../format/header';
import { eachFrame, type StoredRun } from './storedRun';
import { handOnInTurn, inTurn } from '../inTurn';
import { readChunks, type ReadChunksOptions } from './readChunks';
import { sealedRuns } from './sealedRuns';
import type { ReadOnlyFile, SegmentFile, SegmentStore } from '../store/segmentStore';
import { usingFile } from '../store/usingFile';
import type { StoredFrame } from '../types';
import { wholeFrame } from './wholeFrame';

export interface SegmentFramesOptions extends ReadChunksOptions {
  readonly logId: Uint8Array;
  /** The last LSN before this segment. */
  readonly after: number;
  readonly maxRecordBytes: number;
  /** Whether groups may stand there, as the segment's header says. */
  readonly groups: boolean | undefined;
  /** Size of the file. */
  readonly size: number;
  /** Offset of the first frame. Default: behind the header. */
  readonly from?: number;
}

/**
 * The frames of one segment, many at a time, each checked. Fails with `WalCorruptError` at the first that is not valid, and with
 * `WalRecordError` at a record above `maxRecordBytes`.
 */
export function segmentRuns(file: ReadOnlyFile, options: SegmentFramesOptions): Observable<StoredRun> {
  const { name } = file;
  const { from: offset = HEADER_BYTES, size } = options;
  return readChunks(file, offset, size, options).pipe(
    sealedRuns({ ...options, offset, file: name }),
    catchError((error: unknown) =>
      error instanceof WalCorruptError ? judge(file, error, options) : throwError(() => error),
    ),
  );
}

/** As {@link segmentRuns}, one by one. */
export function segmentFrames(file: ReadOnlyFile, options: SegmentFramesOptions): Observable<StoredFrame> {
  return segmentRuns(file, options).pipe(eachFrame());
}

/** A record that is whole and only larger than this opening allows is no damage. */
function judge(
  file: ReadOnlyFile,
  invalid: WalCorruptError,
  { logId, size, maxRecordBytes, groups = true }: SegmentFramesOptions,
): Observable<never> {
  return wholeFrame(file, invalid.offset, size, crcStart(logId)).pipe(
    map((whole) => {
      const isOurs = whole?.kind === 'record' || (whole?.kind === 'group' && groups);
      if (!isOurs || whole.payloadBytes <= maxRecordBytes) throw invalid;
      throw new WalRecordError(
        `${invalid.file} holds a ${whole.kind} of ${whole.payloadBytes} bytes (LSN ${whole.lsn}) and maxRecordBytes is ` +
          `${maxRecordBytes}: open it with a larger maxRecordBytes`,
      );
    }),
  );
}

/** Opens a file for reading, and closes it when `use` is done with it, fails, or is no longer wanted. */
export function withFile<T>(
  store: SegmentStore,
  name: string,
  use: (file: SegmentFile) => Observable<T>,
): Observable<T> {
  return usingFile(store.open(name, 'read'), use);
}

/** Enough to keep the thread pool busy, few enough for any limit on open files. */
const FILES_AT_ONCE = 32;

/** Runs `read` for each of many files, a few at a time; the results in the files' order. */
export function eachFile<I, O>(inputs: readonly I[], read: (input: I) => Observable<O>): Observable<readonly O[]> {
  return defer(() => {
    const results: O[] = [];
    // Without it, files that answer at once behind one that did not would be read by recursion.
    const turn = inTurn();
    const filled = from(inputs.entries()).pipe(
      mergeMap(
        ([index, input]) =>
          read(input).pipe(
            tap((result) => {
              results[index] = result;
            }),
            handOnInTurn(turn),
          ),
        FILES_AT_ONCE,
      ),
      ignoreElements(),
    );
    return concat(filled, of(results));
  });
}
