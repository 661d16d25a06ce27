import { defer, map, throwError, type Observable } from 'rxjs';
import type { SegmentFile, SegmentStore } from 'rxwal';

/** A store whose disk gives up: its `nth` write fails with EIO, and so does every one after it. */
export function failingStore(store: SegmentStore, nth: number): SegmentStore {
  let writes = 0;
  const mayFail = (write: Observable<void>): Observable<void> =>
    defer(() => {
      writes += 1;
      if (writes < nth) return write;
      return throwError(() =>
        Object.assign(new Error('EIO: the disk has given up'), { code: 'EIO', syscall: 'write' }),
      );
    });

  const failing = (file: SegmentFile): SegmentFile => {
    const { writeDurable } = file;
    return {
      name: file.name,
      size: () => file.size(),
      read: (position, length) => file.read(position, length),
      write: (pieces, position) => mayFail(file.write(pieces, position)),
      ...(writeDurable && { writeDurable: (pieces, position) => mayFail(writeDurable(pieces, position)) }),
      sync: () => file.sync(),
      truncate: (size) => file.truncate(size),
      close: () => file.close(),
    };
  };

  return {
    dir: store.dir,
    lock: () => store.lock(),
    list: () => store.list(),
    open: (name, access) => store.open(name, access).pipe(map(failing)),
    rename: (from, to) => store.rename(from, to),
    remove: (name) => store.remove(name),
    syncDir: () => store.syncDir(),
  };
}
