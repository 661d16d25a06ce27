import { catchError, concat, concatMap, defer, finalize, ignoreElements, throwError, type Observable } from 'rxjs';
import { TEMPORARY_SUFFIX, type SegmentFile, type SegmentStore } from './segmentStore';

/**
 * Puts a whole new file in the place of `name`, or of nothing: write a temporary one, fsync, rename, fsync the directory. A crash at
 * any step leaves the old file or the new one, and at most a leftover that the next try overwrites.
 *
 * A new file, and not the old one written again: after a failed fsync the kernel calls pages clean that the disk does not have,
 * and on ext4 writing them again in place did not always heal that.
 *
 * @param fill writes the content; completes when everything has been handed to the operating system.
 */
export function replaceFile(
  store: SegmentStore,
  name: string,
  fill: (file: SegmentFile) => Observable<unknown>,
): Observable<never> {
  const temporary = name + TEMPORARY_SUFFIX;
  return store.open(temporary, 'create').pipe(
    concatMap((file) => {
      let open = true;
      const closed = defer(() => {
        open = false;
        return file.close();
      }).pipe(ignoreElements());
      return concat(
        concat(
          defer(() => fill(file)),
          file.sync(),
        ).pipe(
          ignoreElements(),
          catchError((error: unknown) => {
            const failed = throwError(() => error);
            return concat(closed, failed).pipe(catchError(() => failed));
          }),
        ),
        closed,
        defer(() => store.rename(temporary, name)),
        defer(() => store.syncDir()),
      ).pipe(
        finalize(() => {
          // eslint-disable-next-line rxjs-x/no-subscribe-in-pipe -- nobody is left to wait for the file to close
          if (open) closed.subscribe({ error: () => undefined });
        }),
      );
    }),
    ignoreElements(),
  );
}
