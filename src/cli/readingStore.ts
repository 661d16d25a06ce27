import { concatMap, map, type Observable } from 'rxjs';
import type { SegmentFile, SegmentStore } from '../store/segmentStore';

/**
 * A store for commands that only look: it reads, and whatever would change a byte or take the lock throws. A file can still be fsync'd,
 * which changes nothing that is in it.
 *
 * @param ready a read waits for it. Rows of operators have no way to slow their source down, so a reader of the output who is behind is
 *   waited for here, where the bytes come from: at most one chunk of the log is then on its way.
 */
export function readingStore(store: SegmentStore, ready?: () => Observable<unknown>): SegmentStore {
  const refuse = (): never => {
    throw new Error('This command must not change the log');
  };
  const reading = (file: SegmentFile): SegmentFile => ({
    name: file.name,
    size: () => file.size(),
    read: (position, length) =>
      ready ? ready().pipe(concatMap(() => file.read(position, length))) : file.read(position, length),
    write: refuse,
    sync: () => file.sync(),
    truncate: refuse,
    close: () => file.close(),
  });
  return {
    dir: store.dir,
    lock: refuse,
    list: () => store.list(),
    open: (name, access) => (access === 'read' ? store.open(name, access).pipe(map(reading)) : refuse()),
    rename: refuse,
    remove: refuse,
    syncDir: refuse,
  };
}
