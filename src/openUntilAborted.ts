import { catchError, defer, map, tap, throwError, type Observable } from 'rxjs';
import type { SegmentFile, SegmentStore } from './store/segmentStore';

/**
 * Opens something on a store, and stops at the next operation when the signal is aborted: what has begun runs to its end, what would come
 * next is refused, and so everything is put in order as after a failure of the disk: files are closed, the lock is given back, and only then
 * does this fail, with `signal.reason`. Once `open` has emitted the signal does nothing.
 *
 * ```
 * operations of the store:                  -a--b---        what would come behind b is refused
 * signal:                                   ----x
 * openUntilAborted(store, signal, open):    ------#         b is through, the lock is back
 * ```
 *
 * To leave `open` would not do: half of an opening cannot be taken back while the disk is at work on it. Never refused are what puts in
 * order (closing, removing) and what is written to a file that is open.
 */
export function openUntilAborted<T>(
  store: SegmentStore,
  signal: AbortSignal,
  open: (store: SegmentStore) => Observable<T>,
): Observable<T> {
  return defer(() => {
    if (signal.aborted) return throwError((): unknown => signal.reason);
    const gate = new Gate(signal);
    return open(guarded(store, gate)).pipe(
      tap(() => {
        gate.isOver = true;
      }),
      catchError((error: unknown) => throwError((): unknown => (gate.hasRefused ? signal.reason : error))),
    );
  });
}

class Gate {
  hasRefused = false;
  isOver = false;

  constructor(private readonly signal: AbortSignal) {}

  /** An operation that is begun only while the signal is not aborted. */
  readonly pass = <R>(operation: () => Observable<R>): Observable<R> =>
    defer(() => {
      if (this.isOver || !this.signal.aborted) return operation();
      this.hasRefused = true;
      // Not the reason itself: it may be an error of a log, and that one means something to a recovery.
      return throwError(() => new Error('The opening was aborted'));
    });
}

function guarded(store: SegmentStore, { pass }: Gate): SegmentStore {
  const guardedFile = (file: SegmentFile): SegmentFile => ({
    name: file.name,
    size: () => pass(() => file.size()),
    read: (position, length) => pass(() => file.read(position, length)),
    write: (pieces, position) => file.write(pieces, position),
    sync: () => file.sync(),
    truncate: (size) => file.truncate(size),
    close: () => file.close(),
  });
  const readStarts = store.readStarts?.bind(store);
  const modifiedAt = store.modifiedAt?.bind(store);
  return {
    dir: store.dir,
    lock: () => pass(() => store.lock()),
    list: () => pass(() => store.list()),
    // What is opened to be written is the log's own from then on, and nothing shall stand between the two.
    open: (name, access) => {
      const opened = pass(() => store.open(name, access));
      return access === 'read' ? opened.pipe(map(guardedFile)) : opened;
    },
    ...(modifiedAt && { modifiedAt: (name) => pass(() => modifiedAt(name)) }),
    ...(readStarts && { readStarts: (names, length) => pass(() => readStarts(names, length)) }),
    rename: (from, to) => pass(() => store.rename(from, to)),
    remove: (name) => store.remove(name),
    syncDir: () => pass(() => store.syncDir()),
  };
}
