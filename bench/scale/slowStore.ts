/** Slower disks: the real one, whose answers to a write wait. */
import { concatMap, defer, delayWhen, map, take, timer, type Observable } from 'rxjs';
import type { SegmentFile, SegmentStore } from 'rxwal';

/** The bytes are written and fsync'd as ever; the answer waits on a real timer until `bytes / bytesPerSecond` have passed. */
export function slowStore(store: SegmentStore, bytesPerSecond: number): SegmentStore {
  const slow = (pieces: readonly Uint8Array[], written$: Observable<void>): Observable<void> =>
    defer(() => {
      const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
      const due = performance.now() + (bytes * 1000) / bytesPerSecond;
      return written$.pipe(delayWhen(() => timer(Math.max(0, due - performance.now()))));
    });
  return withWrites(store, slow);
}

/** A disk that takes no write before `open$` has emitted. */
export function gatedStore(store: SegmentStore, open$: Observable<unknown>): SegmentStore {
  return withWrites(store, (_, written$) =>
    open$.pipe(
      take(1),
      concatMap(() => written$),
    ),
  );
}

function withWrites(
  store: SegmentStore,
  wrap: (pieces: readonly Uint8Array[], written$: Observable<void>) => Observable<void>,
): SegmentStore {
  const wrapFile = (file: SegmentFile): SegmentFile => {
    const { writeDurable } = file;
    return {
      name: file.name,
      size: () => file.size(),
      read: (position, length) => file.read(position, length),
      write: (pieces, position) => wrap(pieces, file.write(pieces, position)),
      ...(writeDurable && {
        writeDurable: (pieces, position) => wrap(pieces, writeDurable(pieces, position)),
      }),
      sync: () => file.sync(),
      truncate: (size) => file.truncate(size),
      close: () => file.close(),
    };
  };
  return {
    dir: store.dir,
    lock: () => store.lock(),
    list: () => store.list(),
    open: (name, access) => store.open(name, access).pipe(map(wrapFile)),
    rename: (from, to) => store.rename(from, to),
    remove: (name) => store.remove(name),
    syncDir: () => store.syncDir(),
  };
}
