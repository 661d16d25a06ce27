/**
 * A directory of the real disk where nothing is fsync'd: for making a large log before it is measured, never for measuring one. What it
 * leaves is byte for byte a log.
 */
import { map, of } from 'rxjs';
import { nodeStore, type SegmentFile, type SegmentStore } from 'rxwal';

export function unsyncedStore(dir: string): SegmentStore {
  const store = nodeStore(dir);
  const done = () => of(undefined);
  const unsyncedFile = (file: SegmentFile): SegmentFile => ({
    name: file.name,
    size: () => file.size(),
    read: (position, length) => file.read(position, length),
    write: (pieces, position) => file.write(pieces, position),
    sync: done,
    truncate: (size) => file.truncate(size),
    close: () => file.close(),
  });
  return {
    dir: store.dir,
    lock: () => store.lock(),
    list: () => store.list(),
    open: (name, access) => store.open(name, access).pipe(map(unsyncedFile)),
    rename: (from, to) => store.rename(from, to),
    remove: (name) => store.remove(name),
    syncDir: done,
  };
}
