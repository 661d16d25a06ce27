import { concat, defer, ignoreElements, type Observable } from 'rxjs';
import { afterFailure } from '../afterFailure';
import { TEMPORARY_SUFFIX, type SegmentFile, type SegmentStore } from './segmentStore';
import { usingFile } from './usingFile';

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
  return concat(
    usingFile(store.open(temporary, 'create'), (file) => concat(fill(file), file.sync())).pipe(
      // On a full disk, half a file would be in the way of everything else.
      afterFailure(() => store.remove(temporary)),
    ),
    defer(() => store.rename(temporary, name)),
    defer(() => store.syncDir()),
  ).pipe(ignoreElements());
}
