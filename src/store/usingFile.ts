import { EMPTY, catchError, concat, concatMap, defer, finalize, ignoreElements, type Observable } from 'rxjs';
import { afterFailure } from '../afterFailure';
import type { SegmentFile } from './segmentStore';

/**
 * Opens a file, and closes it when `use` is done with it, has failed, or is no longer wanted. A failure to close is none: what was read is
 * read, and what was written was fsync'd or does not count.
 */
export function usingFile<T>(
  opened$: Observable<SegmentFile>,
  use: (file: SegmentFile) => Observable<T>,
): Observable<T> {
  return opened$.pipe(
    concatMap((file) => {
      let open = true;
      const closed = defer(() => {
        open = false;
        return file.close();
      }).pipe(
        ignoreElements(),
        catchError(() => EMPTY),
      );
      return concat(defer(() => use(file)).pipe(afterFailure(() => closed)), closed).pipe(
        finalize(() => {
          // eslint-disable-next-line rxjs-x/no-subscribe-in-pipe -- nobody is left to wait for the file to close
          if (open) closed.subscribe();
        }),
      );
    }),
  );
}
