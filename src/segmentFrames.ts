import {
  catchError,
  concat,
  concatMap,
  defer,
  finalize,
  from,
  ignoreElements,
  mergeMap,
  range,
  throwError,
  type Observable,
} from 'rxjs';
import { HEADER_BYTES } from './format/header';
import { unframe } from './operators/unframe';
import { verify } from './operators/verify';
import type { SegmentFile, SegmentStore } from './store/segmentStore';
import type { StoredFrame } from './types';

/** Bytes asked of the disk at a time. */
const CHUNK_BYTES = 1024 * 1024;

/** Bytes `[from, to)` of a file, a chunk at a time; the next is read when the last has been dealt with. */
export function readChunks(file: SegmentFile, from: number, to: number): Observable<Uint8Array> {
  const chunks = Math.ceil(Math.max(0, to - from) / CHUNK_BYTES);
  return range(0, chunks).pipe(
    concatMap((index) => {
      const at = from + index * CHUNK_BYTES;
      return file.read(at, Math.min(CHUNK_BYTES, to - at));
    }),
  );
}

export interface SegmentFramesOptions {
  readonly logId: Uint8Array;
  /** The last LSN before this segment. */
  readonly after: number;
  readonly maxRecordBytes: number;
  /** Size of the file. */
  readonly size: number;
}

/** The frames of one segment, each checked; a `WalCorruptError` at the first that is not valid. */
export function segmentFrames(file: SegmentFile, options: SegmentFramesOptions): Observable<StoredFrame> {
  const { name } = file;
  return readChunks(file, HEADER_BYTES, options.size).pipe(
    unframe({ ...options, file: name }),
    verify({ ...options, file: name }),
  );
}

/** Opens a file for reading, and closes it when `use` is done with it, fails, or is no longer wanted. */
export function withFile<T>(
  store: SegmentStore,
  name: string,
  use: (file: SegmentFile) => Observable<T>,
): Observable<T> {
  return store.open(name, 'read').pipe(
    concatMap((file) => {
      let open = true;
      const closed = defer(() => {
        open = false;
        return file.close();
      }).pipe(ignoreElements());
      return concat(
        use(file).pipe(
          catchError((error: unknown) => {
            const failed = throwError(() => error);
            return concat(closed, failed).pipe(catchError(() => failed));
          }),
        ),
        closed,
      ).pipe(
        finalize(() => {
          // eslint-disable-next-line rxjs-x/no-subscribe-in-pipe -- nobody is left to wait for the file to close
          if (open) closed.subscribe({ error: () => undefined });
        }),
      );
    }),
  );
}

/** Runs `read` for each of many files, a few at a time; the results in the files' order. */
export function eachFile<I, O>(inputs: readonly I[], read: (input: I) => Observable<O>): Observable<readonly O[]> {
  const results: O[] = [];
  return concat(
    from(inputs.entries()).pipe(
      mergeMap(
        ([index, input]) => read(input).pipe(mergeMap((result) => ((results[index] = result), []))),
        FILES_AT_ONCE,
      ),
    ),
    [results],
  );
}

/** Enough to keep the thread pool busy, few enough for any limit on open files. */
const FILES_AT_ONCE = 32;
