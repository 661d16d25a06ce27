import { EMPTY, Observable, Subject, defer, ignoreElements, map, take } from 'rxjs';
import { toTheEnd } from '../toTheEnd';
import type { SegmentFile, SegmentStore } from './segmentStore';

/** A store that knows when nothing is on its way to the disk any more. */
export interface TrackedStore extends SegmentStore {
  /** Completes when every operation has come back, also one that nobody waits for: only then may somebody else have the directory. */
  readonly quiet: Observable<never>;
}

/** Counts the operations of a store. One that has begun runs to its end, whoever has unsubscribed. */
export function trackedStore(store: SegmentStore): TrackedStore {
  let busy = 0;
  const quiet$ = new Subject<void>();

  const track = <R>(operation: Observable<R>): Observable<R> =>
    new Observable<R>((subscriber) => {
      busy += 1;
      const over = (): void => {
        busy -= 1;
        if (busy === 0) quiet$.next();
      };
      operation.subscribe({
        next: (result) => {
          subscriber.next(result);
        },
        error: (error: unknown) => {
          subscriber.error(error);
          over();
        },
        complete: () => {
          subscriber.complete();
          over();
        },
      });
    });

  const trackFile = (file: SegmentFile): SegmentFile => {
    const { writeDurable } = file;
    return {
      name: file.name,
      size: () => track(file.size()),
      read: (position, length) => track(file.read(position, length)),
      write: (pieces, position) => track(file.write(pieces, position)),
      ...(writeDurable && { writeDurable: (pieces, position) => track(writeDurable(pieces, position)) }),
      sync: () => track(file.sync()),
      truncate: (size) => track(file.truncate(size)),
      close: () => track(file.close()),
    };
  };

  const readStarts = store.readStarts?.bind(store);
  const modifiedAt = store.modifiedAt?.bind(store);
  return {
    dir: store.dir,
    quiet: defer(() => (busy === 0 ? EMPTY : quiet$.pipe(take(1), ignoreElements()))),
    lock: () => store.lock(),
    list: () => track(store.list()),
    open: (name, access) => track(store.open(name, access).pipe(map(trackFile))).pipe(toTheEnd((late) => late.close())),
    ...(readStarts && { readStarts: (names, length) => track(readStarts(names, length)) }),
    ...(modifiedAt && { modifiedAt: (name) => track(modifiedAt(name)) }),
    rename: (from, to) => track(store.rename(from, to)),
    remove: (name) => track(store.remove(name)),
    syncDir: () => track(store.syncDir()),
  };
}
