import { EMPTY, concat, defer, ignoreElements, type Observable } from 'rxjs';
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
  return defer(() => {
    let made = false;
    const filled = usingFile(store.open(temporary, 'create'), (file) => {
      made = true;
      return concat(fill(file), file.sync());
    });
    return concat(
      // On a full disk, half a file would be in the way of everything else. What could not be opened is not ours.
      filled.pipe(afterFailure(() => (made ? store.remove(temporary) : EMPTY))),
      defer(() => store.rename(temporary, name)),
      defer(() => store.syncDir()),
    );
  }).pipe(ignoreElements());
}
